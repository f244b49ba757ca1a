"""How long calls may take: the one timeout that a line keeps by itself, and those beyond it.

The latter (up to the first byte, in all) cost a timer each, so that only routes that ask for them have them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from bff.errors import UpstreamTimeout
from bff.proxy.lines import LineAnswer
from bff.proxy.routes import Route

LONGEST_UPLOAD = 3600.0  # seconds from the first byte up to the first byte of the answer
T = TypeVar("T")


def line_patience(route: Route, *, upload: bool = False) -> float:
    """Return the seconds that a line of this route waits for each sign of life of the upstream's.

    While a body is still being sent, its sender, who knows how that gets on, keeps the time.
    """
    patience = max(route.timeout, route.service.idle_timeout or route.timeout)
    return max(LONGEST_UPLOAD, patience) if upload else patience


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: up to the first byte of the answer, between two, and in all; None for what the line keeps."""

    first: float | None
    idle: float | None
    total: float | None

    @classmethod
    def of(cls, route: Route) -> "Times | None":
        """Return what the line, which knows the longer of `timeout` and `idle_timeout` alone, does not keep."""
        service = route.service
        idle = service.idle_timeout or route.timeout
        if idle == route.timeout and service.total_timeout is None:
            return None
        return cls(
            first=route.timeout if route.timeout < idle else None,
            idle=idle if idle < route.timeout else None,
            total=service.total_timeout,
        )


class Deadline:
    """When a call must be over, by the loop's clock."""

    __slots__ = ("_at", "_times")

    def __init__(self, times: Times) -> None:
        self._times = times
        self._at = asyncio.get_running_loop().time() + times.total if times.total is not None else None

    async def head(self, send: Coroutine[Any, Any, T], *, upload: bool) -> T:
        """Wait for the head of an answer; raise `UpstreamTimeout`. Uploads are timed by their sender."""
        return await self._within(None if upload else self._times.first, send)

    async def chunk(self, read: Coroutine[Any, Any, T]) -> T:
        """Wait for a part of its body; raise `UpstreamTimeout`."""
        return await self._within(self._times.idle, read)

    async def _within(self, seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
        until = self._at
        if seconds is not None:
            soon = asyncio.get_running_loop().time() + seconds
            until = soon if until is None else min(until, soon)
        try:
            async with asyncio.timeout_at(until):
                return await work
        except TimeoutError as error:
            raise UpstreamTimeout from error


class WatchedUpload:
    """A body on its way, which knows whether it was the body that broke, and when it moved last."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._time = asyncio.get_running_loop().time
        self._handed_at: float | None = None  # when the upstream was given what it has not taken yet, or the end
        self.broke = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what the upstream is to take."""
        try:
            async for piece in self._body:
                self._handed_at = self._time()
                yield piece
                self._handed_at = None
        except BaseException:
            self.broke = True
            raise
        finally:
            self._handed_at = self._time()

    def moved_at(self) -> float:
        """Return when the upstream's silence began, by the loop's clock: now, while the browser is waited for."""
        return self._time() if self._handed_at is None else self._handed_at


class UploadAnswer:
    """An answer that may begin before its request has ended, and be silent as long as that goes on.

    The line of an upload waits for an hour, for it cannot tell the upstream's silence from the browser's. See
    `bff.proxy.upstream.UpstreamResponse`.
    """

    __slots__ = ("_answer", "_moved_at", "_silence", "_timer", "headers", "status")

    _timer: asyncio.TimerHandle

    def __init__(self, answer: LineAnswer, moved_at: Callable[[], float], silence: float) -> None:
        """Take the seconds of silence after which it is given up."""
        self._answer = answer
        self._moved_at = moved_at
        self._silence = silence
        self.status = answer.status
        self.headers = answer.headers

    def whole(self) -> bytes | None:
        """See `UpstreamResponse.whole`."""
        return self._answer.whole()

    async def read(self) -> bytes | None:
        """See `UpstreamResponse.read`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as deadline:
                began = loop.time()
                self._timer = loop.call_at(began + self._silence, self._look, deadline, began)
                return await self._answer.read()
        except TimeoutError as error:
            raise UpstreamTimeout from error
        finally:
            self._timer.cancel()

    def _look(self, deadline: asyncio.Timeout, began: float) -> None:
        loop = asyncio.get_running_loop()
        due = max(began, self._moved_at()) + self._silence
        if due > loop.time():
            self._timer = loop.call_at(due, self._look, deadline, began)
        else:
            deadline.reschedule(due)

    async def close(self) -> None:
        """See `LineAnswer.close`."""
        await self._answer.close()


class TimedAnswer:
    """An answer whose parts must come in time. See `bff.proxy.upstream.UpstreamResponse`."""

    __slots__ = ("_answer", "_deadline", "headers", "status")

    def __init__(self, answer: LineAnswer, deadline: Deadline) -> None:
        self._answer = answer
        self._deadline = deadline
        self.status = answer.status
        self.headers = answer.headers

    def whole(self) -> bytes | None:
        """See `UpstreamResponse.whole`."""
        return self._answer.whole()

    async def read(self) -> bytes | None:
        """See `UpstreamResponse.read`."""
        return await self._deadline.chunk(self._answer.read())
