"""How much anybody may ask: requests in a time, by session and by address, and requests under way.

Rates are counted over a window that slides (the `limits` library): in Redis for all workers and machines, or in
this worker's memory. A Redis that is away is never waited for: the worker counts by itself until it is back.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from cachetools import LRUCache
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from bff.errors import ServerBusy, TooManyRequests
from bff.events import Emit

_PATIENCE = 0.25  # seconds that a request waits for Redis to count it
_AWAY = 5.0  # seconds that a Redis which failed is left alone
_TOLD_EVERY = 10.0  # seconds; whoever is refused once is refused again
_COUNTERS = 100_000  # in one worker's memory; the longest unused go first
_UNKNOWN = "unknown"  # the address of whoever comes through a unix socket


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


class Counters:
    """Where hits are counted: in Redis while it answers, in memory otherwise."""

    def __init__(
        self, shared: RedisStorage | None, emit: Emit, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = SlidingWindowCounterRateLimiter(WorkerCounters())
        self._redis = shared
        self._shared = SlidingWindowCounterRateLimiter(shared) if shared is not None else None
        self._emit = emit
        self._clock = clock
        self._away_until = -math.inf
        self._is_away = False

    async def hit(self, item: RateLimitItem, key: str) -> float | None:
        """Count one; None when it is within the limit, else how many seconds to wait."""
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
            await self._redis.bridge.get_connection().aclose()  # type: ignore[attr-defined] # redis-py's client

    def _lose(self, error: Exception) -> None:
        self._away_until = self._clock() + _AWAY
        if not self._is_away:
            self._is_away = True
            cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ is not None else error
            self._emit("limits.storage_unavailable", {"error": type(cause).__name__})


class RateLimit:
    """So many requests in so many seconds for each key. The name is what clients see in RateLimit headers."""

    def __init__(
        self,
        name: str,
        amount: int,
        seconds: int,
        counters: Counters,
        emit: Emit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._item = RateLimitItemPerSecond(amount, seconds, name)
        self._policy = f'"{name}";q={amount};w={seconds}'
        self._counters = counters
        self._emit = emit
        self._clock = clock
        self._told_at = -math.inf
        self._refused = 0  # since it was told

    async def check(self, key: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: it is one too many; with the headers of draft-ietf-httpapi-ratelimit-headers-11.
        """
        wait = await self._counters.hit(self._item, key)
        if wait is None:
            return
        self._tell(key)
        seconds = max(1, math.ceil(wait))
        error = TooManyRequests(
            "Too many requests came in a short time. Wait as long as Retry-After says, and try again.",
            retry_after=seconds,
        )
        error.quota = f'"{self._name}";r=0;t={seconds}', self._policy
        raise error

    async def check_address(self, address: str) -> None:
        """Count one request of an address; an IPv6 network of one customer (/64) counts as one.

        Raises:
            TooManyRequests: see `check`.
        """
        if address != _UNKNOWN:
            await self.check(_network_of(address))

    def _tell(self, key: str) -> None:
        now = self._clock()
        self._refused += 1
        if now >= self._told_at + _TOLD_EVERY:
            self._emit("limits.reached", {"limit": self._name, "by": key, "refused": self._refused})
            self._told_at, self._refused = now, 0


class Crowd:
    """How many API calls are under way in this worker, in all and of each session."""

    def __init__(self, most: int | None, most_of_a_session: int | None) -> None:
        self._most = most
        self._most_of_a_session = most_of_a_session
        self._all = 0
        self._by_session: dict[str, int] = {}

    @contextmanager
    def place(self, session: str | None) -> Iterator[None]:
        """Hold a place while a call is under way; `session` is a handle, None for nobody's.

        Raises:
            ServerBusy: the worker has no place left.
            TooManyRequests: this session has none.
        """
        if self._most is not None and self._all >= self._most:
            raise ServerBusy
        mine = self._by_session.get(session, 0) if session is not None else 0
        if self._most_of_a_session is not None and mine >= self._most_of_a_session:
            raise TooManyRequests(retry_after=1)
        self._all += 1
        if session is not None:
            self._by_session[session] = mine + 1
        try:
            yield
        finally:
            self._all -= 1
            if session is not None:
                self._leave(session)

    def _leave(self, session: str) -> None:
        if (left := self._by_session[session] - 1) > 0:
            self._by_session[session] = left
        else:
            del self._by_session[session]


@dataclass(frozen=True, slots=True)
class Gate:
    """What an API call has to get past."""

    per_address: RateLimit | None = None
    per_session: RateLimit | None = None
    crowd: Crowd | None = None


OPEN_GATE = Gate()


async def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, key: str) -> float | None:
    if await limiter.hit(item, key):
        return None
    stats = await limiter.get_window_stats(item, key)
    return max(0.0, stats.reset_time - time.time())


def _network_of(address: str) -> str:
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
