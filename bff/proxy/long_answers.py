"""Answers that take longer than a moment, as calls that stay open: streams of events, downloads, long polls."""

import asyncio
from collections.abc import Callable
from typing import Any

from bff.proxy.call import Call
from bff.proxy.closing import Ending

EVENTS_GRACE = 1.0  # seconds that a stream of events goes on after the worker began to drain
QUIET_GRACE = 2.0  # seconds without a byte after which any other answer of unknown length is given up then


class Flow:
    """How an answer comes down, when it is large or nobody knows how large it is."""

    __slots__ = ("is_bounded", "is_events", "moved")

    def __init__(self, *, is_events: bool, is_bounded: bool) -> None:
        self.is_events = is_events
        self.is_bounded = is_bounded  # its length is known: it ends by itself
        self.moved = False  # since this was last looked at


class LongAnswer:
    """One call whose answer is waited for, or on its way."""

    __slots__ = ("_cancel", "_flow_of", "_quiet_since", "_task", "_used", "call")

    def __init__(
        self,
        task: asyncio.Task[Any],
        call: Call,
        flow_of: Callable[[asyncio.Task[Any]], Flow | None],
        cancel: Callable[[asyncio.Task[Any], Ending], None],
    ) -> None:
        self.call = call
        self._task = task
        self._flow_of = flow_of
        self._cancel = cancel
        self._used = False
        self._quiet_since: float | None = None

    @property
    def kind(self) -> str:
        """See `OpenCall.kind`: what has not been answered, or is nearly done, is none."""
        flow = self._flow_of(self._task)
        if flow is None:
            return ""
        return "events" if flow.is_events else "answer"

    def end(self, why: Ending) -> None:
        """Cut it."""
        self._cancel(self._task, why)

    def take_use(self) -> bool:
        """A download that goes on is use, for somebody asked for it; that a server pushes events is none."""
        used, self._used = self._used, False
        return used

    def tick(self, draining_for: float | None) -> None:
        """Note what moves; while the worker drains, cut what would not end by itself."""
        flow = self._flow_of(self._task)
        if flow is None:  # not answered yet, or nearly done
            return
        moved, flow.moved = flow.moved, False
        self._used = self._used or (moved and not flow.is_events)
        if draining_for is None or flow.is_bounded:
            return
        if moved or self._quiet_since is None:
            self._quiet_since = draining_for
        if flow.is_events:
            is_over = draining_for >= EVENTS_GRACE
        else:
            is_over = draining_for - self._quiet_since >= QUIET_GRACE
        if is_over:
            self.end(Ending.DRAINING)
