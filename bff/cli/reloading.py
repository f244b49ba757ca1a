"""SIGHUP: the workers are replaced one by one by new ones with the new configuration, if it can be used at all."""

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from granian.server.mp import MPServer, WorkerProcess

from bff.cli.readiness import await_worker
from bff.config.findings import ConfigError
from bff.config.settings import Settings

# What the parent process has told the kernel, or the workers' server, at the start.
FIXED = frozenset(
    {
        "server.listen",
        "server.management_listen",
        "server.workers",
        "server.max_connections",
        "server.max_header_size",
        "server.shutdown_timeout",
        "server.drain_delay",
        "server.renewal_process",
        "server.reload_on_change",
        "log.level",
    }
)


_START_WITHIN = 30.0  # seconds


class ReloadingServer(MPServer):
    """granian's supervisor, which looks at the configuration and at the new worker before it lets an old one go."""

    settings: Settings
    load: Callable[[], Settings]
    reports: Path  # where workers say that they are ready
    _replaces = False

    def signal_handler_reload(self, *args: Any, **kwargs: Any) -> None:
        """Go on with the new configuration, or say why not and keep the old one."""
        try:
            settings = self.load()
        except ConfigError as error:
            findings = "\n".join(map(str, error.findings))
            _say(f"the configuration was not reloaded, the old one stays in force:\n{findings}")
            return
        changed = changed_keys(self.settings, settings)
        if later := sorted(FIXED & set(changed)):
            _say(f"needs a restart, not a reload, to take effect: {', '.join(later)}")
        _say(f"reloading; changed: {', '.join(changed) or 'nothing but secrets, if anything'}")
        # What is fixed stays what it was at the start, so that it is named at every reload until the restart.
        self.settings = settings if not later else self.settings
        self._replaces = True
        super().signal_handler_reload(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _spawn_worker(self, *args: Any, **kwargs: Any) -> WorkerProcess:
        """Return a worker whose start, in the place of another, lasts until it listens: then that one may go."""
        worker: WorkerProcess = super()._spawn_worker(*args, **kwargs)
        if self._replaces:
            start: Callable[[], None] = worker.start

            def start_and_wait() -> None:
                start()
                pid = worker.inner.pid
                port = None if self.bind_uds else self.bind_port  # workers inherit a Unix socket, which listens
                if not await_worker(self.reports, pid, port, _START_WITHIN, lambda: self._gave_up(worker)):
                    _say(f"worker {pid} does not listen yet")

            worker.start = start_and_wait  # type: ignore[method-assign]
        return worker

    def has_served(self, index: int) -> bool:
        """Whether the worker in this place has ever been ready."""
        return (self.reports / str(self.wrks[index].inner.pid)).exists()

    def _gave_up(self, worker: WorkerProcess) -> bool:
        return bool(self.interrupt_signal) or not worker.inner.is_alive()


def changed_keys(old: Any, new: Any, prefix: str = "") -> list[str]:
    """Return the keys that differ, dotted, as the configuration file has them; never a value."""
    if old == new:
        return []
    if not is_dataclass(old) or type(old) is not type(new):
        return [prefix]
    return [
        key
        for field in fields(old)
        for key in changed_keys(
            getattr(old, field.name), getattr(new, field.name), f"{prefix}.{field.name}".lstrip(".")
        )
    ]


def _say(text: str) -> None:
    sys.stderr.write(f"bff: {text}\n")
    sys.stderr.flush()
