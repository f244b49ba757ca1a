"""Documents in Redis or Valkey.

A collection lies in sixteen shards by the first four bits of the key, each on one hash tag, so that a cluster
spreads it and pages still come in the order of the keys. A shard has:

<shard>:<key>   the document, a hash that Redis removes by itself some time after its end
<shard>:keys    sorted set: the keys in their order     <shard>:ends    sorted set: the keys by their end
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from redis.asyncio import Redis

from bff.session.documents import Document
from bff.session.stores.redis_script_call import Script

GRACE = 60.0  # seconds that garbage stays, for callers whose clocks are behind
AT_ONCE = 16  # writes under way at the same time
PAGE = 100  # documents read in one round trip
FIELDS = ("version", "sealed", "updated_at", "expires_at")

# KEYS document, keys, ends   ARGV key, version, now, milliseconds to live, sealed, updated at, expires at
WRITE = """
local old = redis.call('HMGET', KEYS[1], 'version', 'expires_at')
local version = 0
if old[1] and tonumber(old[2]) > tonumber(ARGV[3]) then version = tonumber(old[1]) end
if version ~= tonumber(ARGV[2]) - 1 then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'sealed', ARGV[5], 'updated_at', ARGV[6], 'expires_at', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[7], ARGV[1])
return 1
"""

# KEYS document, keys, ends   ARGV key
REMOVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('DEL', KEYS[1])
"""

# KEYS keys, ends, document…   ARGV now, key…
PURGE = """
local removed = 0
for i = 3, #KEYS do
  local key, ends = ARGV[i - 1], redis.call('HGET', KEYS[i], 'expires_at')
  if ends and tonumber(ends) > tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[2], ends, key)
  else
    redis.call('DEL', KEYS[i])
    redis.call('ZREM', KEYS[1], key)
    redis.call('ZREM', KEYS[2], key)
    removed = removed + 1
  end
end
return removed
"""

Bounded = Callable[[], AbstractAsyncContextManager[None]]


class RedisDocuments:
    """Implements `Documents`. `bounded` holds what happens inside to the store's time limit and errors."""

    def __init__(self, client: Redis, prefix: str, bounded: Bounded) -> None:
        self._client = client
        self._prefix = prefix
        self._bounded = bounded
        self._shards = f"{prefix}:documents"
        self._known: set[str] = set()
        self._write = Script(client, WRITE)
        self._remove = Script(client, REMOVE)
        self._purge = Script(client, PURGE)

    async def read(self, collection: str, keys: Sequence[bytes], now: float) -> dict[bytes, Document]:
        """Return those that are there."""
        found: dict[bytes, Document] = {}
        async with self._bounded():
            for start in range(0, len(keys), PAGE):
                documents = await self._fetch(collection, keys[start : start + PAGE], now)
                found.update((document.key, document) for document in documents)
        return found

    async def write(self, collection: str, documents: Sequence[Document], now: float) -> set[bytes]:
        """Write each whose turn it is."""
        written: set[bytes] = set()
        async with self._bounded():
            await self._enter({self._shard(collection, document.key) for document in documents})
            for start in range(0, len(documents), AT_ONCE):
                batch = documents[start : start + AT_ONCE]
                answers = await asyncio.gather(*(self._write_one(collection, each, now) for each in batch))
                written.update(each.key for each, done in zip(batch, answers, strict=True) if done)
        return written

    async def page(self, collection: str, now: float, *, after: bytes = b"", limit: int = 100) -> list[Document]:
        """Return what follows `after`."""
        found: list[Document] = []
        async with self._bounded():
            for shard in self._shards_from(collection, after):
                last = after
                while len(found) < limit:
                    keys = await self._keys_of(shard, last, min(PAGE, limit - len(found)))
                    found += await self._fetch(collection, keys, now)
                    if not keys:
                        break
                    last = keys[-1]
        return found

    async def remove(self, collection: str, key: bytes) -> bool:
        """Remove one."""
        async with self._bounded():
            return bool(await self._remove(self._keys(collection, key), [key]))

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end."""
        removed = 0
        async with self._bounded():
            shards = cast("set[bytes]", await cast("Any", self._client.smembers(self._shards)))
            for shard in sorted(name.decode() for name in shards):
                while removed < limit:
                    size = min(PAGE, limit - removed)
                    ended = await self._client.zrangebyscore(f"{shard}:ends", "-inf", now, 0, size)
                    keys = cast("list[bytes]", ended)
                    if not keys:
                        break
                    rows = [f"{shard}:{key.hex()}" for key in keys]
                    removed += await self._purge([f"{shard}:keys", f"{shard}:ends", *rows], [now, *keys])
        return removed

    async def _write_one(self, collection: str, document: Document, now: float) -> bool:
        lives_for = max(1, int((document.expires_at - now + GRACE) * 1000))
        arguments: list[bytes | int | float] = [document.key, document.version, now, lives_for]
        arguments += (document.sealed, document.updated_at, document.expires_at)
        return bool(await self._write(self._keys(collection, document.key), arguments))

    async def _enter(self, shards: set[str]) -> None:
        """Have the purge know of these shards, before anything lies in them."""
        if new := shards - self._known:
            await cast("Any", self._client.sadd(self._shards, *sorted(new)))
            self._known |= new

    async def _keys_of(self, shard: str, after: bytes, size: int) -> list[bytes]:
        first = b"(" + after if after else b"-"
        return cast("list[bytes]", await self._client.zrangebylex(f"{shard}:keys", first, b"+", 0, size))

    async def _fetch(self, collection: str, keys: Sequence[bytes], now: float) -> list[Document]:
        if not keys:
            return []
        async with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(self._keys(collection, key)[0], FIELDS)
            answers = await pipe.execute()
        found = []
        for key, (version, sealed, updated_at, expires_at) in zip(keys, answers, strict=True):
            if version is not None and now < float(expires_at):
                found.append(Document(key, int(version), sealed, float(updated_at), float(expires_at)))
        return found

    def _shards_from(self, collection: str, after: bytes) -> Iterator[str]:
        for number in range(after[0] >> 4 if after else 0, 16):
            yield self._named(collection, number)

    def _keys(self, collection: str, key: bytes) -> list[str]:
        shard = self._shard(collection, key)
        return [f"{shard}:{key.hex()}", f"{shard}:keys", f"{shard}:ends"]

    def _shard(self, collection: str, key: bytes) -> str:
        return self._named(collection, key[0] >> 4)

    def _named(self, collection: str, number: int) -> str:
        return f"{self._prefix}:d:{{{collection}:{number:x}}}"
