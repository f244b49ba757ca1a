"""The audit log in a process's memory: for development and tests. It goes when the process goes."""

import asyncio
from collections.abc import Sequence

from bff.session.audit_records import AuditQuery, AuditRow, Found

_SLICE = 5_000  # rows looked at before others get their turn


class MemoryAudit:
    """Implements `AuditStore`."""

    def __init__(self) -> None:
        self._head: str | None = None
        self._rows: dict[int, AuditRow] = {}

    async def head(self) -> str | None:
        """Return the head record."""
        return self._head

    async def append(self, expected: str | None, rows: Sequence[AuditRow], head: str) -> bool:
        """Add the rows if the head is the expected one."""
        if self._head != expected:
            return False
        self._rows.update((row.seq, row) for row in rows)
        self._head = head
        return True

    async def cut(self, expected: str, rows: Sequence[AuditRow], head: str) -> bool:
        """Remove the rows if the head is the expected one."""
        if self._head != expected:
            return False
        for row in rows:
            self._rows.pop(row.seq, None)
        self._head = head
        return True

    async def find(self, query: AuditQuery) -> Found:
        """Look at every row from the newest on."""
        found: list[AuditRow] = []
        needles = [needle.decode() for needle in query.needles()]
        folded = query.folded_needle()
        for count, row in enumerate(reversed(list(self._rows.values())), start=1):
            if count % _SLICE == 0:
                await asyncio.sleep(0)
            if query.before is not None and row.seq >= query.before:
                continue
            if not _is_within(row, query) or not all(needle in row.line for needle in needles):
                continue
            if folded is not None and folded not in row.line.encode().lower():
                continue
            if len(found) == query.limit:
                return Found(tuple(row.line for row in found), found[-1].seq)
            found.append(row)
        return Found(tuple(row.line for row in found), None)

    async def read(self, after: int, limit: int) -> list[str]:
        """Return the lines above `after`."""
        last = max(self._rows, default=0)
        numbers = (seq for seq in range(max(after + 1, min(self._rows, default=1)), last + 1) if seq in self._rows)
        return [self._rows[seq].line for seq, _ in zip(numbers, range(limit), strict=False)]

    async def close(self) -> None:
        """Nothing to let go of."""


def _is_within(row: AuditRow, query: AuditQuery) -> bool:
    return (query.since is None or row.time >= query.since) and (query.until is None or row.time <= query.until)
