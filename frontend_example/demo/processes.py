"""The demo's server processes: each in a group of its own, with a log file, and never left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

READY_TIMEOUT = 60.0  # seconds, for a slow machine that is busy
STOP_TIMEOUT = 4.0
_POLL = 0.02
_TAIL = 15  # lines

# A watcher in the server's group waits for the end of a pipe whose other end we alone hold. It ends when we do,
# killed or not, and then the watcher takes the whole group along.
_LEASH = """
exec 9<&0 </dev/null
(read -r _ <&9; kill -KILL "-$$") >/dev/null 2>&1 &
exec 9<&-
exec "$@"
"""


class PartFailed(Exception):
    """A part of the demo ended or did not get ready. The message names it and shows the end of its output."""


class Part:
    """One running server.

    Args:
        name: what people call it.
        command: the program and its arguments.
        log: where its output goes.
        environment: variables on top of ours.
        folder: where it runs.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _LEASH, "leash", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=folder,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop the parts in order
            )

    @property
    def pid(self) -> int:
        """The server's process id, and its group's."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All it has said so far."""
        return self.log.read_text(errors="replace")

    def check_alive(self) -> None:
        """Does nothing while it runs.

        Raises:
            PartFailed: it has ended.
        """
        status = self._process.poll()
        if status is not None:
            how = (
                f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
            )
            raise PartFailed(self._story(how))

    def wait_until(self, look: Callable[[], Answer | None]) -> Answer:
        """The first answer of `look` that is not None.

        Raises:
            PartFailed: the server ended, or the time is over.
        """
        deadline = time.monotonic() + READY_TIMEOUT
        while (answer := look()) is None:
            self.check_alive()
            if time.monotonic() > deadline:
                raise PartFailed(self._story(f"did not get ready in {READY_TIMEOUT:.0f} s"))
            time.sleep(_POLL)
        return answer

    def wait_for_port(self, port: int) -> None:
        """Returns as soon as something listens on 127.0.0.1:port.

        Raises:
            PartFailed: as `wait_until`.
        """
        self.wait_until(lambda: True if _answers(("127.0.0.1", port)) else None)

    def stop(self) -> None:
        """Asks the server to end, then makes sure that nothing of its group remains."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        with contextlib.suppress(ProcessLookupError):  # the watcher, and who ignored the signal
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _story(self, how: str) -> str:
        lines = self.output.rstrip().splitlines()[-_TAIL:]
        said = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
        return f"The {self.name} {how}. The last it said:\n{said}\nAll of it: {self.log}"


class Ports:
    """Ports on 127.0.0.1 for servers that share them (SO_REUSEPORT, as granian does), kept for us from now on."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def any(self) -> int:
        """One that the system chooses."""
        return self._hold(0)

    def first_free(self, wanted: int) -> int:
        """The wanted port, or the next one above it that nobody uses; 0 is any."""
        port = wanted
        while port and not _is_free(port):
            port += 1
        return self._hold(port)

    def close(self) -> None:
        """Lets go of them."""
        for holder in self._held:
            holder.close()

    def _hold(self, port: int) -> int:
        holder = socket.socket()
        self._held.append(holder)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", port))
        bound: int = holder.getsockname()[1]
        return bound


def unshared_port() -> int:
    """A port that is free now, for a server that does not share."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    """Whether nobody has it: neither here nor on IPv6, where a browser looks for `localhost` first."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server left behind does not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return not _answers(("::1", port))


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True
