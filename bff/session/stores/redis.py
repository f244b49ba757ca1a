"""The store of several machines: Redis or Valkey, alone, followed by sentinels, or as a cluster."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from bff.errors import SessionStoreUnavailable
from bff.session.records import Change, ChangeKind, Ended, StoredSession
from bff.session.stores import redis_scripts as scripts
from bff.session.stores.feed import Feed, Subscription
from bff.session.stores.lifetime import ends_at, unavailable
from bff.session.stores.redis_audit import RedisAudit
from bff.session.stores.redis_documents import RedisDocuments
from bff.session.stores.redis_facts import RedisFacts
from bff.session.stores.redis_index import RedisIndex
from bff.session.stores.redis_layout import Layout
from bff.session.stores.redis_reasons import OF_A_CLUSTER, reason_of
from bff.session.stores.redis_records import (
    FAULTS,
    FIELDS,
    build_fields,
    is_left_behind,
    parse_fields,
    select_current,
)
from bff.session.stores.redis_script_call import Script
from bff.session.stores.redis_servers import CONNECTIONS, connect
from bff.session.stores.redis_tally import RedisTally
from bff.session.stores.redis_watch import RedisWatch, build_message

_RENEW_EVERY = 1.0  # seconds; a primary that only waits for its replica says the same to every call
SKEW = 1.0  # seconds that clocks may differ before it matters to anybody


class RedisStore:
    """Implements `Store`. Each method that writes is one script; in a cluster one for each server it concerns."""

    def __init__(
        self, url: str, *, prefix: str = "bff", timeout: float = 2.0, clock: Callable[[], float] = time.time
    ) -> None:
        """`url` is as `redis_servers.connect` reads it. Raises `ValueError` or `TypeError` when it does not.

        `clock` is this machine's, to know how far it is from the server's.
        """
        self._servers = servers = connect(url, timeout)
        self._client = client = servers.client
        self._timeout = timeout
        self._is_closed = False
        self._is_stale = False
        self._renewed_at = -_RENEW_EVERY  # by the loop's clock
        self._calls = asyncio.Semaphore(CONNECTIONS - 1)  # under way: one connection is the watch's
        self._keys = Layout(prefix, is_cluster=servers.is_cluster)
        self._index = RedisIndex(client, self._keys)
        # Redis shares channels between its databases.
        self._channel = f"{prefix}:changes:{servers.database}"
        self._feed = Feed()
        self._watch = RedisWatch(servers.listener, self._feed, self._channel, timeout)
        self._create = Script(client, scripts.CREATE)
        self._replace = Script(client, scripts.REPLACE)
        self._touch = Script(client, scripts.TOUCH)
        self._end = Script(client, scripts.END)
        self._acquire = Script(client, scripts.ACQUIRE)
        self._release = Script(client, scripts.RELEASE)
        self._remember = Script(client, scripts.REMEMBER)
        self.documents = RedisDocuments(client, prefix, self._bounded)
        self.tally = RedisTally(client, prefix, self._bounded)
        self.audit = RedisAudit(client, prefix, self._bounded)
        self.facts = RedisFacts(client, self._bounded, clock)
        self._ahead = 0.0  # seconds that the server's clock is ahead of this machine's

    # ── life cycle ───────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Connect once, which proves that address and credentials are good."""
        await self.ping()
        if not self._keys.is_cluster:
            await self._check_alone()
        await self._compare_clocks()

    async def close(self) -> None:
        """End the watch and close every connection."""
        self._is_closed = True
        self._feed.close()
        await self._watch.stop()
        try:
            async with asyncio.timeout(self._timeout):
                await self._servers.close()
        except FAULTS as exc:
            raise unavailable(reason_of(exc)) from exc

    async def ping(self) -> None:
        """Ask for an answer."""
        async with self._bounded():
            await self._client.ping()

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove records that are past their end. Redis removes names and leases by itself."""
        await self._compare_clocks()
        async with self._bounded():
            removed = await self._index.purge(now, limit)
        return removed + await self.documents.purge(now, limit - removed)

    async def count(self, now: float) -> int:
        """Count what has not ended, less what is past its end and still waits for the purge."""
        async with self._bounded():
            return await self._index.count(now)

    # ── records ──────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, record: StoredSession) -> None:
        """Add a record; the first one under a key stays."""
        ends = ends_at(record)
        lives_for = max(0.0, ends - record.created_at) + scripts.GRACE
        async with self._bounded():
            is_new = await self._create(
                [self._keys.record(record.key), *self._keys.beside_all(record)],
                [
                    *(record.key, ends, record.expires_at, lives_for, _index_lives_for(record)),
                    *build_fields(record, record.version),
                ],
            )
            # A first try may have died before the indexes: they are owed to what it wrote, unless that has ended.
            there = record if is_new or not self._keys.is_cluster else await self._read(record.key)
            if isinstance(there, StoredSession):
                await self._index.enter(there, ends_at(there), _index_lives_for(there))

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """Return what is there and not past its end."""
        async with self._bounded():
            values = await self._client.hmget(self._keys.record(key), FIELDS)
        return select_current(parse_fields(key, cast("list[bytes | None]", values)), now)

    async def _read(self, key: bytes) -> StoredSession | Ended | None:
        values = await self._client.hmget(self._keys.record(key), FIELDS)
        parsed = parse_fields(key, cast("list[bytes | None]", values))
        return parsed[0] if parsed is not None else None

    async def replace(self, record: StoredSession, expected_version: int) -> bool:
        """Write the record as version `expected_version + 1`; a slide that came in between is kept."""
        version = expected_version + 1
        message = build_message(Change(ChangeKind.REPLACED, record.key, version))
        async with self._bounded():
            ends: bytes | int = await self._replace(
                [self._keys.record(record.key), *self._keys.beside_all(record)],
                [
                    *(record.key, expected_version, record.idle_expires_at, record.expires_at),
                    *(self._channel, message, _index_lives_for(record)),
                    *build_fields(record, version),
                ],
            )
            if isinstance(ends, bytes):
                await _at_best(self._index.enter(record, ends, _index_lives_for(record)))
        return isinstance(ends, bytes)

    async def touch(self, key: bytes, idle_expires_at: float) -> bool:
        """Slide the idle end forward, up to the absolute end."""
        async with self._bounded():
            ends: bytes | int = await self._touch(
                [self._keys.record(key), *self._keys.beside(key)], [key, idle_expires_at]
            )
            if isinstance(ends, bytes):
                await _at_best(self._index.slide(key, ends))
        return isinstance(ends, bytes)

    async def end(self, key: bytes, reason: str, now: float, *, keep_sealed: bool) -> bool:
        """Turn a live record into `Ended`; forget one that is past its end."""
        message = build_message(Change(ChangeKind.ENDED, key))
        async with self._bounded():
            until: bytes | int = await self._end(
                [self._keys.record(key), *self._keys.beside(key)],
                [key, now, reason, int(keep_sealed), self._channel, message, scripts.GRACE],
            )
            if until:
                await _at_best(self._index.retire(key, until if isinstance(until, bytes) else None))
        return isinstance(until, bytes)

    async def end_many(self, keys: Sequence[bytes], reason: str, now: float) -> set[bytes]:
        """Turn live records into `Ended`, each for itself."""
        found: set[bytes] = set()
        for start in range(0, len(keys), CONNECTIONS // 2):
            some = keys[start : start + CONNECTIONS // 2]
            ended = await asyncio.gather(*(self.end(key, reason, now, keep_sealed=True) for key in some))
            found |= {key for key, is_new in zip(some, ended, strict=True) if is_new}
        return found

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
        indexes = [self._keys.subject(subject) for subject in subjects]
        indexes += [self._keys.issuer_sid(issuer_sid) for issuer_sid in issuer_sids]
        indexes += [] if handle is None else [self._keys.handle(handle)]
        async with self._bounded():
            if indexes:
                return await self._index.find(indexes, now, after, limit, handle)
            return await self._index.find_all(now, after, limit)

    # ── coordination ─────────────────────────────────────────────────────────────────────────────────────

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """Take or prolong the lease. Machines agree on its end by the server's clock, whatever theirs say."""
        now += self._ahead
        async with self._bounded():
            fence: int | None = await self._acquire(
                [self._keys.lease(key), *self._keys.fence], [owner, now, now + ttl, scripts.GRACE]
            )
        return fence

    async def release(self, key: bytes, owner: bytes) -> None:
        """Give the lease back if it is ours."""
        message = build_message(Change(ChangeKind.RELEASED, key))
        async with self._bounded():
            await self._release([self._keys.lease(key)], [owner, self._channel, message])

    async def remember(self, name: bytes, now: float, until: float, value: float = 0.0) -> bool:
        """Record a name unless it is still remembered with as great a value."""
        async with self._bounded():
            return bool(await self._remember([self._keys.name(name)], [now, until, value, scripts.GRACE]))

    async def recall(self, name: bytes, now: float) -> float | None:
        """Return the value of a name that is still remembered."""
        async with self._bounded():
            until, value = await self._client.hmget(self._keys.name(name), ("until", "value"))
        if until is None or value is None or now >= float(until):
            return None
        return float(value)

    def changes(self) -> Subscription:
        """Listen from now on."""
        subscription = self._feed.subscribe()
        self._watch.start()
        return subscription

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    async def _check_alone(self) -> None:
        """A node of a cluster answers to a single server's address as well, and refuses nearly all that follows."""
        is_in_cluster = False
        with suppress(SessionStoreUnavailable):  # or not allowed
            is_in_cluster = await self.facts.is_in_cluster()
        if is_in_cluster:
            raise unavailable(OF_A_CLUSTER)

    async def _compare_clocks(self) -> None:
        with suppress(SessionStoreUnavailable):  # or not allowed: this machine's is taken to be right
            ahead, _ = await self.facts.compare_clocks()
            self._ahead = ahead if abs(ahead) >= SKEW else 0.0

    @asynccontextmanager
    async def _bounded(self) -> AsyncGenerator[None]:
        """Hold what happens inside to the time limit and to the one error of the stores."""
        if self._is_closed:
            raise unavailable("closed")
        try:
            async with asyncio.timeout(self._timeout), self._calls:
                now = asyncio.get_running_loop().time()
                if self._is_stale and now >= self._renewed_at + _RENEW_EVERY:
                    self._is_stale, self._renewed_at = False, now
                    await self._client.connection_pool.disconnect(inuse_connections=False)
                yield
        except FAULTS as exc:
            # After a failover the connections still lead to what was the primary; new ones find the new one.
            self._is_stale = self._is_stale or (is_left_behind(exc) and not self._keys.is_cluster)
            raise unavailable(reason_of(exc)) from exc


async def _at_best(step: Awaitable[None]) -> None:
    """Take a step that comes when the record is as it should be: readers put right what this may not reach."""
    with suppress(*FAULTS):
        await step


def _index_lives_for(record: StoredSession) -> float:
    return max(0.0, record.expires_at - record.created_at) + scripts.GRACE
