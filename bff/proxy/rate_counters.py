"""Where rates are counted, by the `limits` library: over a window that slides, in Redis or in a worker's memory.

A Redis that is away is never waited for: the worker counts by itself until it is back. This module is loaded only
where a rate is configured, for the library takes a tenth of a second to load.
"""

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qsl, urlencode

from cachetools import LRUCache
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from bff.events import Emit
from bff.proxy.limits import Hit
from bff.session.stores.redis_records import FAULTS
from bff.session.stores.redis_servers import Servers, connect

_PATIENCE = 0.25  # seconds that a request waits for Redis to count it
_AWAY = 5.0  # seconds that a Redis which failed is left alone
_COUNTERS = 100_000  # in one worker's memory; the longest unused go first


class WorkerCounters(MemoryStorage):
    """The library's storage in memory, with a bound.

    Its own looks through every counter after each hit, to find those that are over: with many addresses that would
    cost more than the requests themselves.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counters: LRUCache[str, tuple[int, float]] = LRUCache(_COUNTERS)

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count; `expiry` is seconds from the first count on."""
        count, expires_at = self._counters.get(key, (0, 0.0))
        now = time.time()
        count, expires_at = (count + amount, expires_at) if expires_at > now else (amount, now + expiry)
        self._counters[key] = count, expires_at
        return count

    async def decr(self, key: str, amount: int = 1) -> int:
        """Count back."""
        count, expires_at = self._counters.get(key, (0, 0.0))
        self._counters[key] = max(count - amount, 0), expires_at
        return max(count - amount, 0)

    async def get(self, key: str) -> int:
        """Return the count."""
        count, expires_at = self._counters.get(key, (0, 0.0))
        return count if expires_at > time.time() else 0


class SharedCounters(RedisStorage):
    """The library's storage in Redis, on connections made as the session store makes its own."""

    def __init__(self, servers: Servers, prefix: str) -> None:
        self.servers = servers
        # The library wants an address to choose its code by; it does not connect to it.
        super().__init__(
            "async+redis://127.0.0.1:6379",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix=f"{prefix}:limits",
        )

    def configure_bridge(self) -> None:
        """Have the library use our client."""
        self.bridge.storage = self.servers.client  # type: ignore[attr-defined] # redis-py's
        self.bridge.connection_getter = lambda _: self.servers.client  # type: ignore[attr-defined]

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What the library is to take for a fault of the storage."""
        return FAULTS


class Counters:
    """Where hits are counted: in Redis while it answers, in memory otherwise."""

    def __init__(
        self, shared: SharedCounters | None, emit: Emit, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = SlidingWindowCounterRateLimiter(WorkerCounters())
        self._redis = shared
        self._shared = SlidingWindowCounterRateLimiter(shared) if shared is not None else None
        self._emit = emit
        self._clock = clock
        self._away_until = -math.inf
        self._is_away = False

    def limit(self, name: str, amount: int, seconds: int) -> Hit:
        """Return what counts the requests of one limit, by key."""
        return partial(self._count, RateLimitItemPerSecond(amount, seconds, name))

    async def _count(self, item: RateLimitItem, key: str) -> float | None:
        if self._shared is not None and self._clock() >= self._away_until:
            try:
                async with asyncio.timeout(_PATIENCE):
                    wait = await _hit(self._shared, item, key)
            except (StorageError, TimeoutError, OSError) as error:
                self._lose(error)
            else:
                if self._is_away:
                    self._is_away = False
                    self._emit("limits.shared_again", {})
                return wait
        return await _hit(self._own, item, key)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._redis is not None:
            await self._redis.servers.close()

    def _lose(self, error: Exception) -> None:
        self._away_until = self._clock() + _AWAY
        if not self._is_away:
            self._is_away = True
            cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ is not None else error
            self._emit("limits.storage_unavailable", {"error": type(cause).__name__})


def open_redis(store: str, timeout: float) -> SharedCounters | None:
    """Return the Redis of this session store as a place to count in; None for stores of another kind.

    `timeout` is seconds for any single call.
    """
    if store.startswith(("memory:", "sqlite:")):
        return None
    address, _, query = store.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    prefix = options.pop("prefix", "bff")  # ours, which redis-py does not know
    return SharedCounters(connect(f"{address}?{urlencode(options)}", timeout), prefix)


async def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: str) -> float | None:
    if await limiter.hit(item, key):
        return None
    stats = await limiter.get_window_stats(item, key)
    return max(0.0, stats.reset_time - time.time())
