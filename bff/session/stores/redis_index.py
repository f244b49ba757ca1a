"""Lists, counts and purges the sessions of a Redis store by its indexes, and keeps those of a cluster true.

The order of steps, and why, is in `redis_layout`. Every method is called within the store's time limit.
"""

from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import Redis

from bff.session.records import Ended, StoredSession
from bff.session.stores import redis_scripts as scripts
from bff.session.stores import redis_scripts_apart as apart
from bff.session.stores.redis_layout import Layout
from bff.session.stores.redis_records import FIELDS, parse_fields, select_current
from bff.session.stores.redis_script_call import Script

PAGE = 100  # records read in one round trip
LATE = 10_000  # records past their end that a count looks for in a shard: more than purges let come together


class RedisIndex:
    """The indexes of one store."""

    def __init__(self, client: Redis, layout: Layout) -> None:
        self._client = client
        self._layout = layout
        self._purge = Script(client, scripts.PURGE)

    # ── in a cluster, after the record; on one server the record's script has done it all ────────────────

    async def enter(self, record: StoredSession, ends: bytes | float, lives_for: float) -> None:
        """Have the record in every index that it belongs into; `lives_for` is seconds."""
        if self._layout.is_cluster:
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.eval(apart.PLACE, 2, *self._layout.shard_of(record.key), record.key, ends)
                for index in self._layout.indexes_of(record):
                    pipe.eval(apart.ENTER, 1, index, record.key, record.expires_at, lives_for)
                await pipe.execute()

    async def slide(self, key: bytes, ends: bytes) -> None:
        """Move the end of the record on."""
        if self._layout.is_cluster:
            await self._client.eval(apart.PLACE, 2, *self._layout.shard_of(key), key, ends)

    async def retire(self, key: bytes, until: bytes | None) -> None:
        """Take the record from the live ones; what is left of it, if anything, stays `until` then."""
        if self._layout.is_cluster:
            left = () if until is None else (until,)
            await self._client.eval(apart.RETIRE, 2, *self._layout.shard_of(key), key, *left)

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────

    async def find(
        self, indexes: Sequence[str], now: float, after: bytes, limit: int, handle: str | None = None
    ) -> list[StoredSession]:
        """Return live records under any of the indexes, the handle's among them, in the order of their keys."""
        found: list[StoredSession] = []
        wanted = set(indexes)
        keys = [key for key in await self._keys_in(indexes, now, handle) if key > after]
        for start in range(0, len(keys), PAGE):
            page = await self._fetch_live(keys[start : start + PAGE], indexes, now)
            # A replace may have moved a record to another subject; its old entry stays until its end.
            found += [record for record in page if self._layout.is_under(record, wanted)]
            if len(found) >= limit:
                break
        return found[: max(limit, 0)]

    async def find_all(self, now: float, after: bytes, limit: int) -> list[StoredSession]:
        """Return live records in the order of their keys."""
        found: list[StoredSession] = []
        for live, _ in self._layout.shards(after):
            last = after
            while len(found) < limit and (keys := await self._page_of(live, last)):
                found += await self._fetch_live(keys, [live], now)
                last = keys[-1]
        return found[: max(limit, 0)]

    async def count(self, now: float) -> int:
        """Count what has not ended, less what is past its end and still waits for the purge."""
        shards = list(self._layout.shards())
        async with self._client.pipeline(transaction=False) as pipe:
            for live, ends in shards:
                pipe.zcard(live)
                pipe.zrangebyscore(ends, "-inf", now, 0, LATE)
            answers = await pipe.execute()
        numbers, waiting = cast("list[int]", answers[::2]), answers[1::2]
        # What waits may also be what is left of ended ones, which the number does not hold.
        async with self._client.pipeline(transaction=False) as pipe:
            for (live, _), late in zip(shards, waiting, strict=True):
                if late:
                    pipe.zmscore(live, late)
            scores = await pipe.execute() if len(pipe) else []
        return sum(numbers) - sum(score is not None for some in scores for score in some)

    # ── the purge ────────────────────────────────────────────────────────────────────────────────────────

    async def purge(self, now: float, limit: int) -> int:
        """Remove records that are past their end, `limit` at most; return how many."""
        removed = 0
        for live, ends in self._layout.shards():
            while removed < limit:
                size = min(PAGE, limit - removed)
                keys = cast("list[bytes]", await self._client.zrangebyscore(ends, "-inf", now, 0, size))
                if not keys:
                    break
                if self._layout.is_cluster:
                    removed += await self._purge_apart(live, ends, keys, now)
                else:
                    records = [self._layout.record(key) for key in keys]
                    removed += await self._purge([live, ends, *records], [now, *keys])
        return removed

    async def _purge_apart(self, live: str, ends: str, keys: list[bytes], now: float) -> int:
        async with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.eval(apart.PURGE_ONE, 1, self._layout.record(key), str(now))
            answers = cast("list[list[Any] | None]", await pipe.execute())
        rows = dict(zip(keys, answers, strict=True))
        gone = [key for key, row in rows.items() if row is None]
        async with self._client.pipeline(transaction=False) as pipe:
            if over := gone + [key for key, row in rows.items() if row is not None and row[0]]:
                pipe.zrem(live, *over)
            if gone:
                pipe.zrem(ends, *gone)
            if staying := {key: float(row[1]) for key, row in rows.items() if row is not None}:
                pipe.zadd(ends, cast("Any", staying), gt=True)
            await pipe.execute()
        return len(gone)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    async def _keys_in(self, indexes: Sequence[str], now: float, handle: str | None) -> list[bytes]:
        """Return the keys under any of the indexes, in order; what is past its absolute end is dropped first."""
        async with self._client.pipeline(transaction=False) as pipe:
            for index in indexes:
                pipe.zremrangebyscore(index, "-inf", now)
                pipe.zrange(index, 0, -1)
            if handle is not None and (where := self._layout.range_of(handle)) is not None:
                pipe.zcard(where[0])
                pipe.zrangebylex(*where)
            answers = await pipe.execute()
        return sorted({key for answer in answers[1::2] for key in answer})

    async def _page_of(self, live: str, after: bytes) -> list[bytes]:
        first = b"(" + after if after else b"-"
        return cast("list[bytes]", await self._client.zrangebylex(live, first, b"+", 0, PAGE))

    async def _fetch_live(self, keys: list[bytes], indexes: Sequence[str], now: float) -> list[StoredSession]:
        """Return the live ones among the records, and take from the indexes those that have ended or gone."""
        async with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(self._layout.record(key), FIELDS)
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
