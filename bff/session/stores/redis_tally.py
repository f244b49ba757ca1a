"""The tally in Redis or Valkey: a hash for each stretch of time, removed by Redis itself after its end."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from bff.session.tally import KEPT_FOR, Slot, start_of

GRACE = 60.0  # seconds that garbage stays, for callers whose clocks are behind

Bounded = Callable[[], AbstractAsyncContextManager[None]]


class RedisTally:
    """Implements `Tally`. `bounded` holds what happens inside to the store's time limit and errors."""

    def __init__(self, client: Redis, prefix: str, bounded: Bounded) -> None:
        self._client = client
        self._prefix = prefix
        self._bounded = bounded

    async def add(self, counts: Mapping[Slot, int], now: float) -> None:
        """Add to what is there."""
        async with self._writing(counts, now) as pipe:
            for slot, count in counts.items():
                pipe.hincrby(self._key(slot.width, slot.start), slot.name, count)

    async def note(self, levels: Mapping[Slot, int], now: float) -> None:
        """Put in the place of what is there."""
        async with self._writing(levels, now) as pipe:
            for slot, level in levels.items():
                pipe.hset(self._key(slot.width, slot.start), slot.name, level)

    async def read(self, width: int, since: float, now: float) -> dict[Slot, int]:
        """Return what is there."""
        first = max(-(-since // width) * width, start_of(width, now - KEPT_FOR[width]) + width)
        starts = range(int(first), int(now) + 1, width)
        async with self._bounded(), self._client.pipeline(transaction=False) as pipe:
            for start in starts:
                pipe.hgetall(self._key(width, start))
            answers = await pipe.execute()
        return {
            Slot(width, start, name.decode()): int(number)
            for start, answer in zip(starts, answers, strict=True)
            for name, number in answer.items()
        }

    async def purge(self, now: float) -> None:
        """Nothing to do: what is written has its end."""

    @asynccontextmanager
    async def _writing(self, numbers: Mapping[Slot, int], now: float) -> AsyncIterator[Any]:
        """Send what is put in, and after it how long each hash has still to live."""
        async with self._bounded(), self._client.pipeline(transaction=False) as pipe:
            yield pipe
            for width, start in {(slot.width, slot.start) for slot in numbers}:
                lives_for = max(0.0, start + KEPT_FOR[width] - now + GRACE)
                pipe.pexpire(self._key(width, start), int(lives_for * 1000))
            await pipe.execute()

    def _key(self, width: int, start: int) -> str:
        return f"{self._prefix}:tally:{{{width}:{start}}}"
