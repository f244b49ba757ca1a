"""What a store keeps of the audit log, what is asked of it, and what it must be able to do.

A store sees finished lines: it neither makes nor checks the hash chain, and holds no key.
"""

import base64
import binascii
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

import msgspec

MAX_PAGE = 200
# How far a line may lie behind an earlier one in time before it is marked `late`. Readers that find their way by
# time rely on it: a line without the mark is at most this much older than any line before it.
SLACK = 60.0  # seconds


class InvalidCursor(ValueError):
    """`after` is not the `next` of an earlier page."""


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What lines are looked for. What is None is not asked; everything asked must fit.

    `event` that ends in a dot is a prefix. `text` is looked for in every value, letters a to z without regard to
    case. `since` and `until` are epoch seconds, both included. `after` is the `next` of the page before.

    Raises:
        ValueError: the limit is not within 1 to 200, or a time is no finite number.
        InvalidCursor: see there.
    """

    event: str | None = None
    subject: str | None = None
    session: str | None = None
    route: str | None = None
    method: str | None = None
    outcome: str | None = None
    reason: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    after: str | None = None
    limit: int = 50

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_PAGE:
            raise ValueError(f"limit: expected a whole number from 1 to {MAX_PAGE}")
        for name in ("since", "until"):
            if (at := getattr(self, name)) is not None and not math.isfinite(at):
                raise ValueError(f"{name}: expected a finite number")
        parse_cursor(self.after)

    @property
    def before(self) -> int | None:
        """The `seq` below which this page begins."""
        return parse_cursor(self.after)

    def exact(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that must have one value, with the value; the most telling ones first."""
        for name in ("session", "subject", "reason", "route", "event", "outcome", "method"):
            value = getattr(self, name)
            if value is not None and not (name == "event" and value.endswith(".")):
                yield name, value

    @property
    def event_prefix(self) -> str | None:
        """The beginning that the event must have, if that was asked."""
        return self.event if self.event is not None and self.event.endswith(".") else None

    def needles(self) -> list[bytes]:
        """Return byte strings that every fitting line holds as they are."""
        found = [b'"%s":%s' % (name.encode(), _json(value)) for name, value in self.exact()]
        if self.event_prefix is not None:
            found.append(b'"event":' + _json(self.event_prefix)[:-1])
        return found

    def folded_needle(self) -> bytes | None:
        """Return what every fitting line holds once its letters A to Z are made small."""
        return _json(self.text)[1:-1].lower() if self.text else None


def _json(text: str) -> bytes:
    return msgspec.json.encode(text.encode("utf-8", "replace").decode())


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines, newest first. `next` leads on; a page may be short, or empty, and still have one."""

    items: tuple[Mapping[str, object], ...]
    next: str | None


def build_cursor(seq: int) -> str:
    """Write where the next page begins: below `seq`."""
    return base64.urlsafe_b64encode(b"a%d" % seq).rstrip(b"=").decode("ascii")


def parse_cursor(text: str | None) -> int | None:
    """Read a cursor.

    Raises:
        InvalidCursor: it is none.
    """
    if text is None:
        return None
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if not decoded.startswith(b"a") or not decoded[1:].isdigit() or len(decoded) > 20:
            raise InvalidCursor("after: not the `next` of an earlier page")
        return int(decoded[1:])
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor("after: not the `next` of an earlier page") from error


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line with the fields by which it is found."""

    seq: int
    time: float
    late: bool
    event: str
    subject: str | None
    session: str | None
    route: str | None
    method: str | None
    outcome: str | None
    reason: str | None
    line: str  # without the line feed


ROW_FIELDS = tuple(field.name for field in fields(AuditRow))


@dataclass(frozen=True, slots=True)
class Found:
    """What a store found: newest first, and below which `seq` the search goes on (None: there is no more)."""

    lines: tuple[str, ...]
    resume: int | None


class AuditStore(Protocol):
    """Every method raises `SessionStoreUnavailable` on any fault, and nothing else."""

    async def head(self) -> str | None:
        """Return the head record; None before the first line."""
        ...

    async def append(self, expected: str | None, rows: Sequence[AuditRow], head: str) -> bool:
        """Add the rows and put `head` in the place of `expected`, both or neither. False when another was there."""
        ...

    async def cut(self, expected: str, rows: Sequence[AuditRow], head: str) -> bool:
        """Remove the oldest lines, which these are, and put `head` in the place of `expected`, both or neither."""
        ...

    async def find(self, query: AuditQuery) -> Found:
        """Search within bounded time. What is found may fit; whoever asks looks at each line itself."""
        ...

    async def read(self, after: int, limit: int) -> list[str]:
        """Return lines in order, from the first one above `after`."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


@runtime_checkable
class KeepsAudit(Protocol):
    """A session store that keeps an audit log as well."""

    @property
    def audit(self) -> AuditStore:
        """Where the lines are."""
        ...
