"""Requests, timed: how long each took, and how much of that the upstream did. On the path of every request.

A request notes a few moments; adding up comes later, many requests at once. `make bench` tells what it costs.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator

from bff.http.methods import USUAL
from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import Histogram, Metrics, Reading
from bff.proxy.asgi import Message, Receive, Scope, Send
from bff.proxy.routes import Route
from bff.proxy.timing import Timing

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]

_AT_ONCE = 500  # requests of a route
FILES = "(app)"  # what stands for the route of the app's files, and of its dev server
_METHODS = frozenset(USUAL)
_STATUS = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")  # none: nobody was left to answer, or nothing could be


class _Served(Timing):
    """One that no route serves: what is answered is seen as it passes."""

    __slots__ = ("_send",)

    def __init__(self, method: str, send: Send) -> None:
        super().__init__(method)
        self._send: Send | None = send

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on what is answered, and note when that begins."""
        if message["type"] == "http.response.start":
            self.answer(message["status"])
        return self._send(message)  # type: ignore[misc]  # there until the end

    def end(self) -> None:
        super().end()
        self._send = None


class _RouteNumbers:
    """The series of one route."""

    __slots__ = ("_metrics", "_own", "_requests", "_route", "_upstream", "_waiting", "_whole")

    def __init__(self, metrics: Metrics, route: str) -> None:
        self._route = route
        self._metrics = metrics
        self._requests: dict[tuple[str, int], int] = {}
        self._waiting: list[Timing] = []
        self._whole = metrics.histogram(catalog.REQUEST_SECONDS, route)
        self._own = metrics.histogram(catalog.OWN_SECONDS, route)
        self._upstream: Histogram | None = None  # of what never calls one, there is none

    def note(self, timing: Timing) -> None:
        """Take a request that is over. Many are counted at once: that takes half as long."""
        waiting = self._waiting
        waiting.append(timing)
        if len(waiting) >= _AT_ONCE:
            self._count()

    def _count(self) -> None:
        requests, whole, own = self._requests, self._whole.observe, self._own.observe
        for timing in self._waiting:
            method, status = timing.method, timing.status
            at = (method if method in _METHODS else "other", status // 100)
            if at not in requests:
                self.begin_at_nought(at[0])
            requests[at] = requests.get(at, 0) + 1
            whole(timing.ended - timing.began)
            if status:
                own(timing.head_at - timing.began - timing.upstream)
            if timing.upstream:
                if self._upstream is None:
                    self._upstream = self._metrics.histogram(catalog.UPSTREAM_SECONDS, self._route)
                self._upstream.observe(timing.upstream)
        self._waiting.clear()

    def begin_at_nought(self, method: str) -> None:
        """Have what a request of this method usually ends with be there before the first one does."""
        for status in (2, 3, 4, 5):
            self._requests.setdefault((method, status), 0)

    def read(self) -> Iterator[Reading]:
        """Return the requests by route, method and status; their times are in the histograms from now on."""
        self._count()
        for (method, status), count in self._requests.items():
            yield catalog.REQUESTS, (self._route, method, _STATUS[min(status, 5)]), count


class MeasuredRequests:
    """Takes the timings of requests to routes (see `Meter`), and wraps what serves all others."""

    def __init__(self, metrics: Metrics, prefix: str, endpoints: Collection[str]) -> None:
        """Take the paths below `prefix` that are counted on their own."""
        self._metrics = metrics
        self.under_way = 0
        self._pages = 0  # that listen to their session's events
        self._events_path = f"{prefix}/events".encode("ascii")
        self._routes: dict[str, _RouteNumbers] = {}
        self._prefix = prefix.encode("ascii")
        self._endpoints = {(prefix + name).encode("ascii"): self._route(prefix + name) for name in endpoints}
        self._rest = self._route(prefix + "/*")
        self._files = self._route(FILES)
        metrics.counted_elsewhere.append(self._read)
        metrics.levels.append(self._levels)

    def begin_at_nought(self, paths: Iterable[str]) -> None:
        """Have the usual ends of a request to each route, ours among them, be there before the first of them."""
        for path in paths:
            self._route(path)
        for route in self._routes.values():
            route.begin_at_nought("GET")

    def note(self, route: Route, timing: Timing) -> None:
        """See `Meter.note`."""
        (self._routes.get(route.path) or self._route(route.path)).note(timing)

    def served(self, serve: Serve) -> Serve:
        """Return the same for everything that is no API route, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            timing = _Served(scope["method"], send)
            listens = scope["raw_path"] == self._events_path
            self.under_way += 1
            self._pages += listens
            try:
                await serve(scope, receive, timing.send)
            finally:
                self.under_way -= 1
                self._pages -= listens
                timing.end()
                self._named(scope["raw_path"]).note(timing)

        return measured

    def _named(self, path: bytes) -> _RouteNumbers:
        found = self._endpoints.get(path)
        if found is not None:
            return found
        return self._rest if path.startswith(self._prefix + b"/") else self._files

    def _route(self, name: str) -> _RouteNumbers:
        found = self._routes[name] = self._routes.get(name) or _RouteNumbers(self._metrics, name)
        return found

    def _levels(self) -> Iterator[Reading]:
        yield catalog.IN_PROGRESS, (), self.under_way
        yield catalog.OPEN_STREAMS, ("page",), self._pages

    def _read(self) -> Iterator[Reading]:
        for route in self._routes.values():
            yield from route.read()
