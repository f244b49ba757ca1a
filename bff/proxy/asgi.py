"""The shapes of ASGI 3.0, and noticing that the browser has gone."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATIENCE = 0.05  # seconds; most calls are answered sooner and never pay for the watching


class Hangup:
    """Cancels the request's task when the browser goes away, so that the upstream call ends as well.

    The server does not cancel handlers by itself; somebody has to wait for `http.disconnect`.
    """

    __slots__ = ("_owner", "_receive", "_timer", "_watcher", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._owner = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False

    def watch(self) -> None:
        """Begin; only once the request's body has been read, for the watching reads on."""
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._start)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _start(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._wait(), name="watch-hangup")

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._owner is not None:
            self._owner.cancel()
