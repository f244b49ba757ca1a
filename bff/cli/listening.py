"""This process's sockets at the public address: taking no more connections, and knowing which are open (Linux).

granian (2.8) stops listening and closes idle connections in the same moment, some of them under a request that is
just arriving. So we stop listening first, behind its back, and have it stop when nothing arrives any more.
"""

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

_OWN = Path("/proc/self/fd")
_LOOKS, _LOOK_EVERY = 20, 0.001  # seconds


class PublicSockets:
    """The sockets of one `server.listen`: `host:port`, or `unix:` and a path. Where there is no /proc: none."""

    def __init__(self, listen: str) -> None:
        self._unix = listen.removeprefix("unix:") if listen.startswith("unix:") else None
        self._port = int(listen.rpartition(":")[2]) if self._unix is None else 0

    def stop_listening(self) -> None:
        """Take no more connections. Those that the kernel has set up already go on.

        The listening socket's number is given to one that hears nothing: for the server, nobody comes any more.
        """
        for number, sock in self._ours():
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                _await_empty(sock)
                with socket.socket() as deaf:
                    os.dup2(deaf.fileno(), number)

    def is_heard(self) -> bool:
        """Whether the server waits for connections. On a socket that was deaf before it did, it would never end."""
        if not _OWN.is_dir():
            return True
        listening = {
            number for number, sock in self._ours() if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        }
        return not listening.isdisjoint(_watched())

    def is_connected(self) -> bool:
        """Whether anybody has a connection."""
        return any(not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for _, sock in self._ours())

    def _ours(self) -> Iterator[tuple[int, socket.socket]]:
        entries = list(_OWN.iterdir()) if _OWN.is_dir() else []
        for number in [int(entry.name) for entry in entries if _target(entry).startswith("socket:")]:
            with suppress(OSError), closing(_borrow(number)) as sock:
                if self._is_ours(sock):
                    yield number, sock

    def _is_ours(self, sock: socket.socket) -> bool:
        if self._unix is not None:
            return sock.family == socket.AF_UNIX and sock.getsockname() == str(Path(self._unix).resolve())
        if sock.family not in {socket.AF_INET, socket.AF_INET6} or sock.type != socket.SOCK_STREAM:
            return False
        is_ours: bool = sock.getsockname()[1] == self._port
        return is_ours


def _watched() -> Iterator[int]:
    """Yield the descriptors that this process's epolls watch."""
    for entry in list(_OWN.iterdir()):
        if _target(entry) == "anon_inode:[eventpoll]":
            with suppress(FileNotFoundError):
                for line in Path(f"/proc/self/fdinfo/{entry.name}").read_text().splitlines():
                    if line.startswith("tfd:"):  # see proc(5)
                        yield int(line.split()[1])


def _borrow(number: int) -> socket.socket:
    """Return a socket of this process under a number of its own; raises `OSError` when it is none any more."""
    copy = os.dup(number)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _await_empty(sock: socket.socket) -> None:
    """Wait a little until the server has taken what waits in the queue: the kernel resets that with the socket."""
    for _ in range(_LOOKS):
        state = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104) if sock.family != socket.AF_UNIX else b""
        # struct tcp_info: of a listening socket, tcpi_unacked is how many connections wait to be accepted.
        if not state or int.from_bytes(state[24:28], sys.byteorder) == 0:
            return
        time.sleep(_LOOK_EVERY)


def listens(pid: int, port: int) -> bool | None:
    """Whether a process listens on this TCP port; None where that cannot be found out."""
    try:
        owned = {_target(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        tables = [Path(f"/proc/net/{table}").read_text() for table in ("tcp", "tcp6")]
    except OSError:
        return None
    # Local address, state 0A (listening) and inode: see proc(5).
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    return any(
        row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port and f"socket:[{row[9]}]" in owned
        for row in rows
    )


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""
