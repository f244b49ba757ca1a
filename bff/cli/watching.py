"""`server.reload_on_change`: a configuration that changes on the disk is taken on as by SIGHUP."""

import os
import signal
from collections.abc import Callable
from typing import Any

from bff.config.config_files import ConfigFiles, Stamp

EVERY = 1.0  # seconds


class Watch:
    """Looks now and then. What changed counts once it is the same at two looks: it has been written whole."""

    def __init__(self, files: ConfigFiles, reload: Callable[[], None]) -> None:
        self._files = files
        self._reload = reload
        self._seen = files.stamp()
        self._becoming: Stamp | None = None

    def look(self, *_: Any) -> None:
        """Reload if there is something new that somebody has finished writing."""
        now = self._files.stamp()
        if now == self._seen:
            self._becoming = None
        elif now != self._becoming:
            self._becoming = now
        else:
            self._seen, self._becoming = now, None
            self._reload()


def watch(files: ConfigFiles) -> None:
    """Look every second, by a timer's signal: the process that forks the workers is to have no threads."""
    watching = Watch(files, lambda: os.kill(os.getpid(), signal.SIGHUP))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server, which is about to start, listens to it
    signal.signal(signal.SIGALRM, watching.look)
    signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
