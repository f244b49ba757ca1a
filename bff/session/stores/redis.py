"""The store of several machines: Redis or Valkey, alone or behind an address that follows the primary."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from bff.session.records import Change, ChangeKind, Ended, StoredSession
from bff.session.stores import redis_scripts as scripts
from bff.session.stores.feed import Feed, Subscription
from bff.session.stores.lifetime import ends_at, unavailable
from bff.session.stores.redis_audit import RedisAudit
from bff.session.stores.redis_documents import RedisDocuments
from bff.session.stores.redis_facts import RedisFacts
from bff.session.stores.redis_records import FIELDS, build_fields, parse_fields, reason_of, select_current
from bff.session.stores.redis_tally import RedisTally
from bff.session.stores.redis_watch import RedisWatch, build_message

CONNECTIONS = 32  # at most, for each store; one of them is the watch's
PAGE = 100  # records read in one round trip
LATE = 10_000  # records past their end that a count looks for: more than purges let come together


class RedisStore:
    """Implements `Store`. Each method that writes is one script."""

    def __init__(self, url: str, *, prefix: str = "bff", timeout: float = 2.0) -> None:
        """`url` is one that redis-py reads. Raises `ValueError` or `TypeError` when it does not."""
        # No retries inside: a `replace` that is sent twice would take its own first success for another's.
        # Notifications of maintenance off: with them on, redis-py no longer looks whether an idle connection has
        # been closed before it uses it, and after a restart of the server each one fails one call.
        pool = BlockingConnectionPool.from_url(
            url,
            protocol=3,
            max_connections=CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        pool.make_connection()  # type: ignore[no-untyped-call]  # an unknown option shows here
        self._client = client = Redis.from_pool(pool)
        self._timeout = timeout
        self._is_closed = False
        self._is_stale = False
        self._prefix = prefix
        self._all = f"{prefix}:all"
        self._ends = f"{prefix}:ends"
        self._fence = f"{prefix}:fence"
        # Redis shares channels between its databases.
        self._channel = f"{prefix}:changes:{pool.connection_kwargs.get('db', 0)}"
        self._feed = Feed()
        self._watch = RedisWatch(client, self._feed, self._channel, timeout)
        self._create = client.register_script(scripts.CREATE)
        self._replace = client.register_script(scripts.REPLACE)
        self._touch = client.register_script(scripts.TOUCH)
        self._end = client.register_script(scripts.END)
        self._purge = client.register_script(scripts.PURGE)
        self._acquire = client.register_script(scripts.ACQUIRE)
        self._release = client.register_script(scripts.RELEASE)
        self._remember = client.register_script(scripts.REMEMBER)
        self.documents = RedisDocuments(client, prefix, self._bounded)
        self.tally = RedisTally(client, prefix, self._bounded)
        self.audit = RedisAudit(client, prefix, self._bounded)
        self.facts = RedisFacts(client, self._bounded)

    # ── life cycle ───────────────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Connect once, which proves that address and credentials are good."""
        await self.ping()

    async def close(self) -> None:
        """End the watch and close every connection."""
        self._is_closed = True
        self._feed.close()
        await self._watch.stop()
        try:
            async with asyncio.timeout(self._timeout):
                await self._client.aclose()
        except (RedisError, OSError) as exc:
            raise unavailable(reason_of(exc)) from exc

    async def ping(self) -> None:
        """Ask for an answer."""
        async with self._bounded():
            await self._client.ping()

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove records that are past their end. Redis removes names and leases by itself."""
        removed = 0
        async with self._bounded():
            while removed < limit:
                size = min(PAGE, limit - removed)
                keys = cast("list[bytes]", await self._client.zrangebyscore(self._ends, "-inf", now, 0, size))
                if not keys:
                    break
                hashes = [self._key("s", key) for key in keys]
                removed += await self._purge([self._all, self._ends, *hashes], [now, *keys])
        return removed + await self.documents.purge(now, limit - removed)

    async def count(self, now: float) -> int:
        """Count what has not ended, less what is past its end and still waits for the purge."""
        async with self._bounded():
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.zcard(self._all)
                pipe.zrangebyscore(self._ends, "-inf", now, 0, LATE)
                number, late = await pipe.execute()
            # What waits may also be what is left of ended ones, which the first number does not hold.
            scores = await self._client.zmscore(self._all, late) if late else []
        return int(number) - sum(score is not None for score in scores)

    # ── records ──────────────────────────────────────────────────────────────────────────────────────────

    async def create(self, record: StoredSession) -> None:
        """Add a record; the first one under a key stays."""
        ends = ends_at(record)
        lives_for = max(0.0, ends - record.created_at) + scripts.GRACE
        async with self._bounded():
            await self._create(
                [self._key("s", record.key), self._all, self._ends, *self._indexes_of(record)],
                [
                    *(record.key, ends, record.expires_at, lives_for, _index_lives_for(record)),
                    *build_fields(record, record.version),
                ],
            )

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """Return what is there and not past its end."""
        async with self._bounded():
            values = await self._client.hmget(self._key("s", key), FIELDS)
        return select_current(parse_fields(key, cast("list[bytes | None]", values)), now)

    async def replace(self, record: StoredSession, expected_version: int) -> bool:
        """Write the record as version `expected_version + 1`; a slide that came in between is kept."""
        version = expected_version + 1
        message = build_message(Change(ChangeKind.REPLACED, record.key, version))
        async with self._bounded():
            written = await self._replace(
                [self._key("s", record.key), self._all, self._ends, *self._indexes_of(record)],
                [
                    *(record.key, expected_version, record.idle_expires_at, record.expires_at),
                    *(self._channel, message, _index_lives_for(record)),
                    *build_fields(record, version),
                ],
            )
        return bool(written)

    async def touch(self, key: bytes, idle_expires_at: float) -> bool:
        """Slide the idle end forward, up to the absolute end."""
        async with self._bounded():
            return bool(await self._touch([self._key("s", key), self._ends], [key, idle_expires_at]))

    async def end(self, key: bytes, reason: str, now: float, *, keep_sealed: bool) -> bool:
        """Turn a live record into `Ended`; forget one that is past its end."""
        message = build_message(Change(ChangeKind.ENDED, key))
        async with self._bounded():
            ended = await self._end(
                [self._key("s", key), self._all, self._ends],
                [key, now, reason, int(keep_sealed), self._channel, message, scripts.GRACE],
            )
        return bool(ended)

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
        indexes = [self._key("subject", subject) for subject in subjects]
        indexes += [self._key("issuer_sid", issuer_sid) for issuer_sid in issuer_sids]
        indexes += [] if handle is None else [self._key("handle", handle.encode())]
        found: list[StoredSession] = []
        async with self._bounded():
            if wanted := set(indexes):
                keys = [key for key in await self._keys_in(indexes, now) if key > after]
                for start in range(0, len(keys), PAGE):
                    page = await self._fetch_live(keys[start : start + PAGE], indexes, now)
                    # A replace may have moved a record to another subject; its old entry stays until its end.
                    found += [record for record in page if not wanted.isdisjoint(self._indexes_of(record))]
                    if len(found) >= limit:
                        break
            else:
                while len(found) < limit and (keys := await self._page_of_all(after)):
                    found += await self._fetch_live(keys, [self._all], now)
                    after = keys[-1]
        return found[: max(limit, 0)]

    # ── coordination ─────────────────────────────────────────────────────────────────────────────────────

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """Take or prolong the lease."""
        async with self._bounded():
            fence: int | None = await self._acquire(
                [self._key("l", key), self._fence], [owner, now, now + ttl, scripts.GRACE]
            )
        return fence

    async def release(self, key: bytes, owner: bytes) -> None:
        """Give the lease back if it is ours."""
        message = build_message(Change(ChangeKind.RELEASED, key))
        async with self._bounded():
            await self._release([self._key("l", key)], [owner, self._channel, message])

    async def remember(self, name: bytes, now: float, until: float, value: float = 0.0) -> bool:
        """Record a name unless it is still remembered with as great a value."""
        async with self._bounded():
            return bool(await self._remember([self._key("n", name)], [now, until, value, scripts.GRACE]))

    async def recall(self, name: bytes, now: float) -> float | None:
        """Return the value of a name that is still remembered."""
        async with self._bounded():
            until, value = await self._client.hmget(self._key("n", name), ("until", "value"))
        if until is None or value is None or now >= float(until):
            return None
        return float(value)

    def changes(self) -> Subscription:
        """Listen from now on."""
        subscription = self._feed.subscribe()
        self._watch.start()
        return subscription

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _bounded(self) -> AsyncGenerator[None]:
        """Hold what happens inside to the time limit and to the one error of the stores."""
        if self._is_closed:
            raise unavailable("closed")
        try:
            async with asyncio.timeout(self._timeout):
                if self._is_stale:
                    self._is_stale = False
                    await self._client.connection_pool.disconnect(inuse_connections=False)
                yield
        except (RedisError, OSError) as exc:
            # After a failover the connections still lead to what was the primary; new ones find the new one.
            self._is_stale = isinstance(exc, ReadOnlyError)
            raise unavailable(reason_of(exc)) from exc

    def _key(self, family: str, name: bytes) -> str:
        return f"{self._prefix}:{family}:{{{name.hex()}}}"

    def _indexes_of(self, record: StoredSession) -> list[str]:
        indexes = [self._key("subject", record.subject), self._key("handle", record.handle.encode())]
        return indexes if record.issuer_sid is None else [*indexes, self._key("issuer_sid", record.issuer_sid)]

    async def _keys_in(self, indexes: list[str], now: float) -> list[bytes]:
        """Return the keys under any of the indexes, in order; what is past its absolute end is dropped first."""
        async with self._client.pipeline(transaction=False) as pipe:
            for index in indexes:
                pipe.zremrangebyscore(index, "-inf", now)
                pipe.zrange(index, 0, -1)
            answers = await pipe.execute()
        return sorted({key for answer in answers[1::2] for key in answer})

    async def _page_of_all(self, after: bytes) -> list[bytes]:
        first = b"(" + after if after else b"-"
        return cast("list[bytes]", await self._client.zrangebylex(self._all, first, b"+", 0, PAGE))

    async def _fetch_live(self, keys: list[bytes], indexes: list[str], now: float) -> list[StoredSession]:
        """Return the live ones among the records, and take from the indexes those that have ended or gone."""
        async with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(self._key("s", key), FIELDS)
            answers = await pipe.execute()
        rows = {key: parse_fields(key, values) for key, values in zip(keys, answers, strict=True)}
        if gone := [key for key, row in rows.items() if row is None or isinstance(row[0], Ended)]:
            # None of these ever comes back, so nothing can be lost between the look and this.
            async with self._client.pipeline(transaction=False) as pipe:
                for index in indexes:
                    pipe.zrem(index, *gone)
                await pipe.execute()
        current = (select_current(row, now) for row in rows.values())
        return [record for record in current if isinstance(record, StoredSession)]


def _index_lives_for(record: StoredSession) -> float:
    return max(0.0, record.expires_at - record.created_at) + scripts.GRACE
