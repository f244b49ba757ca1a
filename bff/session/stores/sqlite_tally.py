"""The tally in the file of the SQLite store, over a connection of its own. Each method is one statement a width."""

from collections.abc import Mapping

import msgspec

from bff.session.stores.sqlite_link import Row, SqliteLink, Value
from bff.session.tally import KEPT_FOR, Slot

# Apart from the store's schema, so that an older release goes on with a file that has it.
SCHEMA = """
    CREATE TABLE IF NOT EXISTS tally (
        width INTEGER NOT NULL, start INTEGER NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (width, start, name)
    ) STRICT, WITHOUT ROWID
"""

_PUT = """
    INSERT INTO tally (width, start, name, number)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE true
    ON CONFLICT (width, start, name) DO UPDATE SET number =
"""
ADD = _PUT + "number + excluded.number"
NOTE = _PUT + "excluded.number"
READ = "SELECT start, name, number FROM tally WHERE width = ? AND start >= ? AND start <= ? AND start > ?"
PURGE = "DELETE FROM tally WHERE width = ? AND start <= ?"


class SqliteTally:
    """Implements `Tally`."""

    def __init__(self, link: SqliteLink) -> None:
        self._link = link
        self._prepared = 0  # the connection that has seen the table

    async def add(self, counts: Mapping[Slot, int], now: float) -> None:
        """Add to what is there."""
        await self._run(ADD, (_rows(counts, now),))

    async def note(self, levels: Mapping[Slot, int], now: float) -> None:
        """Put in the place of what is there."""
        await self._run(NOTE, (_rows(levels, now),))

    async def read(self, width: int, since: float, now: float) -> dict[Slot, int]:
        """Return what is there."""
        rows = await self._run(READ, (width, since, now, now - KEPT_FOR[width]))
        return {Slot(width, start, name): number for start, name, number in rows}

    async def purge(self, now: float) -> None:
        """Remove what is no longer kept."""
        for width, kept_for in KEPT_FOR.items():
            await self._run(PURGE, (width, now - kept_for))

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def _run(self, statement: str, values: tuple[Value, ...]) -> list[Row]:
        # A new connection may have found a new file.
        if not self._prepared or self._prepared != self._link.generation:
            await self._link.run(SCHEMA)
            self._prepared = self._link.generation
        return await self._link.run(statement, values)


def _rows(numbers: Mapping[Slot, int], now: float) -> str:
    rows = [
        (slot.width, slot.start, slot.name, number) for slot, number in numbers.items() if now < slot.kept_until()
    ]
    return msgspec.json.encode(rows).decode()
