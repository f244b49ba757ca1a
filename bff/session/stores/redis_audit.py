"""The audit log in Redis or Valkey. Everything lies on one hash tag: a chain has one end.

<prefix>:{audit}:head    the head record              :lines   hash: number → line
:times   sorted set: number by time, of lines in order :late    sorted set: numbers of lines that are late
:ends    hash: the numbers of the first line and the last
:by:<field>:<hash of the value>   sorted set: the numbers of the lines with this value
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

from redis.asyncio import Redis

from bff.session.audit_records import SLACK, AuditQuery, AuditRow, Found
from bff.session.stores.redis_script_call import Script

_INDEXED = ("session", "subject", "reason", "route", "event")
_FAMILY = "family"  # what an event's name begins with, up to the dot
_PAGE = 500  # lines read in one round trip
_PATIENCE = 0.4  # seconds for one page

# KEYS head, lines, times, late, ends, index…   ARGV expected, head, then for each line: number, time, late, line,
# how many indexes, and which of KEYS these are
APPEND = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local i, last = 3, 0
while i <= #ARGV do
  local seq = ARGV[i]
  last = seq
  redis.call('HSET', KEYS[2], seq, ARGV[i + 3])
  if ARGV[i + 2] == '1' then redis.call('ZADD', KEYS[4], seq, seq)
  else redis.call('ZADD', KEYS[3], ARGV[i + 1], seq) end
  local count = tonumber(ARGV[i + 4])
  for j = i + 5, i + 4 + count do redis.call('ZADD', KEYS[tonumber(ARGV[j])], seq, seq) end
  i = i + 5 + count
end
redis.call('HSETNX', KEYS[5], 'first', ARGV[3])
redis.call('HSET', KEYS[5], 'last', last)
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

# KEYS head, lines, times, late, ends, index…   ARGV expected, head, floor, number…
CUT = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
for i = 4, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[i])
  redis.call('ZREM', KEYS[3], ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[3])
for i = 6, #KEYS do redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', ARGV[3]) end
redis.call('HSET', KEYS[5], 'first', ARGV[3] + 1)
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""

Bounded = Callable[[], AbstractAsyncContextManager[None]]


class RedisAudit:
    """Implements `AuditStore`. Each write is one script; a search reads page by page."""

    def __init__(self, client: Redis, prefix: str, bounded: Bounded) -> None:
        """`bounded` holds what happens inside to the store's time limit and errors."""
        self._client = client
        self._bounded = bounded
        self._base = f"{prefix}:{{audit}}"
        self._head, self._lines = f"{self._base}:head", f"{self._base}:lines"
        self._times, self._late = f"{self._base}:times", f"{self._base}:late"
        self._span = f"{self._base}:ends"
        self._fixed = (self._head, self._lines, self._times, self._late, self._span)
        self._append = Script(client, APPEND)
        self._cut = Script(client, CUT)

    async def head(self) -> str | None:
        """Return the head record."""
        async with self._bounded():
            record = cast("bytes | None", await self._client.get(self._head))
        return record.decode() if record is not None else None

    async def append(self, expected: str | None, rows: Sequence[AuditRow], head: str) -> bool:
        """Add the rows if the head is the expected one."""
        keys = [*self._fixed]
        places: dict[str, int] = {}
        values: list[str | int | float] = [expected or "", head]
        for row in rows:
            indexes = self._indexes_of(row)
            for index in indexes:
                if index not in places:
                    keys.append(index)
                    places[index] = len(keys)
            values += (row.seq, row.time, int(row.late), row.line, len(indexes), *(places[key] for key in indexes))
        async with self._bounded():
            return bool(await self._append(keys, values))

    async def cut(self, expected: str, rows: Sequence[AuditRow], head: str) -> bool:
        """Remove the rows if the head is the expected one."""
        indexes = {index for row in rows for index in self._indexes_of(row)}
        numbers = [row.seq for row in rows]
        async with self._bounded():
            done = await self._cut(
                [*self._fixed, *indexes],
                [expected, head, max(numbers, default=0), *numbers],
            )
        return bool(done)

    async def find(self, query: AuditQuery) -> Found:
        """Follow the shortest index that the query has, or all lines, from the newest on."""
        give_up_at = time.monotonic() + _PATIENCE
        top, bottom = await self._bounds(query)
        lead = await self._shortest(query)
        needles, folded = query.needles(), query.folded_needle()
        found: list[tuple[int, str]] = []
        while top > bottom:
            numbers = await self._below(lead, top, bottom)
            if not numbers:
                break
            for seq, line in zip(numbers, await self._fetch(numbers), strict=True):
                if line is None or not all(needle in line for needle in needles):
                    continue
                if folded is not None and folded not in line.lower():
                    continue
                if len(found) == query.limit:
                    return Found(tuple(text for _, text in found), found[-1][0])
                found.append((seq, line.decode()))
            top = numbers[-1]
            if time.monotonic() > give_up_at:
                return Found(tuple(text for _, text in found), top)
        return Found(tuple(text for _, text in found), None)

    async def read(self, after: int, limit: int) -> list[str]:
        """Return the lines above `after`."""
        first, last = await self._ends()
        low = max(after + 1, first)
        lines: list[str] = []
        while low <= last and len(lines) < limit:
            numbers = range(low, min(last + 1, low + min(_PAGE, limit - len(lines))))
            lines += [line.decode() for line in await self._fetch(numbers) if line is not None]
            low = numbers[-1] + 1
        return lines

    async def close(self) -> None:
        """The connections are the store's."""

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────

    def _index(self, field: str, value: str) -> str:
        return f"{self._base}:by:{field}:{hashlib.sha256(value.encode()).hexdigest()[:32]}"

    def _indexes_of(self, row: AuditRow) -> list[str]:
        values = ((name, getattr(row, name)) for name in _INDEXED)
        indexes = [self._index(name, value) for name, value in values if value is not None]
        family, dot, _ = row.event.partition(".")
        return [*indexes, self._index(_FAMILY, family)] if dot else indexes

    async def _shortest(self, query: AuditQuery) -> str | None:
        asked = [self._index(name, value) for name, value in query.exact() if name in _INDEXED]
        if query.event_prefix is not None and query.event_prefix.count(".") == 1:
            asked.append(self._index(_FAMILY, query.event_prefix[:-1]))
        if not asked:
            return None
        async with self._bounded(), self._client.pipeline(transaction=False) as pipe:
            for index in asked:
                pipe.zcard(index)
            sizes = cast("list[int]", await pipe.execute())
        return min(zip(sizes, asked, strict=True))[1]

    async def _below(self, index: str | None, top: int, bottom: int) -> Sequence[int]:
        if index is None:
            return range(top - 1, max(bottom, top - _PAGE) - 1, -1)
        async with self._bounded():
            found = cast("list[bytes]", await self._client.zrevrangebyscore(index, f"({top}", bottom, 0, _PAGE))
        return [int(seq) for seq in found]

    async def _fetch(self, numbers: Iterable[int]) -> list[bytes | None]:
        async with self._bounded():
            lines = await self._client.hmget(self._lines, [str(seq) for seq in numbers])
        return cast("list[bytes | None]", lines)

    async def _bounds(self, query: AuditQuery) -> tuple[int, int]:
        """Return between which numbers every fitting line is: below the one, from the other on."""
        first, last = await self._ends()
        top, bottom = last + 1, first
        if query.before is not None:
            top = min(top, query.before)
        async with self._bounded():
            # Lines in order are at most SLACK seconds older than any before them: see `audit_records.SLACK`.
            if query.since is not None:
                limit = f"({query.since - SLACK}"
                older = cast("list[bytes]", await self._client.zrevrangebyscore(self._times, limit, "-inf", 0, 1))
                bottom = max(bottom, int(older[0]) + 1) if older else bottom
            if query.until is not None:
                limit = f"({query.until + SLACK}"
                newer = cast("list[bytes]", await self._client.zrangebyscore(self._times, limit, "+inf", 0, 1))
                if newer and not await self._client.zcount(self._late, int(newer[0]), "+inf"):
                    top = min(top, int(newer[0]))
        return top, bottom

    async def _ends(self) -> tuple[int, int]:
        """Return the numbers of the first line and of the last one; 1 and 0 when there is none."""
        async with self._bounded():
            first, last = await self._client.hmget(self._span, ["first", "last"])
        return int(first or 1), int(last or 0)
