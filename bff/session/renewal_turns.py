"""How many renewals one worker has under way: a bounded number, and whose tokens end first goes first.

Sessions that began together would otherwise all ask the issuer together. Renewals begin long before tokens expire,
so most can wait without anybody noticing; a request that waits for one has tokens that end before all others.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """At most `most` at a time; any number with None."""

    def __init__(self, most: int | None) -> None:
        self._free = most
        self._queue: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(not turn.done() for _, _, turn in self._queue)

    @asynccontextmanager
    async def turn(self, expires_at: float) -> AsyncIterator[None]:
        """Wait for a turn and hold it; whoever has the least `expires_at` (epoch seconds) is next."""
        if self._free is None:
            yield
            return
        await self._take(expires_at)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, expires_at: float) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._number += 1
        heapq.heappush(self._queue, (expires_at, self._number, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given to us in the moment in which we left
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._queue:
            *_, turn = heapq.heappop(self._queue)
            if not turn.done():  # who waited may have been cancelled
                turn.set_result(None)
                return
        self._free = (self._free or 0) + 1
