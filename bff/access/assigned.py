"""Roles with a beginning and an end: a table in memory, looked at by every decision, and the file behind it."""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from bff.access.roles import RoleOrigin, RoleReader
from bff.config.assignments import Assignment, read_assignments
from bff.config.findings import ConfigError
from bff.events import Emit, ignore

INTERVAL = 1.0  # seconds between two looks at the file


class Assigned:
    """Who holds which assigned role now. Roles that an assigned one implies begin and end with it."""

    def __init__(self, reader: RoleReader, assignments: Iterable[Assignment] = ()) -> None:
        self._reader = reader
        self._by_subject: dict[str, list[Assignment]] = {}
        self._now: dict[str, tuple[frozenset[str], float, float]] = {}
        self.adopt(assignments)

    def adopt(self, assignments: Iterable[Assignment]) -> None:
        """Take another table in place of this one; the next decision goes by it."""
        by_subject: dict[str, list[Assignment]] = {}
        for assignment in assignments:
            by_subject.setdefault(assignment.subject, []).append(assignment)
        self._by_subject, self._now = by_subject, {}

    def roles(self, subject: str, now: float) -> frozenset[str] | None:
        """Return the roles assigned at this moment; None when nothing was ever assigned. No I/O."""
        if subject not in self._by_subject:
            return None
        known = self._now.get(subject)
        if known is None or not known[1] <= now < known[2]:
            known = self._now[subject] = self._at(subject, now)
        return known[0]

    def of(self, subject: str) -> tuple[Assignment, ...]:
        """Return every assignment of a subject, past and future ones as well."""
        return tuple(self._by_subject.get(subject, ()))

    def all_roles(self, now: float) -> frozenset[str]:
        """Return the roles that somebody is assigned at this moment."""
        return frozenset[str]().union(*(self.roles(subject, now) or () for subject in self._by_subject))

    def origins(self, subject: str, now: float) -> list[RoleOrigin]:
        """Tell where the roles of `roles` come from."""
        found = []
        for assignment in self._by_subject.get(subject, ()):
            if assignment.starts_at <= now < assignment.ends_at and self._reader.expand({assignment.role}):
                found.append(RoleOrigin(assignment.role, "assignment", _until(assignment.ends_at)))
                found.extend(self._reader.implied_by(assignment.role))
        return found

    def _at(self, subject: str, now: float) -> tuple[frozenset[str], float, float]:
        """Return the roles at a moment, and the span in which they stay the same."""
        assignments = self._by_subject[subject]
        held = {each.role for each in assignments if each.starts_at <= now < each.ends_at}
        turns = [turn for each in assignments for turn in (each.starts_at, each.ends_at)]
        since = max((turn for turn in turns if turn <= now), default=-math.inf)
        until = min((turn for turn in turns if turn > now), default=math.inf)
        return self._reader.expand(held), since, until


class AssignmentFile:
    """Keeps `Assigned` up with its file. A file that cannot be read changes nothing, and is told once."""

    def __init__(
        self, path: Path, assigned: Assigned, emit: Emit = ignore, after: Callable[[], None] = lambda: None
    ) -> None:
        """Take it all in; `after` is called after each look, for those whom a role's beginning or end concerns."""
        self._path = path
        self._after = after
        self._assigned = assigned
        self._emit = emit
        self._seen: tuple[int, int, int] | None = (0, 0, 0)  # of no file

    def refresh(self) -> None:
        """Read the file if it has changed, and go by it from now on."""
        self._take(self._read())

    async def watch(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Follow the file until cancelled. Only the reading is done beside the event loop."""
        while True:
            await sleep(INTERVAL)
            self._take(await asyncio.to_thread(self._read))
            self._after()

    def _read(self) -> tuple[Assignment, ...] | ConfigError | None:
        """Return what is new; None when nothing is."""
        seen = self._look()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            return read_assignments(self._path)
        except ConfigError as error:
            return error

    def _take(self, read: tuple[Assignment, ...] | ConfigError | None) -> None:
        if isinstance(read, ConfigError):
            reason = read.findings[0].message
            self._emit("assignments.unreadable", {"file": str(self._path), "reason": reason})
        elif read is not None:
            self._assigned.adopt(read)
            self._emit("assignments.read", {"file": str(self._path), "assignments": len(read)})

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - the same, in fewer words
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _until(ends_at: float) -> str:
    if math.isinf(ends_at):
        return "without an end"
    return f"until {datetime.fromtimestamp(ends_at, UTC).isoformat()}"
