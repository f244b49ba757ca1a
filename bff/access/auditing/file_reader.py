"""Reading the log back from its file, and from the files that it was rotated to."""

import gzip
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bff.access.auditing.chain import Chain, Head
from bff.access.auditing.ends import End
from bff.access.auditing.file_heads import SUFFIX, read_head
from bff.access.auditing.file_search import Search, first_seq
from bff.access.auditing.reading import search_aside, verify_aside
from bff.access.auditing.sinks import Problem, Verification
from bff.access.auditing.verification import RawLine, Walk
from bff.crypto.key_ring import CannotOpenError
from bff.errors import AuditUnavailable
from bff.session.audit_records import AuditPage, AuditQuery, build_cursor

_PATIENCE = 0.8  # seconds for one page
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".Z")
Remembered = Callable[[str], Awaitable[End | None]]  # what the session store remembers of a chain


@dataclass(frozen=True, slots=True)
class FileReader:
    """Implements `AuditReader`.

    `files`: to be read in this order; None for the log with what it was rotated to beside it (`audit.jsonl.1`,
    `audit.jsonl-20260101`, …; packed ones are left out).
    """

    path: Path
    chain: Chain
    files: tuple[Path, ...] | None = None
    remembered: Remembered | None = None
    begin_at: int | None = None  # verify from this `seq` on
    has_end: bool = True  # False: the last of `files` is not the one that is written to

    async def search(self, query: AuditQuery) -> AuditPage:
        """See `AuditReader`."""
        return await search_aside(self._search, query)

    async def verify(self) -> Verification:
        """See `AuditReader`."""
        walk = Walk(self.chain, self.begin_at)
        # Before the lines: what is written meanwhile may be more than these say, never less.
        head, problem = await search_aside(self._head)
        if problem is None and head is not None and self.has_end and self.remembered is not None:
            walk.remembered = await self.remembered(head.chain)
        if problem is None:
            problem = await verify_aside(self._walk, walk)
        if problem is None and self.has_end:
            problem = walk.check_end(head)
        elif problem is None:
            walk.notes.append("the file that is written to was not among them: how the log ends was not checked")
        return walk.result(problem)

    def _search(self, query: AuditQuery) -> AuditPage:
        search = Search(query, time.monotonic() + _PATIENCE)
        try:
            search.run(_from_below(self._files(), query.before))
        except OSError as error:
            raise _unreadable(error) from error
        return AuditPage(tuple(search.items), build_cursor(search.resume) if search.resume is not None else None)

    def _head(self) -> tuple[Head | None, Problem | None]:
        try:
            return read_head(self.path, self.chain), None
        except CannotOpenError:
            return None, Problem(0, "the head record is damaged, forged, or made with a key that is gone")
        except OSError as error:
            raise _unreadable(error) from error

    def _walk(self, walk: Walk) -> Problem | None:
        try:
            return walk.run(lines_of(self._files()))
        except (OSError, EOFError, gzip.BadGzipFile) as error:
            raise _unreadable(error) from error

    def _files(self) -> list[Path]:
        if self.files is not None:
            return list(self.files)
        found = []
        for path in self.path.parent.glob(f"{self.path.name}*"):
            if path == self.path or not path.is_file() or path.name.endswith((SUFFIX, *_PACKED)):
                continue
            seq = first_seq(path)
            if seq is not None:
                found.append((seq, path))
        return [path for _, path in sorted(found)] + ([self.path] if self.path.exists() else [])


def _from_below(files: Sequence[Path], before: int | None) -> list[Path]:
    """Leave out the files that begin behind the page."""
    return [path for path in files if before is None or (first_seq(path) or 0) < before]


def lines_of(files: Sequence[Path]) -> Iterator[RawLine]:
    """Yield every line of the files, in order. Raises `OSError` and what unpacking raises."""
    name = len(files) > 1
    for path in files:
        with _open(path) as file:
            for number, content in enumerate(file, start=1):
                is_whole = content.endswith(b"\n")
                yield RawLine(
                    content[:-1] if is_whole else content, number, path.name if name else None, is_whole=is_whole
                )


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _unreadable(error: Exception) -> AuditUnavailable:
    return AuditUnavailable(f"The audit log cannot be read ({type(error).__name__}).")
