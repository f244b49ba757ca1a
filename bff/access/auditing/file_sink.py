"""The log in a file: several processes append to one chain, across rotations, crashes and full disks."""

import asyncio
import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bff.access.auditing.chain import Chain, Head
from bff.access.auditing.ends import INNOCENT, ROLLED_BACK, OwnLast
from bff.access.auditing.events import AuditEvent, build_event
from bff.access.auditing.file_heads import give_to, head_path, locked_head
from bff.access.auditing.file_resume import Resumed, resume
from bff.access.auditing.sinks import AuditSinkFailed

OPENED = "audit.opened"


@dataclass(frozen=True, slots=True)
class FileSink:
    """Implements `AuditSink`. Whoever holds the lock reads where the chain ends.

    Lines first, onto the disk, and the head record then: killed in between, the next writer finds more lines than
    the record knows, and goes on behind those that fit.
    """

    path: Path
    chain: Chain
    _last: OwnLast = field(default_factory=OwnLast, init=False, repr=False, compare=False)

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """See `AuditSink`."""
        try:
            await asyncio.to_thread(self._append, events)
        except OSError as error:
            raise AuditSinkFailed(type(error).__name__) from error

    async def purge(self, now: float) -> int:  # noqa: ARG002 - files are rotated by whoever rotates logs
        """Remove nothing."""
        return 0

    async def close(self) -> None:
        """Nothing is open."""

    def _append(self, events: Sequence[AuditEvent]) -> None:
        with locked_head(self.path, self.chain) as heads:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise OSError("not a regular file")
                give_to(fd, self.path, head_path(self.path).stat())
                resumed = resume(self.path, fd, heads, self.chain)
                if resumed.reason in INNOCENT and self._last.is_missed(fd, resumed.head):
                    resumed = replace(resumed, reason=ROLLED_BACK)
                head = self._write(fd, resumed, events)
                self._last.head = head
                heads.write(head)
            finally:
                os.close(fd)

    def _write(self, fd: int, resumed: Resumed, events: Sequence[AuditEvent]) -> Head:
        opened = [_opened(resumed, events[0].time)] if resumed.reason is not None else []
        lines, _, head = self.chain.extend(resumed.head, [*opened, *events])
        before = os.fstat(fd)
        try:
            _write_all(fd, b"\n" * resumed.needs_line_feed + b"\n".join(lines) + b"\n")
            os.fsync(fd)
        except OSError:
            # What was not acknowledged will come again; half of it now would be there twice then.
            with contextlib.suppress(OSError):
                os.ftruncate(fd, before.st_size)
            raise
        return replace(head, inode=before.st_ino, size=os.fstat(fd).st_size)


def _opened(resumed: Resumed, time: float) -> AuditEvent:
    return build_event(OPENED, {"reason": resumed.reason, "torn": resumed.torn}, time)


def _write_all(fd: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]
