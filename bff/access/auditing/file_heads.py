"""The head record beside a log file, which is also the lock that its writers share."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from bff.access.auditing.chain import Chain, Head
from bff.crypto.key_ring import CannotOpenError

SUFFIX = ".head"
# Two records take turns: a power cut in the middle of writing one leaves the other.
_SLOT = 1024  # bytes
_LOCK_WAIT = 5.0  # seconds for another writer to be done
_LOCK_PAUSE = 0.005


def head_path(path: Path) -> Path:
    """Where the head record of a log lies."""
    return path.with_name(path.name + SUFFIX)


class HeadFile:
    """An open head file. Made by `locked_head` or `read_head`."""

    def __init__(self, fd: int, chain: Chain) -> None:
        self._fd = fd
        self._chain = chain
        self._newest = 1  # the slot that holds the newest record

    def read(self) -> Head | None:
        """Return the newest record; None when there never was one.

        Raises:
            CannotOpenError: there is something, and no record of ours in it.
        """
        content = os.pread(self._fd, 2 * _SLOT, 0)
        found: list[tuple[int, int, Head]] = []
        for slot in (0, 1):
            with contextlib.suppress(CannotOpenError):
                head = self._chain.parse_head(content[slot * _SLOT : (slot + 1) * _SLOT].strip(b"\0 \n"))
                found.append((head.seq, slot, head))
        if not found and content.strip(b"\0 \n"):
            raise CannotOpenError
        if not found:
            return None
        _, self._newest, head = max(found, key=lambda record: record[:2])
        return head

    def write(self, head: Head) -> None:
        """Put a record in the place of the older one. Raises `OSError`."""
        record = self._chain.build_head(head).encode()
        slot = 1 - self._newest
        os.pwrite(self._fd, record.ljust(_SLOT - 1) + b"\n", slot * _SLOT)
        self._newest = slot

    def forget(self) -> None:
        """Remove records that cannot be read: a new chain must not be measured by an old one's end."""
        os.ftruncate(self._fd, 0)
        self._newest = 1


@contextlib.contextmanager
def locked_head(path: Path, chain: Chain) -> Iterator[HeadFile]:
    """Hold the lock of the log at `path`. Blocks for some seconds at most; raises `OSError`."""
    fd = os.open(head_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_to(fd, head_path(path), path.parent.stat())
        _lock(fd)
        yield HeadFile(fd, chain)
    finally:
        os.close(fd)  # which gives the lock back


def give_to(fd: int, path: Path, owner: os.stat_result) -> None:
    """Let a file that root has just made belong to whoever the server runs as: it must be able to go on with it."""
    found = os.fstat(fd)
    is_new = os.geteuid() == 0 and found.st_size == 0 and found.st_uid == 0
    if is_new and path.lstat().st_ino == found.st_ino:  # never what a link leads to
        os.fchown(fd, owner.st_uid, owner.st_gid)


def read_head(path: Path, chain: Chain) -> Head | None:
    """Return the head record of a log without keeping its writers waiting.

    Raises:
        CannotOpenError: it is there, and none of ours.
        OSError: it cannot be read.
    """
    try:
        fd = os.open(head_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return HeadFile(fd, chain).read()
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    give_up_at = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise TimeoutError("another writer holds the audit log") from None
        time.sleep(_LOCK_PAUSE)
