"""Noticing that the browser has gone, or that a call may not go on."""

import asyncio
from typing import Any

from bff.proxy.asgi import Receive
from bff.proxy.call import Call
from bff.proxy.closing import Ending
from bff.proxy.long_answers import Flow, LongAnswer
from bff.proxy.streams import OpenCalls

_PATIENCE = 0.05  # seconds; most calls are answered sooner and never pay for the watching
_Call = asyncio.Task[Any]


class Hangups:
    """Cancels the task of a call whose browser has gone away, so that the call to the upstream ends as well.

    The server does not cancel handlers by itself; somebody has to wait for `http.disconnect`. That costs a task, so
    only calls that take longer than a moment are watched: one timer looks for them, for all calls of the worker.
    The same calls are those that their session's end may overtake: they are told to `opened`.
    """

    def __init__(self, opened: OpenCalls | None = None) -> None:
        self._opened = opened
        self._young: dict[_Call, tuple[Receive, Call | None]] = {}  # begun since the last tick
        self._old: dict[_Call, tuple[Receive, Call | None]] = {}  # begun before it; watched from the next one on
        self._watchers: dict[_Call, asyncio.Task[None]] = {}
        self._answers: dict[_Call, LongAnswer] = {}
        self._flows: dict[_Call, Flow] = {}
        self._gone: set[_Call] = set()
        self._endings: dict[_Call, Ending] = {}
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

    def watch(self, call: _Call, receive: Receive, what: Call | None = None) -> None:
        """Begin; only once the request's body has been read, for the watching reads on."""
        self._young[call] = receive, what
        if not self._ticking:
            self._tick_later()

    def look_after(self, call: _Call, what: Call) -> None:
        """Let its session's end overtake a call whose body is still on its way, which cannot be watched yet."""
        if self._opened is not None:
            answer = self._answers[call] = LongAnswer(call, what, self._flows.get, self._end)
            self._opened.add(answer)

    def flows(self, call: _Call, flow: Flow) -> None:
        """Note that its answer is on the way, and how."""
        self._flows[call] = flow

    def is_gone(self, call: _Call) -> bool:
        """Whether it was a hang-up that cancelled this call."""
        return call in self._gone

    def ending(self, call: _Call) -> Ending | None:
        """Why we have cancelled this call ourselves, if we have."""
        return self._endings.get(call)

    def stop(self, call: _Call) -> None:
        """Watch no more."""
        if self._flows:
            self._flows.pop(call, None)
        is_unwatched = self._young.pop(call, None) is not None or self._old.pop(call, None) is not None
        if is_unwatched and call not in self._answers:
            return
        self._gone.discard(call)
        self._endings.pop(call, None)
        if (watcher := self._watchers.pop(call, None)) is not None:
            watcher.cancel()
        if self._opened is not None and (answer := self._answers.pop(call, None)) is not None:
            self._opened.discard(answer)

    def _tick_later(self) -> None:
        self._ticking = True
        asyncio.get_running_loop().call_later(_PATIENCE, self._tick)

    def _tick(self) -> None:
        self._ticking = False
        late, self._old, self._young = self._old, self._young, {}
        for call, (receive, what) in late.items():
            watcher = asyncio.get_running_loop().create_task(self._wait(call, receive), name="watch-hangup")
            self._watchers[call] = watcher
            if what is not None and call not in self._answers:
                self.look_after(call, what)
        if self._old:
            self._tick_later()

    async def _wait(self, call: _Call, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if call not in self._endings:
            self._gone.add(call)
            call.cancel()

    def _end(self, call: _Call, why: Ending) -> None:
        if call not in self._endings and call not in self._gone:
            self._endings[call] = why
            call.cancel()
