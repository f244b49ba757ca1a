"""Where a log had come to, by the memory of its writers and the session store: an older state is noticed."""

import base64
import os
from dataclasses import dataclass
from typing import Self

from bff.access.auditing.chain import Head, build_tail
from bff.access.auditing.file_search import BEGIN

ROLLED_BACK = "rolled_back"
INNOCENT = frozenset({None, "new", "rotated", "recovered"})  # what else the next line may say, and hide it
_SUM_BITS = 20  # with as many lines as the rest of a double's 53 bits count
_MOST = 2**33 - 1
_NEAR = 256 * 1024  # bytes in which the first line of ours is looked for


@dataclass(frozen=True, slots=True)
class End:
    """A last line: its number, and enough of its tag to tell it from another one in its place."""

    seq: int
    sum: int

    @classmethod
    def of(cls, seq: int, mac: str) -> Self:
        """Return what is remembered of a line."""
        return cls(seq, int.from_bytes(base64.urlsafe_b64decode(mac[:4])) >> (24 - _SUM_BITS))

    @classmethod
    def unpack(cls, value: float) -> Self:
        """Read what `pack` wrote."""
        seq, summed = divmod(int(value), 1 << _SUM_BITS)
        return cls(seq, summed)

    def pack(self) -> float:
        """Write it as a number that grows with the log, for stores keep the greatest."""
        return float((min(self.seq, _MOST) << _SUM_BITS) + self.sum)


class OwnLast:
    """The last line that this process has written. It is missed when it is not where it was."""

    def __init__(self) -> None:
        self.head: Head | None = None

    def is_behind(self, head: Head) -> bool:
        """Tell whether the log ends before our line, or is another one."""
        return self.head is not None and (head.chain != self.head.chain or head.seq < self.head.seq)

    def is_missed(self, fd: int, head: Head) -> bool:
        """Tell whether the line is gone from the file, or another one is in its place. Raises `OSError`."""
        last = self.head
        if last is None or self.is_behind(head):
            return last is not None
        tail = build_tail(last.mac) + b"\n"
        if last.size >= len(tail) and os.pread(fd, len(tail), last.size - len(tail)) == tail:
            return False
        # By whatever name or inode: only a file that begins behind our line has no place for it.
        first = BEGIN.search(os.pread(fd, _NEAR, 0))
        return first is not None and int(first[1]) <= last.seq
