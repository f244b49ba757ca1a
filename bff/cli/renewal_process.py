"""How `bff run` keeps the renewal process alive beside the workers."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from bff.config.workers_folder import renewals_address

_RESPAWN_AFTER = 1.0  # seconds
_COMMAND = [sys.executable, "-m", "bff.cli.renewals"]


class RenewalProcess:
    """One process, started anew when it dies, replaced when the configuration changes."""

    def __init__(self, folder: Path, shutdown_timeout: float) -> None:
        self._folder = folder
        self._shutdown_timeout = shutdown_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopping = False

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
        status = process.wait()
        if process is not self._process or self._is_stopping:
            return
        sys.stderr.write(f"bff: the renewal process ended with {status}; workers renew until there is another\n")
        sys.stderr.flush()
        time.sleep(_RESPAWN_AFTER)
        if process is self._process and not self._is_stopping:
            self.start()
