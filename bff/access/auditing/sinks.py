"""What an audit log is written to, and what can be read back of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bff.access.auditing.events import AuditEvent
from bff.session.audit_records import AuditPage, AuditQuery


class AuditSinkFailed(Exception):
    """Nothing of what was to be appended may be thought written. `reason` is a category: no path, no secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class AuditSink(Protocol):
    """Where lines go. One chain a sink, however many processes write to it."""

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """Chain the events and write them, all or none. Raises `AuditSinkFailed`."""
        ...

    async def purge(self, now: float) -> int:
        """Remove lines that need not be kept any longer; their number. Raises `AuditSinkFailed`."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong. `line` is the line's `seq` where it has one, else its place in the file."""

    line: int
    message: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the chain found. `notes` are what an auditor should know and is no attack."""

    ok: bool
    lines: int
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    chain: str | None = None
    first_seq: int | None = None
    last_seq: int | None = None
    first_time: float | None = None  # epoch seconds
    last_time: float | None = None


class AuditReader(Protocol):
    """What can be asked of a sink that can be read. Each method raises `AuditUnavailable` when it cannot be."""

    async def search(self, query: AuditQuery) -> AuditPage:
        """Return a page of lines, newest first."""
        ...

    async def verify(self) -> Verification:
        """Walk along the whole chain."""
        ...
