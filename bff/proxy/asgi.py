"""The shapes of ASGI 3.0, and noticing that the browser has gone."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PATIENCE = 0.05  # seconds; most calls are answered sooner and never pay for the watching
_Call = asyncio.Task[Any]


class Hangups:
    """Cancels the task of a call whose browser has gone away, so that the call to the upstream ends as well.

    The server does not cancel handlers by itself; somebody has to wait for `http.disconnect`. That costs a task, so
    only calls that take longer than a moment are watched: one timer looks for them, for all calls of the worker.
    """

    def __init__(self) -> None:
        self._young: dict[_Call, Receive] = {}  # begun since the last tick
        self._old: dict[_Call, Receive] = {}  # begun before it; watched from the next one on
        self._watchers: dict[_Call, asyncio.Task[None]] = {}
        self._gone: set[_Call] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking = False

    def current(self) -> _Call:
        """Return the running task, to be handed to the other methods."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        call = asyncio.current_task(self._loop)
        if call is None:
            raise RuntimeError("a call is served by a task")
        return call

    def watch(self, call: _Call, receive: Receive) -> None:
        """Begin; only once the request's body has been read, for the watching reads on."""
        self._young[call] = receive
        if not self._ticking:
            self._tick_later()

    def is_gone(self, call: _Call) -> bool:
        """Whether it was a hang-up that cancelled this call."""
        return call in self._gone

    def stop(self, call: _Call) -> None:
        """Watch no more."""
        if self._young.pop(call, None) is not None or self._old.pop(call, None) is not None:
            return
        self._gone.discard(call)
        if (watcher := self._watchers.pop(call, None)) is not None:
            watcher.cancel()

    def _tick_later(self) -> None:
        self._ticking = True
        asyncio.get_running_loop().call_later(_PATIENCE, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        late, self._old, self._young = self._old, self._young, {}
        for call, receive in late.items():
            watcher = asyncio.get_running_loop().create_task(self._wait(call, receive), name="watch-hangup")
            self._watchers[call] = watcher
        if self._old:
            self._tick_later()

    async def _wait(self, call: _Call, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone.add(call)
        call.cancel()
