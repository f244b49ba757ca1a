"""Documents in the file of the SQLite store, over a connection of their own: no session waits for a long page."""
# ruff: noqa: S608 - statements are put together from constants and placeholders; no value enters the text

from collections.abc import Sequence

from bff.session.documents import Document
from bff.session.stores.sqlite_link import Row, SqliteLink, Value, Values

BATCH = 200  # documents in one statement

# Apart from the store's schema, so that an older release goes on with a file that has them.
SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS documents (
        collection TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, sealed BLOB NOT NULL,
        updated_at REAL NOT NULL, expires_at REAL NOT NULL, PRIMARY KEY (collection, key)
    ) STRICT
    """,
    "CREATE INDEX IF NOT EXISTS documents_by_end ON documents (expires_at)",
)

COLUMNS = "key, version, sealed, updated_at, expires_at"

PAGE = f"""
    SELECT {COLUMNS} FROM documents WHERE collection = ? AND key > ? AND expires_at > ? ORDER BY key LIMIT ?
"""

REMOVE = "DELETE FROM documents WHERE collection = ? AND key = ? RETURNING 1"

PURGE = """
    DELETE FROM documents WHERE rowid IN (SELECT rowid FROM documents WHERE expires_at <= ? LIMIT ?) RETURNING 1
"""


def _write(count: int) -> str:
    return f"""
        WITH new ({COLUMNS}) AS (VALUES {", ".join(["(?, ?, ?, ?, ?)"] * count)})
        INSERT INTO documents (collection, {COLUMNS})
        SELECT ?, {COLUMNS} FROM new
        WHERE version = 1 OR EXISTS (
            SELECT 1 FROM documents AS old
            WHERE old.collection = ? AND old.key = new.key AND old.version = new.version - 1 AND old.expires_at > ?
        )
        ON CONFLICT (collection, key) DO UPDATE SET
            version = excluded.version, sealed = excluded.sealed,
            updated_at = excluded.updated_at, expires_at = excluded.expires_at
        WHERE CASE WHEN excluded.version = 1 THEN documents.expires_at <= ?
            ELSE documents.version = excluded.version - 1 AND documents.expires_at > ? END
        RETURNING key
    """


class SqliteDocuments:
    """Implements `Documents`. Each batch is one statement."""

    def __init__(self, link: SqliteLink) -> None:
        self._link = link
        self._prepared = 0  # the connection that has seen the table

    async def read(self, collection: str, keys: Sequence[bytes], now: float) -> dict[bytes, Document]:
        """Return those that are there."""
        found: dict[bytes, Document] = {}
        for start in range(0, len(keys), BATCH):
            wanted = keys[start : start + BATCH]
            marks = ", ".join("?" * len(wanted))
            rows = await self._run(
                f"SELECT {COLUMNS} FROM documents WHERE collection = ? AND expires_at > ? AND key IN ({marks})",
                (collection, now, *wanted),
            )
            found.update((row[0], Document(*row)) for row in rows)
        return found

    async def write(self, collection: str, documents: Sequence[Document], now: float) -> set[bytes]:
        """Write each whose turn it is."""
        written: set[bytes] = set()
        for start in range(0, len(documents), BATCH):
            batch = documents[start : start + BATCH]
            values: list[Value] = []
            for each in batch:
                values += (each.key, each.version, each.sealed, each.updated_at, each.expires_at)
            rows = await self._run(_write(len(batch)), (*values, collection, collection, now, now, now))
            written.update(row[0] for row in rows)
        return written

    async def page(self, collection: str, now: float, *, after: bytes = b"", limit: int = 100) -> list[Document]:
        """Return what follows `after`."""
        return [Document(*row) for row in await self._run(PAGE, (collection, after, now, max(limit, 0)))]

    async def remove(self, collection: str, key: bytes) -> bool:
        """Remove one."""
        return bool(await self._run(REMOVE, (collection, key)))

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end."""
        return len(await self._run(PURGE, (now, limit)))

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()

    async def _run(self, statement: str, values: Values) -> list[Row]:
        # A new connection may have found a new file.
        if not self._prepared or self._prepared != self._link.generation:
            for definition in SCHEMA:
                await self._link.run(definition)
            self._prepared = self._link.generation
        return await self._link.run(statement, values)
