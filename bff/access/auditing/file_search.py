"""Searching a file from its end: read block by block, found by bytes, decoded only where it may fit.

Not mapped into memory: a file that somebody cuts while it is mapped would end the whole process.

Lines begin with their number and their time, so that places are found by halving. Numbers only grow; times may go
back, and by how much is bounded (see `audit_records.SLACK`), except in lines that say so themselves.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bff.access.auditing.matching import decode, fits
from bff.session.audit_records import SLACK, AuditQuery

_BLOCK = 1 << 20  # bytes searched at a time: the interpreter's lock is held so long
_PIECE = 4096  # bytes read at a time where one line is wanted
BEGIN = re.compile(rb'\{"seq":([0-9]{1,16}),"time":([0-9]{1,12}(?:\.[0-9]{1,9})?)')
_LATE = b',"late":true,'
_LONGEST = 1 << 18  # bytes in which the beginning of a line is looked for

Item = Mapping[str, object]
Place = tuple[int, float]  # number and time of a line


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was when it was opened; what was cut off since reads as nothing."""

    fd: int
    size: int

    def read(self, start: int, end: int) -> bytes:
        """Return these bytes. Raises `OSError`."""
        return os.pread(self.fd, end - start, start)

    def line_start(self, at: int, low: int = 0) -> int:
        """Return where the line begins that this offset is in."""
        while at > low:
            begin = max(low, at - _PIECE)
            found = self.read(begin, at).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            at = begin
        return low

    def line(self, at: int, end: int) -> bytes:
        """Return the line that begins here, with its line feed; empty behind the end."""
        line = b""
        while at + len(line) < end and (piece := self.read(at + len(line), min(end, at + len(line) + _PIECE))):
            found = piece.find(b"\n")
            line += piece[: found + 1] if found >= 0 else piece
            if found >= 0:
                break
        return line


@dataclass(slots=True)
class Search:
    """One page in the making, over one file or several, newest first."""

    query: AuditQuery
    give_up_at: float  # by `time.monotonic`
    items: list[Item] = field(default_factory=list)
    resume: int | None = None  # where the next page begins, when this one ended before the end
    done: bool = False

    def run(self, files: list[Path]) -> None:
        """Search the files, the newest last. Raises `OSError`."""
        for path in reversed(files):
            with path.open("rb") as file:
                self._file(Content(file.fileno(), file.seek(0, os.SEEK_END)))
            if self.done:
                return

    def _file(self, content: Content) -> None:
        start, end = bounds(content, self.query)
        while start < end and not self.done:
            begin = max(start, content.line_start(max(start, end - _BLOCK), start))
            block = content.read(begin, end)
            self._block(block)
            end = begin
            if start < end and time.monotonic() > self.give_up_at:
                self._stop(block)

    def _block(self, block: bytes) -> None:
        for line in _candidates(block, self.query):
            item = decode(line)
            if item is None or not fits(self.query, item):
                continue
            if len(self.items) == self.query.limit:
                self.resume = int(self.items[-1]["seq"])  # type: ignore[call-overload]
                self.done = True
                return
            self.items.append(item)

    def _stop(self, block: bytes) -> None:
        """Leave the rest to the next page."""
        first = None if self.done else BEGIN.search(block)
        if first is not None:
            self.resume, self.done = int(first[1]), True


def bounds(content: Content, query: AuditQuery) -> tuple[int, int]:
    """Return between which offsets all fitting lines are."""
    start, end = 0, content.line_start(content.size)
    before, since, until = query.before, query.since, query.until
    if before is not None:
        end = _halve(content, start, end, lambda place: place[0] >= before, late=True)
    if since is not None:
        start = _halve(content, start, end, lambda place: place[1] >= since - SLACK)
    if until is not None:
        cut = _halve(content, start, end, lambda place: place[1] > until + SLACK)
        # Lines that were written long after their time may be anywhere behind it.
        end = end if _holds(content, _LATE, cut, end) else cut
    return start, end


def first_seq(path: Path) -> int | None:
    """Return the number of the first line of a file; None when it is no log of ours. Raises `OSError`."""
    with path.open("rb") as file:
        found = BEGIN.search(file.read(_LONGEST))
    return int(found[1]) if found is not None else None


def _candidates(block: bytes, query: AuditQuery) -> Iterator[bytes]:
    """Yield the lines that may fit, last first."""
    wanted = query.needles()
    if not all(needle in block for needle in wanted):
        return
    haystack, folded = block, query.folded_needle()
    if folded is not None:
        haystack = block.lower()  # as long as the block
        if folded not in haystack:
            return
    if not wanted and folded is None:
        yield from reversed(block.splitlines())
        return
    lead = min(wanted, key=block.count) if wanted else folded or b""
    haystack = block if wanted else haystack
    end = len(block)
    while (at := haystack.rfind(lead, 0, end)) >= 0:
        begin = block.rfind(b"\n", 0, at) + 1
        line = block[begin : block.find(b"\n", at)]
        if all(needle in line for needle in wanted):
            yield line
        end = begin


def _halve(
    content: Content, start: int, end: int, is_behind: Callable[[Place], bool], *, late: bool = False
) -> int:
    """Return the offset of the first line that `is_behind`; without `late`, late lines are not asked."""
    low, high = start, end
    while low < high:
        middle = content.line_start((low + high) // 2, low)
        behind, place = _place_from(content, middle, high, late=late)
        if place is None or is_behind(place):
            high = middle
        else:
            low = behind
    return low


def _place_from(content: Content, at: int, end: int, *, late: bool) -> tuple[int, Place | None]:
    """Read the first line from here that is one of ours, and in order or `late`; return what follows it, too."""
    while at < end and (line := content.line(at, end)):
        at += len(line)
        found = BEGIN.match(line)
        if found is not None and (late or _LATE not in line):
            return at, (int(found[1]), float(found[2]))
    return at, None


def _holds(content: Content, needle: bytes, start: int, end: int) -> bool:
    return any(needle in content.read(at, at + _BLOCK + len(needle)) for at in range(start, end, _BLOCK))
