"""The moments of one request, for whoever measures requests. Seconds of `perf_counter`."""

from time import perf_counter
from typing import Protocol

from bff.proxy.routes import Route


class Timing:
    """One request on its way. Noting a moment is all that is done while it is."""

    __slots__ = ("_asked_at", "began", "ended", "head_at", "method", "status", "upstream")

    def __init__(self, method: str) -> None:
        self.method = method
        self.status = 0  # nobody was left to answer, or nothing could be
        self.upstream = 0.0  # how long the upstream let wait for the heads of its answers
        self._asked_at = 0.0
        self.began = perf_counter()

    ended: float
    head_at: float  # when the answer began; there with a status only

    def ask(self) -> None:
        """The upstream is asked."""
        self._asked_at = perf_counter()

    def hear(self) -> None:
        """It has answered, or never will."""
        if self._asked_at:
            self.upstream += perf_counter() - self._asked_at
            self._asked_at = 0.0

    def answer(self, status: int) -> None:
        """The browser is answered."""
        if not self.status:
            self.status = status
            self.head_at = perf_counter()

    def end(self) -> None:
        """It is over."""
        self.hear()
        self.ended = perf_counter()


class Meter(Protocol):
    """Takes the timings of requests to routes."""

    under_way: int

    def note(self, route: Route, timing: Timing) -> None:
        """Take one that is over."""
        ...


class Unmeasured:
    """Implements `Meter` where nobody wants to know."""

    under_way = 0

    def note(self, route: Route, timing: Timing) -> None:
        """See `Meter.note`."""


UNTIMED = Timing("")  # of calls that are no requests to routes
