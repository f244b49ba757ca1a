"""The store of one machine: several processes on one SQLite file, which survives restarts and `kill -9`."""
# ruff: noqa: S608 - statements are put together from constants and placeholders; no value enters the text

from collections.abc import Sequence
from pathlib import Path

from bff.session.records import Ended, StoredSession
from bff.session.stores.feed import Feed, Subscription
from bff.session.stores.lifetime import is_live
from bff.session.stores.sqlite_audit import SqliteAudit
from bff.session.stores.sqlite_documents import SqliteDocuments
from bff.session.stores.sqlite_link import Row, SqliteLink, Value
from bff.session.stores.sqlite_schema import ENDS_AT
from bff.session.stores.sqlite_tally import SqliteTally
from bff.session.stores.sqlite_watch import SqliteWatch

COLUMNS = (
    "key, version, sealed, summary, subject, issuer_sid, handle, created_at, idle_expires_at, expires_at, "
    "ended_at, reason"
)

CREATE = """
    INSERT INTO sessions
        (key, version, sealed, summary, subject, issuer_sid, handle, created_at, idle_expires_at, expires_at)
    VALUES
        (:key, :version, :sealed, :summary, :subject, :issuer_sid, :handle,
         :created_at, :idle_expires_at, :expires_at)
    ON CONFLICT (key) DO NOTHING
"""

LOAD = f"SELECT {COLUMNS} FROM sessions WHERE key = ?"

REPLACE = """
    UPDATE sessions SET
        version = :expected_version + 1, sealed = :sealed, summary = :summary, subject = :subject,
        issuer_sid = :issuer_sid, handle = :handle, created_at = :created_at,
        idle_expires_at = max(idle_expires_at, :idle_expires_at), expires_at = :expires_at
    WHERE key = :key AND version = :expected_version AND ended_at IS NULL
    RETURNING 1
"""

TOUCH = """
    UPDATE sessions SET idle_expires_at = max(idle_expires_at, min(:idle_expires_at, expires_at))
    WHERE key = :key AND ended_at IS NULL
    RETURNING 1
"""

# One that is past its idle end gets that as its absolute end too: it is gone for good, and no slide that is still
# under way brings it back.
_ENDED = """
    UPDATE sessions SET
        ended_at = :now, reason = :reason, sealed = CASE WHEN :keep_sealed THEN sealed END,
        summary = NULL, subject = NULL, issuer_sid = NULL, handle = NULL,
        expires_at = CASE WHEN idle_expires_at <= :now THEN min(idle_expires_at, expires_at) ELSE expires_at END
    WHERE ended_at IS NULL AND
"""
END = f"{_ENDED} key = :key RETURNING expires_at > :now"

# The row with the highest fencing token outlives its lease (see PURGE_LEASES), so that tokens only ever grow.
ACQUIRE = """
    INSERT INTO leases (key, owner, fence, until)
    VALUES (:key, :owner, (SELECT coalesce(max(fence), 0) + 1 FROM leases), :until)
    ON CONFLICT (key) DO UPDATE SET
        fence = iif(leases.owner = excluded.owner AND leases.until > :now, leases.fence, excluded.fence),
        until = iif(leases.owner = excluded.owner, max(leases.until, excluded.until), excluded.until),
        owner = excluded.owner
    WHERE leases.until <= :now OR leases.owner IS NULL OR leases.owner = excluded.owner
    RETURNING fence
"""

RELEASE = "UPDATE leases SET owner = NULL, until = 0 WHERE key = :key AND owner = :owner RETURNING 1"

REMEMBER = """
    INSERT INTO names (name, until, value) VALUES (:name, :until, :value)
    ON CONFLICT (name) DO UPDATE SET until = excluded.until, value = excluded.value
    WHERE names.until <= :now OR names.value < excluded.value
    RETURNING 1
"""

# By an index of its own, which holds the live ones alone: 20 ms for a million.
COUNT = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND min(idle_expires_at, expires_at) > ?"

RECALL = "SELECT value FROM names WHERE name = ? AND until > ?"

PURGES = (
    f"DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE {ENDS_AT} <= ? LIMIT ?) RETURNING 1",
    "DELETE FROM names WHERE rowid IN (SELECT rowid FROM names WHERE until <= ? LIMIT ?) RETURNING 1",
    """
    DELETE FROM leases WHERE rowid IN (
        SELECT rowid FROM leases WHERE until <= ? AND fence < (SELECT max(fence) FROM leases) LIMIT ?
    ) RETURNING 1
    """,
)


class SqliteStore:
    """Implements `Store`. One connection for the work, one for the watch; each method is one statement."""

    def __init__(self, path: Path, *, timeout: float = 2.0) -> None:
        self._link = SqliteLink(path, timeout)
        self._feed = Feed()
        self._watch = SqliteWatch(SqliteLink(path, timeout), self._feed)
        self.documents = SqliteDocuments(SqliteLink(path, timeout))
        self.tally = SqliteTally(SqliteLink(path, timeout))
        self.audit = SqliteAudit(SqliteLink(path, timeout), SqliteLink(path, timeout))

    # ── life cycle ───────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Open the file; create it with its tables where they are missing."""
        await self.ping()

    async def close(self) -> None:
        """End the watch and close both connections."""
        self._feed.close()
        await self._watch.stop()
        await self.documents.close()
        await self.tally.close()
        await self.audit.close()
        await self._link.close()

    async def ping(self) -> None:
        """Read from the file."""
        await self._link.run("SELECT 1 FROM sessions LIMIT 1")

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end."""
        removed = 0
        for statement in PURGES:
            removed += len(await self._link.run(statement, (now, limit - removed)))
        return removed + await self.documents.purge(now, limit - removed)

    async def count(self, now: float) -> int:
        """Count the live records."""
        ((live,),) = await self._link.run(COUNT, (now,))
        return int(live)

    # ── records ──────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, record: StoredSession) -> None:
        """Add a record; the first one under a key stays."""
        await self._link.run(CREATE, _values_of(record))

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """Return what is there and not past its end."""
        rows = await self._link.run(LOAD, (key,))
        return _parse_row(rows[0], now) if rows else None

    async def replace(self, record: StoredSession, expected_version: int) -> bool:
        """Write the record as version `expected_version + 1`; a slide that came in between is kept."""
        return await self._change(REPLACE, {**_values_of(record), "expected_version": expected_version})

    async def touch(self, key: bytes, idle_expires_at: float) -> bool:
        """Slide the idle end forward, up to the absolute end."""
        return bool(await self._link.run(TOUCH, {"key": key, "idle_expires_at": idle_expires_at}))

    async def end(self, key: bytes, reason: str, now: float, *, keep_sealed: bool) -> bool:
        """Turn a live record into `Ended`."""
        return await self._change(END, {"key": key, "reason": reason, "now": now, "keep_sealed": keep_sealed})

    async def end_many(self, keys: Sequence[bytes], reason: str, now: float) -> set[bytes]:
        """Turn live records into `Ended`, in one transaction."""
        names = {f"key{number}": key for number, key in enumerate(keys)}
        among = ", ".join(f":{name}" for name in names)
        rows = await self._link.run(
            f"{_ENDED} key IN ({among}) RETURNING key, expires_at > :now",
            {"reason": reason, "now": now, "keep_sealed": True, **names},
        )
        if rows:
            self._watch.wake()
        return {key for key, is_new in rows if is_new}

    async def find(
        self,
        *,
        now: float,
        subjects: Sequence[bytes] = (),
        issuer_sids: Sequence[bytes] = (),
        handle: str | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> list[StoredSession]:
        """List live records in the order of their keys."""
        criteria: list[tuple[str, Sequence[Value]]] = [
            ("subject", subjects),
            ("issuer_sid", issuer_sids),
            ("handle", () if handle is None else (handle,)),
        ]
        # A union of index lookups: with OR the planner may walk the whole table in key order instead.
        branches = [
            f"SELECT rowid FROM sessions WHERE {column} IN ({', '.join('?' * len(wanted))})"
            for column, wanted in criteria
            if wanted
        ]
        among = f"rowid IN ({' UNION '.join(branches)}) AND" if branches else ""
        rows = await self._link.run(
            f"SELECT {COLUMNS} FROM sessions WHERE {among} key > ? AND ended_at IS NULL "
            "AND idle_expires_at > ? AND expires_at > ? ORDER BY key LIMIT ?",
            (*(value for _, wanted in criteria for value in wanted), after, now, now, max(limit, 0)),
        )
        return [_parse_live(row) for row in rows]

    # ── coordination ─────────────────────────────────────────────────────────────────────────────────────

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """Take or prolong the lease. Where another holds it, the watch looks more often until it is given back."""
        rows = await self._link.run(ACQUIRE, {"key": key, "owner": owner, "now": now, "until": now + ttl})
        if not rows:
            self._watch.hurry(ttl)
            return None
        return int(rows[0][0])

    async def release(self, key: bytes, owner: bytes) -> None:
        """Give the lease back if it is ours."""
        await self._change(RELEASE, {"key": key, "owner": owner})

    async def remember(self, name: bytes, now: float, until: float, value: float = 0.0) -> bool:
        """Record a name unless it is still remembered with as great a value."""
        return bool(await self._link.run(REMEMBER, {"name": name, "now": now, "until": until, "value": value}))

    async def recall(self, name: bytes, now: float) -> float | None:
        """Return the value of a name that is still remembered."""
        rows = await self._link.run(RECALL, (name, now))
        return float(rows[0][0]) if rows else None

    def changes(self) -> Subscription:
        """Listen from now on."""
        subscription = self._feed.subscribe()
        self._watch.start()
        return subscription

    async def _change(self, statement: str, values: dict[str, Value]) -> bool:
        """Run a statement that pushes a change when it returns a true row."""
        rows = await self._link.run(statement, values)
        if not rows or not rows[0][0]:
            return False
        self._watch.wake()
        return True


def _values_of(record: StoredSession) -> dict[str, Value]:
    return {
        "key": record.key,
        "version": record.version,
        "sealed": record.sealed,
        "summary": record.summary,
        "subject": record.subject,
        "issuer_sid": record.issuer_sid,
        "handle": record.handle,
        "created_at": record.created_at,
        "idle_expires_at": record.idle_expires_at,
        "expires_at": record.expires_at,
    }


def _parse_live(row: Row) -> StoredSession:
    return StoredSession(*row[:10])


def _parse_row(row: Row, now: float) -> StoredSession | Ended | None:
    ended_at, reason = row[10:]
    if ended_at is None:
        record = _parse_live(row)
        return record if is_live(record, now) else None
    key, _, sealed, *_, expires_at = row[:10]
    return Ended(key, reason, ended_at, sealed) if now < expires_at else None
