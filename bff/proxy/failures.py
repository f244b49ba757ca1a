"""Calls that got no answer out of their upstream, told so that the log names the API that is away, and no more."""

import time
from collections import defaultdict
from collections.abc import Callable

from bff.events import Emit
from bff.proxy.routes import Route

_TOLD_EVERY = 10.0  # seconds, for each route and kind; an API that is away fails every call


class Failures:
    """Tells of the first at once, and then now and then of how many there were."""

    def __init__(self, emit: Emit, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._told_at: dict[tuple[str, str], float] = {}
        self._untold: dict[tuple[str, str], int] = {}
        self.counts: defaultdict[tuple[str, str], int] = defaultdict(int)  # by route and code, since the start

    def note(self, route: Route, code: str, request_id: str) -> None:
        """Take note of one; `code` is that of the answer that the browser gets."""
        key, now = (route.path, code), self._clock()
        self.counts[key] += 1
        calls = self._untold.pop(key, 0) + 1
        told_at = self._told_at.get(key)
        if told_at is not None and now < told_at + _TOLD_EVERY:
            self._untold[key] = calls
            return
        self._told_at[key] = now
        self._emit(
            "upstream.failed",
            {
                "route": route.path,
                "upstream": ", ".join(address.name for address in route.addresses),
                "code": code,
                "calls": calls,
                "request_id": request_id,
            },
        )
