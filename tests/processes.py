"""Real server processes for tests: started in their own group, watched, and never left behind."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 60.0  # seconds, generous: the machine may be busy with other tests
STOP_TIMEOUT = 5.0
EXIT_TIMEOUT = 30.0  # generous as well
_POLL = 0.02

# A watcher holds the read end of a pipe of ours. When we are gone, however that came about, it kills the group.
_LEASH = (
    'exec 3<&0; group=$$; (read -r _ <&3; kill -KILL "-$group") >/dev/null 2>&1 & exec 3<&-; exec "$@" </dev/null'
)

_reserved: dict[int, socket.socket] = {}


def reserve_port() -> int:
    """A TCP port on 127.0.0.1 that nobody else is given until it is released, or this process ends.

    It stays bound, not listening: a server that sets SO_REUSEADDR, as nearly all do, or SO_REUSEPORT, as granian
    does, can listen on it, and no other socket is ever assigned it.
    """
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    _reserved[port] = holder
    return port


def release_ports(*ports: int) -> None:
    """For servers that will not come back: a test process that kept all its ports would run out of descriptors."""
    for port in ports:
        if (holder := _reserved.pop(port, None)) is not None:
            holder.close()


free_port = reserve_port  # another word for the same


class ServerFailed(RuntimeError):
    """A server ended or stayed silent instead of becoming ready; the message holds its output."""


class ServerProcess:
    """One server process in a process group of its own, with its output in files.

    Args:
        command: the program and its arguments.
        env: variables on top of ours.
        cwd: where it runs.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        self._command = tuple(command)
        self._directory = tempfile.mkdtemp(prefix="server-")
        self._out = Path(self._directory, "out")
        self._err = Path(self._directory, "err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _LEASH, "leash", *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The server's process id, which is its group's id too."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All it wrote so far, standard output first."""
        return self._out.read_text(errors="replace") + self._err.read_text(errors="replace")

    def wait_for_line(self, timeout: float = START_TIMEOUT) -> str:
        """The first line on standard output.

        Raises:
            ServerFailed: it ended, or the time is over.
        """
        deadline = time.monotonic() + timeout
        while not (line := self._out.read_bytes().partition(b"\n"))[1]:
            self._check_alive(deadline)
            time.sleep(_POLL)
        return line[0].decode()

    def wait_for_port(self, port: int, timeout: float = START_TIMEOUT) -> None:
        """Returns as soon as something listens on 127.0.0.1:port.

        Raises:
            ServerFailed: the server ended, or the time is over.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                self._check_alive(deadline)
                time.sleep(_POLL)
            else:
                return

    def wait_for_exit(self, timeout: float = EXIT_TIMEOUT) -> int:
        """Its exit status, once it has ended by itself.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        return self._process.wait(timeout)

    def _check_alive(self, deadline: float) -> None:
        if not self.is_running or time.monotonic() > deadline:
            state = "is silent" if self.is_running else f"ended with {self._process.returncode}"
            output = self.output  # stopping removes it
            self.stop()
            raise ServerFailed(f"{self._command[0]} {state}: {output}")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the main process only."""
        self._process.send_signal(number)

    def pause(self) -> None:
        """The main process stands still, with its connections open and unanswered."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """The whole group is gone at once, without a chance to clean up."""
        self._kill_group()
        self._process.wait()

    def stop(self) -> None:
        """Asks the main process to end, then makes sure that nothing of its group remains."""
        if self.is_running:
            self.resume()
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._kill_group()
                self._process.wait()
        self._kill_group()
        if self._process.stdin is not None:
            self._process.stdin.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nothing of it is left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
