"""The audit log in the file of the SQLite store, over connections of its own: no session waits for a search."""
# ruff: noqa: S608 - statements are put together from constants and placeholders; no value enters the text

import time
from collections.abc import Sequence

from bff.session.audit_records import ROW_FIELDS, SLACK, AuditQuery, AuditRow, Found
from bff.session.stores.sqlite_link import Row, SqliteLink, Value, Values

_WINDOW = 20_000  # lines looked at in one statement
_PATIENCE = 0.4  # seconds for one page
# The fields with an index, the most telling ones first: the first that is asked leads the search.
_LEADING = ("session", "subject", "reason", "route", "event")
_RARE = frozenset({"session", "subject"})  # few lines each, so that no window is needed

# Line 0 is the head record: it is replaced in the very statement that adds or removes lines.
# Apart from the store's schema, so that an older release goes on with a file that has it.
SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS audit_lines (
        seq INTEGER PRIMARY KEY NOT NULL, time REAL NOT NULL, late INTEGER NOT NULL, event TEXT NOT NULL,
        subject TEXT, session TEXT, route TEXT, method TEXT, outcome TEXT, reason TEXT, folded TEXT,
        line TEXT NOT NULL, floor INTEGER
    ) STRICT
    """,
    *(
        f"CREATE INDEX IF NOT EXISTS audit_by_{name} ON audit_lines ({name}) WHERE {name} IS NOT NULL"
        for name in _LEADING
    ),
    "CREATE INDEX IF NOT EXISTS audit_by_time ON audit_lines (time) WHERE late = 0",
    "CREATE INDEX IF NOT EXISTS audit_late ON audit_lines (seq) WHERE late = 1",
    """
    CREATE TRIGGER IF NOT EXISTS audit_cut AFTER INSERT ON audit_lines WHEN NEW.seq = 0 BEGIN
        DELETE FROM audit_lines WHERE seq BETWEEN 1 AND NEW.floor;
    END
    """,
)
_COLUMNS = (*ROW_FIELDS, "folded", "floor")
_CHAINED = b',"chain":"'  # where a line's own text ends
_MARKS = f"({', '.join('?' * len(_COLUMNS))})"

HEAD = "SELECT line FROM audit_lines WHERE seq = 0"
READ = "SELECT line FROM audit_lines WHERE seq > max(?, 0) ORDER BY seq LIMIT ?"
LAST = (
    "SELECT coalesce(max(seq), 0), coalesce((SELECT min(seq) FROM audit_lines WHERE seq > 0), 0) FROM audit_lines"
)
# Lines that are in order are at most SLACK seconds older than any before them: see `audit_records.SLACK`.
SINCE = "SELECT seq FROM audit_lines WHERE late = 0 AND time < ? ORDER BY time DESC LIMIT 1"
UNTIL = """
    SELECT seq FROM audit_lines AS cut WHERE late = 0 AND time > ?
    AND NOT EXISTS (SELECT 1 FROM audit_lines WHERE late = 1 AND seq > cut.seq) ORDER BY time LIMIT 1
"""


class SqliteAudit:
    """Implements `AuditStore`. Lines and head are written by one statement."""

    def __init__(self, link: SqliteLink, searching: SqliteLink) -> None:
        self._link = link
        self._searching = searching
        self._prepared = 0  # the connection that has seen the table

    async def head(self) -> str | None:
        """Return the head record."""
        rows = await self._run(HEAD)
        return str(rows[0][0]) if rows else None

    async def append(self, expected: str | None, rows: Sequence[AuditRow], head: str) -> bool:
        """Add the rows if the head is the expected one."""
        return await self._put([*map(_values_of, rows), _head_values(head, 0)], expected)

    async def cut(self, expected: str, rows: Sequence[AuditRow], head: str) -> bool:
        """Remove what is up to the last row if the head is the expected one."""
        return await self._put([_head_values(head, rows[-1].seq)], expected)

    async def find(self, query: AuditQuery) -> Found:
        """Search window by window, from the newest line on."""
        await self._prepare()
        give_up_at = time.monotonic() + _PATIENCE
        ((last, first),) = await self._searching.run(LAST)
        top, bottom = await self._bounds(query, int(last) + 1, int(first))
        condition, values, window = _where(query)
        found: list[Row] = []
        while top > bottom:
            low = bottom if window is None else max(bottom, top - window)
            found += await self._searching.run(
                f"SELECT seq, line FROM audit_lines WHERE seq < ? AND seq >= ?{condition} "
                "ORDER BY seq DESC LIMIT ?",
                (top, low, *values, query.limit + 1 - len(found)),
            )
            if len(found) > query.limit:
                kept = found[: query.limit]
                return Found(tuple(row[1] for row in kept), int(kept[-1][0]))
            top = low
            if top > bottom and time.monotonic() > give_up_at:
                return Found(tuple(row[1] for row in found), top)
        return Found(tuple(row[1] for row in found), None)

    async def read(self, after: int, limit: int) -> list[str]:
        """Return the lines above `after`."""
        await self._prepare()
        return [row[0] for row in await self._searching.run(READ, (after, limit))]

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()
        await self._searching.close()

    async def _put(self, rows: Sequence[tuple[Value, ...]], expected: str | None) -> bool:
        put = await self._run(
            f"INSERT OR REPLACE INTO audit_lines ({', '.join(_COLUMNS)}) "
            f"SELECT * FROM (VALUES {', '.join([_MARKS] * len(rows))}) WHERE ({HEAD}) IS ? RETURNING 1",
            (*(value for row in rows for value in row), expected),
        )
        return bool(put)

    async def _bounds(self, query: AuditQuery, top: int, bottom: int) -> tuple[int, int]:
        """Return between which numbers every fitting line is: below the one, from the other on."""
        if query.before is not None:
            top = min(top, query.before)
        bottom = max(bottom, 1)
        if query.since is not None and (rows := await self._searching.run(SINCE, (query.since - SLACK,))):
            bottom = max(bottom, int(rows[0][0]) + 1)
        if query.until is not None and (rows := await self._searching.run(UNTIL, (query.until + SLACK,))):
            top = min(top, int(rows[0][0]))
        return top, bottom

    async def _run(self, statement: str, values: Values = ()) -> list[Row]:
        await self._prepare()
        return await self._link.run(statement, values)

    async def _prepare(self) -> None:
        # A new connection may have found a new file.
        if not self._prepared or self._prepared != self._link.generation:
            for definition in SCHEMA:
                await self._link.run(definition)
            self._prepared = self._link.generation


def _values_of(row: AuditRow) -> tuple[Value, ...]:
    text = row.line.encode()
    # What is searched for text: a third of the line, and no letters to be made small each time.
    folded = text[: text.rfind(_CHAINED)].lower().decode()
    return (*(getattr(row, name) for name in ROW_FIELDS), folded, None)


def _head_values(head: str, floor: int) -> tuple[Value, ...]:
    # Marked as late, which keeps it out of the index of times.
    given: dict[str, Value] = {"seq": 0, "time": 0.0, "late": True, "event": "", "line": head, "floor": floor}
    return tuple(given.get(name) for name in _COLUMNS)


def _where(query: AuditQuery) -> tuple[str, list[Value], int | None]:
    """Return the condition, its values, and how many lines may be looked at in one statement (None: any)."""
    asked = dict(query.exact())
    lead = next((name for name in _LEADING if name in asked), None)
    parts: list[str] = []
    values: list[Value] = []
    for name, value in asked.items():
        # A plus keeps the planner from taking another index than the one that tells most.
        parts.append(f"{'' if name == lead else '+'}{name} = ?")
        values.append(value)
    if (prefix := query.event_prefix) is not None:
        column = "event" if lead is None else "+event"
        parts.append(f"{column} >= ? AND {column} < ?")
        values += (prefix, prefix[:-1] + "/")  # the character behind the dot
    for bound, sign in ((query.since, ">="), (query.until, "<=")):
        if bound is not None:
            parts.append(f"+time {sign} ?")
            values.append(bound)
    if (folded := query.folded_needle()) is not None:
        parts.append("instr(folded, ?) > 0")
        values.append(folded.decode())
    condition = "".join(f" AND {part}" for part in parts)
    return condition, values, None if lead in _RARE else _WINDOW
