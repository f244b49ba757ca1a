"""The store of a single process: for development, tests and small single-worker deployments."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bff.session.records import Change, ChangeKind, Ended, StoredSession
from bff.session.stores.feed import Feed, Subscription
from bff.session.stores.lifetime import ends_at, is_live, unavailable
from bff.session.stores.memory_audit import MemoryAudit
from bff.session.stores.memory_documents import MemoryDocuments
from bff.session.stores.memory_tally import MemoryTally

Row = TypeVar("Row")
Criterion = tuple[str, bytes | str]  # a field by which sessions are found, and its value

SWEEP = 2  # rows removed for each one added, so that what is past its end goes faster than new rows come


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An ended session and when it may be forgotten."""

    ended: Ended
    expires_at: float


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a key, under which fencing token, until when."""

    owner: bytes
    fence: int
    until: float


@dataclass(frozen=True, slots=True)
class Name:
    """A remembered name."""

    value: float
    until: float


class Table(Generic[Row]):
    """Rows that expire, bounded in number.

    The heap holds one entry or more for each row. An entry may be early (the row was prolonged), never late.
    """

    def __init__(self, limit: int, end_of: Callable[[Row], float]) -> None:
        self.rows: dict[bytes, Row] = {}
        self._limit = limit
        self._end_of = end_of
        self._ends: list[tuple[float, bytes]] = []

    def add(self, key: bytes, row: Row) -> None:
        """Put in a row. Raises `SessionStoreUnavailable` when the table is full."""
        if self.is_full and key not in self.rows:
            raise unavailable("full")
        self.rows[key] = row
        heapq.heappush(self._ends, (self._end_of(row), key))

    def sweep(self, now: float, limit: int) -> list[Row]:
        """Remove up to `limit` rows that are past their end and return them."""
        removed: list[Row] = []
        while len(removed) < limit and self._ends and self._ends[0][0] <= now:
            _, key = heapq.heappop(self._ends)
            row = self.rows.get(key)
            if row is None:
                continue
            if (end := self._end_of(row)) > now:
                heapq.heappush(self._ends, (end, key))
            else:
                removed.append(self.rows.pop(key))
        return removed

    @property
    def is_full(self) -> bool:
        """Say whether a new key would be refused."""
        return len(self.rows) >= self._limit


def _end_of_session(row: StoredSession | Tombstone) -> float:
    return row.expires_at if isinstance(row, Tombstone) else ends_at(row)


def _criteria(record: StoredSession) -> list[Criterion]:
    criteria: list[Criterion] = [("subject", record.subject), ("handle", record.handle)]
    if record.issuer_sid is not None:
        criteria.append(("issuer_sid", record.issuer_sid))
    return criteria


class MemoryStore:
    """Implements `Store`. Every method runs to its end without giving way, which is what makes it atomic."""

    def __init__(self, *, limit: int = 100_000) -> None:
        self._sessions: Table[StoredSession | Tombstone] = Table(limit, _end_of_session)
        self._leases: Table[Lease] = Table(limit, lambda lease: lease.until)
        self._names: Table[Name] = Table(limit, lambda name: name.until)
        self._fence = 0
        self._live = 0  # records that have not ended; those past their end count until they are swept
        self._index: defaultdict[Criterion, set[bytes]] = defaultdict(set)
        self._feed = Feed()
        self._feed.restore()
        self.documents = MemoryDocuments(limit=limit)
        self.tally = MemoryTally()
        self.audit = MemoryAudit()

    # ── life cycle ───────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """End every iteration over `changes()`."""
        self._feed.close()

    async def ping(self) -> None:
        """Memory always answers."""

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end."""
        removed = self._sweep_sessions(now, limit)
        removed += len(self._leases.sweep(now, limit - removed))
        removed += len(self._names.sweep(now, limit - removed))
        removed += await self.documents.purge(now, limit - removed)
        return removed

    async def count(self, now: float) -> int:
        """Sweep, so that what is left lives."""
        self._sweep_sessions(now, len(self._sessions.rows))
        return self._live

    # ── records ──────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, record: StoredSession) -> None:
        """Add a record; the first one under a key stays."""
        if record.key in self._sessions.rows:
            return
        self._sweep_sessions(record.created_at, SWEEP)
        self._sessions.add(record.key, record)
        self._enter(record)

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """Return what is there and not past its end."""
        match self._sessions.rows.get(key):
            case StoredSession() as record if is_live(record, now):
                return record
            case Tombstone(ended, expires_at) if now < expires_at:
                return ended
            case _:
                return None

    async def replace(self, record: StoredSession, expected_version: int) -> bool:
        """Write the record as version `expected_version + 1`; a slide that came in between is kept."""
        current = self._sessions.rows.get(record.key)
        if not isinstance(current, StoredSession) or current.version != expected_version:
            return False
        idle_expires_at = max(current.idle_expires_at, record.idle_expires_at)
        written = replace(record, version=expected_version + 1, idle_expires_at=idle_expires_at)
        self._strike(current)
        self._sessions.add(record.key, written)
        self._enter(written)
        self._feed.publish(Change(ChangeKind.REPLACED, record.key, written.version))
        return True

    async def touch(self, key: bytes, idle_expires_at: float) -> bool:
        """Slide the idle end forward, up to the absolute end."""
        current = self._sessions.rows.get(key)
        if not isinstance(current, StoredSession):
            return False
        slid = max(current.idle_expires_at, min(idle_expires_at, current.expires_at))
        self._sessions.rows[key] = replace(current, idle_expires_at=slid)
        return True

    async def end(self, key: bytes, reason: str, now: float, *, keep_sealed: bool) -> bool:
        """Turn a live record into `Ended`; forget one that is past its end."""
        current = self._sessions.rows.get(key)
        if not isinstance(current, StoredSession):
            return False
        self._strike(current)
        if not is_live(current, now):
            # Gone for good, so that a slide that is still under way cannot bring it back.
            del self._sessions.rows[key]
            return False
        ended = Ended(key, reason, now, current.sealed if keep_sealed else None)
        self._sessions.rows[key] = Tombstone(ended, current.expires_at)
        self._feed.publish(Change(ChangeKind.ENDED, key))
        return True

    async def end_many(self, keys: Sequence[bytes], reason: str, now: float) -> set[bytes]:
        """Turn live records into `Ended`."""
        return {key for key in keys if await self.end(key, reason, now, keep_sealed=True)}

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
        criteria: list[Criterion] = [("subject", subject) for subject in subjects]
        criteria += [("issuer_sid", issuer_sid) for issuer_sid in issuer_sids]
        criteria += [("handle", handle)] if handle is not None else []
        keys: Iterable[bytes] = self._sessions.rows
        if criteria:
            keys = {key for criterion in criteria for key in self._index.get(criterion, ())}
        found = (self._sessions.rows[key] for key in keys if key > after)
        live = (row for row in found if isinstance(row, StoredSession) and is_live(row, now))
        return heapq.nsmallest(limit, live, key=lambda record: record.key)

    # ── coordination ─────────────────────────────────────────────────────────────────────────────────────

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """Take or prolong the lease."""
        self._leases.sweep(now, SWEEP)
        held = self._leases.rows.get(key)
        if held is not None and now < held.until:
            if held.owner != owner:
                return None
            self._leases.rows[key] = replace(held, until=max(held.until, now + ttl))
            return held.fence
        self._leases.add(key, Lease(owner, self._fence + 1, now + ttl))
        self._fence += 1
        return self._fence

    async def release(self, key: bytes, owner: bytes) -> None:
        """Give the lease back if it is ours."""
        held = self._leases.rows.get(key)
        if held is not None and held.owner == owner:
            del self._leases.rows[key]
            self._feed.publish(Change(ChangeKind.RELEASED, key))

    async def remember(self, name: bytes, now: float, until: float, value: float = 0.0) -> bool:
        """Record a name unless it is still remembered with as great a value."""
        self._names.sweep(now, SWEEP)
        known = await self.recall(name, now)
        if known is not None and known >= value:
            return False
        self._names.add(name, Name(value, until))
        return True

    async def recall(self, name: bytes, now: float) -> float | None:
        """Return the value of a name that is still remembered."""
        known = self._names.rows.get(name)
        return known.value if known is not None and now < known.until else None

    def changes(self) -> Subscription:
        """Listen from now on."""
        return self._feed.subscribe()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    def _sweep_sessions(self, now: float, limit: int) -> int:
        removed = self._sessions.sweep(now, limit)
        for row in removed:
            if isinstance(row, StoredSession):
                self._strike(row)
        return len(removed)

    def _enter(self, record: StoredSession) -> None:
        self._live += 1
        for criterion in _criteria(record):
            self._index[criterion].add(record.key)

    def _strike(self, record: StoredSession) -> None:
        self._live -= 1
        for criterion in _criteria(record):
            self._index[criterion].discard(record.key)
            if not self._index[criterion]:
                del self._index[criterion]
