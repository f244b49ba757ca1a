"""Walking along a chain: what was changed, removed, reordered, inserted or cut off. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bff.access.auditing.chain import Chain, Head, Line, NoLine
from bff.access.auditing.ends import ROLLED_BACK, End
from bff.access.auditing.file_resume import fingerprint, is_torn
from bff.access.auditing.sinks import Problem, Verification
from bff.crypto.key_ring import CannotOpenError

OPENED = "audit.opened"
_SUSPICIOUS: Mapping[str, str] = {
    "truncated": "the file had become shorter when the server went on here: lines before this one were cut off",
    ROLLED_BACK: "lines that the server had written were gone when it went on here: an older state was put back, "
    "or the disk or the store has lost them",
    "replaced": "another file lay in the log's place when the server went on: lines before this one may be gone",
    "head_missing": "there was no head record when the server went on here: lines before this one may be gone",
    "head_unreadable": "the head record was damaged, or made with a key that is gone, when the server went on "
    "here: lines before this one may be gone",
}


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line as it was found."""

    content: bytes
    number: int  # from 1 in its file
    file: str | None = None
    is_whole: bool = True  # False: the file ends without a line feed


class _Broken(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message
        super().__init__(message)


@dataclass(slots=True)
class Walk:
    """One walk. `begin_at`: from which `seq` on; None: from the first line there is."""

    chain: Chain
    begin_at: int | None = None
    floor: Head | None = None  # where the store removed what was over: the first line must follow it
    lines: int = 0
    first: Line | None = None
    last: Line | None = None
    notes: list[str] = field(default_factory=list)
    remembered: End | None = None  # a line that must be there, as somebody else remembers it
    _torn: RawLine | None = None

    def run(self, lines: Iterable[RawLine]) -> Problem | None:
        """Take every line; return the first thing that is wrong."""
        file = None
        for raw in lines:
            try:
                self._take(raw, is_first_of_file=self.lines == 0 or raw.file != file)
            except _Broken as broken:
                return Problem(broken.line, broken.message, raw.file)
            file = raw.file
        torn = self._torn
        if torn is not None and (torn.is_whole or not is_torn(torn.content)):
            return Problem(torn.number, _NO_LINE, torn.file)
        return None

    def _take(self, raw: RawLine, *, is_first_of_file: bool) -> None:
        try:
            line = self.chain.parse(raw.content)
        except NoLine:
            if self._torn is not None:
                raise _Broken(self._torn.number, _NO_LINE) from None
            self._torn = raw
            return
        if self.begin_at is not None and line.seq < self.begin_at:
            self._torn = None
            return
        self._check_tag(raw, line)
        self._check_torn(line)
        self._check_place(line, is_first_of_file=is_first_of_file)
        self._check_remembered(line)
        self.first = self.first or line
        self.last = line
        self.lines += 1

    def _check_tag(self, raw: RawLine, line: Line) -> None:
        try:
            is_genuine = self.chain.is_genuine(raw.content, line)
        except CannotOpenError:
            raise _Broken(
                line.seq,
                f"it names the key {line.key[:40]}, which is not among ours: give it, or the line is forged",
            ) from None
        if not is_genuine:
            raise _Broken(line.seq, "it was changed, or written by somebody without the key: its tag does not fit")

    def _check_torn(self, line: Line) -> None:
        torn, self._torn = self._torn, None
        if torn is None:
            return
        said = line.torn if line.event == OPENED and line.reason == "recovered" else None
        if said != fingerprint(torn.content) and (torn.is_whole or not is_torn(torn.content)):
            raise _Broken(torn.number, _NO_LINE)
        self._note(f"line {torn.number}{_within(torn)} is torn: its writer was killed, and the next one went on")

    def _check_place(self, line: Line, *, is_first_of_file: bool) -> None:
        before = self.last
        is_opening = line.event == OPENED
        if before is None:
            if self.floor is not None:
                self._check_floor(line, self.floor)
            elif self.begin_at is None and line.seq != 1:
                if not (is_opening and is_first_of_file):
                    raise _Broken(line.seq, "it is the first one here: the lines before it were removed")
                self._note(f"begins with line {line.seq}: those before it are in older files")
        elif line.chain != before.chain:
            raise _Broken(line.seq, _SUSPICIOUS.get(line.reason or "", "it belongs to another log"))
        elif line.seq <= before.seq:
            raise _Broken(line.seq, f"it comes after line {before.seq}: it was moved here, or repeated")
        elif line.seq > before.seq + 1:
            missing = f"line {before.seq + 1}" + (f" to {line.seq - 1}" if line.seq > before.seq + 2 else "")
            raise _Broken(line.seq, f"{missing} before it: removed, or moved elsewhere")
        elif line.prev != before.mac:
            raise _Broken(line.seq, "it does not follow the line before it: one of the two comes from elsewhere")
        if (
            is_opening
            and line.reason is not None
            and line.reason in _SUSPICIOUS
            and (before is not None or self.begin_at is None)
        ):
            raise _Broken(line.seq, _SUSPICIOUS[line.reason])

    def _check_floor(self, line: Line, floor: Head) -> None:
        expected = max(self.begin_at or 0, floor.floor + 1)
        if line.seq != expected or (line.seq == floor.floor + 1 and line.prev != floor.floor_mac):
            raise _Broken(line.seq, f"line {expected} should be the first one: lines at the beginning were removed")

    def _check_remembered(self, line: Line) -> None:
        known = self.remembered
        if known is not None and line.seq == known.seq and End.of(line.seq, line.mac) != known:
            raise _Broken(
                line.seq, "the session store remembers another line of this number: an older state was put back"
            )

    def _note(self, note: str) -> None:
        self.notes.append(note)

    def check_end(self, head: Head | None) -> Problem | None:
        """Hold the end against the head record, and against what the session store remembers of it."""
        last = self.last.seq if self.last is not None else 0
        if head is None:
            return Problem(last, "there is no head record: lines at the end may have been cut off")
        if self.last is None:
            wanted = head.seq if head.seq > head.floor and self.begin_at is None else 0
            return Problem(wanted, f"every line up to {wanted} is gone") if wanted else None
        if self.last.chain != head.chain:
            return Problem(last, "the head record belongs to another log")
        if last < head.seq:
            return Problem(last, f"line {last + 1} to {head.seq} are gone: the end was cut off")
        if last == head.seq and self.last.mac != head.mac:
            return Problem(last, "it is not the line that the head record names")
        if self.remembered is not None and last < self.remembered.seq:
            return Problem(
                last,
                f"the session store remembers line {self.remembered.seq}: the end was cut off, and the head record "
                "replaced by an older one",
            )
        if self._torn is not None:
            self._note(f"line {self._torn.number}{_within(self._torn)} has no end: it is being written, or torn")
        return None

    def result(self, problem: Problem | None) -> Verification:
        """Return what was found."""
        first, last = self.first, self.last
        return Verification(
            ok=problem is None,
            lines=self.lines,
            problem=problem,
            notes=tuple(self.notes),
            chain=last.chain if last else None,
            first_seq=first.seq if first else None,
            last_seq=last.seq if last else None,
            first_time=first.time if first else None,
            last_time=last.time if last else None,
        )


_NO_LINE = "it is no line of this log: inserted, or damaged beyond reading"


def _within(raw: RawLine) -> str:
    return f" of {raw.file}" if raw.file is not None else ""
