"""How `bff run` keeps the renewal process alive beside the workers."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from bff.config.workers_folder import renewals_address

_RESPAWN_AFTER = 1.0  # seconds
_LONGEST_PAUSE = 60.0
_COMMAND = [sys.executable, "-m", "bff.cli.renewals"]


class RenewalProcess:
    """One process, started anew when it dies, replaced when the configuration changes."""

    def __init__(self, folder: Path, shutdown_timeout: float) -> None:
        self._folder = folder
        self._shutdown_timeout = shutdown_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopping = False
        self._deaths = 0  # in a row

    def start(self) -> None:
        """Start one. One that runs already goes on until the new one has taken its address."""
        address = renewals_address(self._folder)
        process = subprocess.Popen([*_COMMAND, str(address)], stdin=subprocess.PIPE)  # noqa: S603 -- ours
        self._process = process
        threading.Thread(target=self._watch, args=(process,), name="renewal-process", daemon=True).start()

    def stop(self) -> None:
        """Have it finish what is under way, and wait for that."""
        self._is_stopping = True
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self._shutdown_timeout + 5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        began = time.monotonic()
        status = process.wait()
        if process is not self._process or self._is_stopping:
            return
        sys.stderr.write(f"bff: the renewal process ended with {status}; workers renew until there is another\n")
        sys.stderr.flush()
        self._deaths = count_death(self._deaths, time.monotonic() - began)
        time.sleep(pause_after(self._deaths))
        if process is self._process and not self._is_stopping:
            self.start()


def count_death(deaths: int, lived: float) -> int:
    """Return the deaths in a row, with that of a process that lived so many seconds: a long life begins anew."""
    return 1 if lived > _LONGEST_PAUSE else deaths + 1


def pause_after(deaths: int) -> float:
    """Return the seconds until another is started: a start takes the workers' CPU, and some reasons stay."""
    return min(_RESPAWN_AFTER * 2.0 ** min(deaths - 1, 16), _LONGEST_PAUSE)
