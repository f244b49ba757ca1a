"""One request under way, however many wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs `work` once for all who join while it runs. One of them being cancelled does not stop it."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self._task is not None and not self._task.done()

    def begin(self) -> asyncio.Task[T]:
        """Start it if it is not under way; whoever wants the result can await the task through a shield."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
            self._task.add_done_callback(_look_at_failure)
        return self._task

    async def join(self) -> T:
        """Return its result, or raise what it raises."""
        return await asyncio.shield(self.begin())

    async def cancel(self) -> None:
        """Stop it."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> T:
        return await self._work()


def _look_at_failure(task: asyncio.Task[T]) -> None:
    """Count a failure as seen even when everybody who waited for it has left: `work` has told about it itself."""
    if not task.cancelled():
        task.exception()
