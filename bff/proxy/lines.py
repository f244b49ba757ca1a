"""A line carries one call at a time to one address; a pool has so many of them, and no more."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from bff.errors import UpstreamBusy
from bff.proxy.upstream import Body, Headers, UpstreamResponse

_TRIM_EVERY = 256  # calls after which lines that none of them needed are let go of


class LineAnswer(UpstreamResponse, Protocol):
    """An answer that holds its line until it is closed."""

    async def close(self) -> None:
        """End it, wherever it is."""
        ...


class Line(Protocol):
    """A connection, or what makes one when it is needed."""

    is_upload: bool  # for bodies that stream, and take their time

    @property
    def is_fresh(self) -> bool:
        """Whether it would make a new connection, so that none can be stale."""
        ...

    async def send(self, method: str, url: str, headers: Headers, body: Body) -> LineAnswer:
        """Send, and wait for the head of the answer; raises what `Upstream.open` raises."""
        ...

    def cut(self) -> bool:
        """Break off a call that `send` was cancelled in; the line is of no use after that. False: it goes on."""
        ...

    async def close(self) -> None:
        """Let go of its connection."""
        ...


BuildLine = Callable[[bool], Line]  # for uploads?


class Pool:
    """The lines to one address."""

    def __init__(self, build: BuildLine, most: int, patience: float, longest: float = 30.0) -> None:
        """Take seconds: `patience` to wait for a line, `longest` that a call may wait for its answer."""
        self._build = build
        self._most = most
        self._patience = patience
        self._longest = longest
        self._lent = 0
        self._usual: list[Line] = []  # free; the last used one is the last
        self._uploads: list[Line] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._until_trim = _TRIM_EVERY
        self._unneeded = 0  # usual lines that have been free ever since the last trim

    @property
    def pending(self) -> int:
        """Calls under way, and calls that wait for a line."""
        return self._lent + len(self._waiting)

    @property
    def lent(self) -> int:
        """Lines that carry a call."""
        return self._lent

    @property
    def waiting(self) -> int:
        """Calls that wait for a line."""
        return len(self._waiting)

    @property
    def most(self) -> int:
        """The most lines there may be in use."""
        return self._most

    @property
    def is_full(self) -> bool:
        """Whether another call would have to wait."""
        return self._lent >= self._most

    def take(self, *, upload: bool) -> Line | None:
        """Return a line, None when all are in use."""
        if self._lent >= self._most or self._waiting:
            return None
        line = self._pick(upload=upload)
        self._lent += 1
        return line

    async def wait(self, *, upload: bool) -> Line:
        """Return a line as soon as one is free, in the order in which they are asked for.

        Raises:
            UpstreamBusy: it takes too long, or as many wait already as may call.
        """
        if len(self._waiting) >= self._most:
            raise UpstreamBusy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # both at once: the turn goes to the next one
                self._release()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise UpstreamBusy from error
            raise
        try:
            return self._pick(upload=upload)
        except BaseException:
            self._release()
            raise

    def give_back(self, line: Line) -> None:
        """It has carried its call."""
        (self._uploads if line.is_upload else self._usual).append(line)
        self._until_trim -= 1
        if self._until_trim == 0:
            self._trim()
        self._release()

    def discard(self, line: Line) -> None:
        """Break its call off, and never use it again. A call that goes on keeps its place while it may."""
        if line.cut():
            self._release()
        else:
            asyncio.get_running_loop().call_later(self._longest, self._release)

    async def close(self) -> None:
        """Let go of all lines that nobody uses."""
        idle = [*self._usual, *self._uploads]
        self._usual.clear()
        self._uploads.clear()
        for line in idle:
            await line.close()

    def _pick(self, *, upload: bool) -> Line:
        free = self._uploads if upload else self._usual
        if not free:
            self._unneeded = 0
            return self._build(upload)
        line = free.pop()
        if not upload and len(free) < self._unneeded:
            self._unneeded = len(free)
        return line

    def _trim(self) -> None:
        del self._usual[: self._unneeded]
        self._until_trim, self._unneeded = _TRIM_EVERY, len(self._usual)

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._lent -= 1
