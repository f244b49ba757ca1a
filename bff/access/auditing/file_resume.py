"""Where a chain goes on in a file that may have been rotated, torn, cut or replaced since it was last written.

| reason | what was found |
|---|---|
| `new` | no log yet |
| `rotated` | an empty file in its place |
| `recovered` | a last line without its end: its writer was killed, or the power failed |
| `truncated` | the same file, and shorter than it was |
| `replaced` | another file with lines of its own |
| `rolled_back` | not the line that this process had written: an older state was put back |
| `head_missing`, `head_unreadable` | nothing says where the chain ended |
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from bff.access.auditing.chain import Chain, Head, NoLine, new_chain
from bff.access.auditing.file_heads import HeadFile
from bff.crypto.key_ring import CannotOpenError

_END_OF_FILE = 256 * 1024  # bytes in which the last whole line is looked for
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where to go on, and what the first line has to say about it (`reason`; None: nothing)."""

    head: Head
    reason: str | None = None
    torn: str | None = None  # fingerprint of an unfinished last line
    needs_line_feed: bool = False


def resume(path: Path, fd: int, heads: HeadFile, chain: Chain) -> Resumed:
    """Find the end of the chain. Raises `OSError`."""
    found = os.fstat(fd)
    missing = "head_missing"
    try:
        head = heads.read()
    except CannotOpenError:
        heads.forget()
        head, missing = None, "head_unreadable"
    if head is None:
        if found.st_size == 0:
            return Resumed(new_chain(), "new" if missing == "head_missing" else missing)
        return _after_unknown(fd, found.st_size, chain, missing)
    if found.st_size == 0:  # by whatever means: the numbers tell what is missing before it
        return Resumed(_through_rotated(path, head, chain), "rotated")
    if found.st_ino == head.inode:
        if found.st_size == head.size:
            return Resumed(head)
        return _after_tail(fd, head, chain) if found.st_size > head.size else _cut(fd, head, found.st_size)
    end = _last_line(fd, found.st_size)
    if end is not None and _fits(chain, end, head):
        return Resumed(head, needs_line_feed=not _ends_a_line(fd, found.st_size))  # put back from a copy
    return Resumed(head, "replaced", needs_line_feed=not _ends_a_line(fd, found.st_size))


def is_torn(line: bytes) -> bool:
    """Tell whether this may be the beginning of a line: part of an object is never JSON, a forged line is."""
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return b"\n" not in line
    return False


def fingerprint(torn: bytes) -> str:
    """Name the bytes of a torn line."""
    return f"{len(torn)}:{hashlib.sha256(torn).hexdigest()[:32]}"


def _after_tail(fd: int, head: Head, chain: Chain) -> Resumed:
    """Go on behind what was written after the head record, as far as it fits."""
    for line, is_whole in _lines(fd, head.size):
        after = chain.follow(head, line)
        if after is not None:
            head = after
            if not is_whole:  # killed between the line and its line feed
                return Resumed(head, needs_line_feed=True)
        elif is_torn(line):
            return Resumed(head, "recovered", fingerprint(line), needs_line_feed=not is_whole)
        else:  # foreign lines: whoever verifies finds them
            return Resumed(head, needs_line_feed=not _ends_a_line(fd, os.fstat(fd).st_size))
    return Resumed(head)


def _cut(fd: int, head: Head, size: int) -> Resumed:
    return Resumed(head, "truncated", needs_line_feed=not _ends_a_line(fd, size))


def _through_rotated(path: Path, head: Head, chain: Chain) -> Head:
    """Follow the chain in the file that was moved away, where its writer may have been killed."""
    for other in path.parent.glob(f"{path.name}*"):
        try:
            fd = os.open(other, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if os.fstat(fd).st_ino == head.inode:
                return _after_tail(fd, head, chain).head
        finally:
            os.close(fd)
    return head


def _after_unknown(fd: int, size: int, chain: Chain, reason: str) -> Resumed:
    """Go on without a head record: behind the last line if it is ours, else with a new chain."""
    needs_line_feed = not _ends_a_line(fd, size)
    line = _last_line(fd, size)
    try:
        last = chain.parse(line or b"")
    except NoLine:
        return Resumed(new_chain(), reason, needs_line_feed=needs_line_feed)
    try:
        is_genuine = chain.is_genuine(line or b"", last)
    except CannotOpenError:
        is_genuine = False
    if not is_genuine:  # numbers go on growing all the same: readers find their way by them
        return Resumed(replace(new_chain(), seq=last.seq), reason, needs_line_feed=needs_line_feed)
    head = Head(last.chain, last.seq, last.mac, last.time)
    return Resumed(head, reason, needs_line_feed=needs_line_feed)


def _fits(chain: Chain, line: bytes, head: Head) -> bool:
    try:
        parsed = chain.parse(line)
        return parsed.mac == head.mac and chain.is_genuine(line, parsed)
    except (NoLine, CannotOpenError):
        return False


def _last_line(fd: int, size: int) -> bytes | None:
    """Return the last whole line within reach."""
    start = max(0, size - _END_OF_FILE)
    content = os.pread(fd, size - start, start)
    whole, _, _ = content.rpartition(b"\n")
    return whole.rpartition(b"\n")[2] or None


def _ends_a_line(fd: int, size: int) -> bool:
    return os.pread(fd, 1, size - 1) == b"\n"


def _lines(fd: int, at: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the lines from an offset on, and whether each has its line feed."""
    rest = b""
    while block := os.pread(fd, _BLOCK, at):
        at += len(block)
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line, True
    if rest:
        yield rest, False
