"""Requests, timed: how long each took, and how much of that the upstream did. On the path of every request.

A request notes a few moments; adding up comes later, many requests at once. `make bench` tells what it costs.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from bff.errors import BffError
from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import Histogram, Metrics, Reading
from bff.proxy.asgi import Message, Receive, Scope, Send
from bff.proxy.call import Carry
from bff.proxy.routes import Route
from bff.proxy.upstream import Body, Headers, Upstream, UpstreamResponse

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]

_AT_ONCE = 500  # requests of a route
FILES = "(app)"  # what stands for the route of the app's files, and of its dev server
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUS = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")  # none: nobody was left to answer, or nothing could be


class _Timing:
    """One request on its way."""

    __slots__ = ("_send", "began", "ended", "head_at", "method", "status", "upstream")

    def __init__(self, send: Send) -> None:
        self._send: Send | None = send
        self.status = 0
        self.upstream = 0.0  # seconds
        self.began = perf_counter()

    ended: float
    head_at: float
    method: str

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on what is answered, and note when that begins."""
        if not self.status and message["type"] == "http.response.start":
            self.head_at = perf_counter()
            self.status = message["status"]
        return self._send(message)  # type: ignore[misc]  # there until the end

    def end(self, method: str) -> None:
        """It is over."""
        self.ended = perf_counter()
        self.method = method
        self._send = None


_TIMING: ContextVar[_Timing | None] = ContextVar("timing", default=None)


class _RouteNumbers:
    """The series of one route."""

    __slots__ = ("_metrics", "_own", "_requests", "_route", "_upstream", "_waiting", "_whole")

    def __init__(self, metrics: Metrics, route: str) -> None:
        self._route = route
        self._metrics = metrics
        self._requests: dict[tuple[str, int], int] = {}
        self._waiting: list[_Timing] = []
        self._whole = metrics.histogram(catalog.REQUEST_SECONDS, route)
        self._own = metrics.histogram(catalog.OWN_SECONDS, route)
        self._upstream: Histogram | None = None  # of what never calls one, there is none

    def note(self, timing: _Timing) -> None:
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
    """Wraps what serves requests."""

    def __init__(self, metrics: Metrics, prefix: str, endpoints: Collection[str]) -> None:
        """Take the paths below `prefix` that are counted on their own."""
        self._metrics = metrics
        self._under_way = 0
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

    def carried(self, carry: Carry) -> Carry:
        """Return the same for API routes, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send, route: Route, rest: str) -> None:
            timing = _Timing(send)
            _TIMING.set(timing)
            self._under_way += 1
            try:
                await carry(scope, receive, timing.send, route, rest)
            finally:
                self._under_way -= 1
                timing.end(scope["method"])
                (self._routes.get(route.path) or self._route(route.path)).note(timing)

        return measured

    def served(self, serve: Serve) -> Serve:
        """Return the same for everything that is no API route, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            timing = _Timing(send)
            _TIMING.set(timing)
            listens = scope["raw_path"] == self._events_path
            self._under_way += 1
            self._pages += listens
            try:
                await serve(scope, receive, timing.send)
            finally:
                self._under_way -= 1
                self._pages -= listens
                timing.end(scope["method"])
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
        yield catalog.IN_PROGRESS, (), self._under_way
        yield catalog.OPEN_STREAMS, ("page",), self._pages

    def _read(self) -> Iterator[Reading]:
        for route in self._routes.values():
            yield from route.read()


class MeasuredUpstream:
    """Implements `Upstream`."""

    def __init__(self, upstream: Upstream, metrics: Metrics) -> None:
        self._upstream = upstream
        self._metrics = metrics

    def open(
        self, route: Route, method: str, target: str, headers: Headers, body: Body
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """See `Upstream.open`."""
        return _MeasuredExchange(self._upstream.open(route, method, target, headers, body), route, self._metrics)

    def start(self) -> None:
        """See `Upstream.start`."""
        self._upstream.start()

    async def close(self) -> None:
        """See `Upstream.close`."""
        await self._upstream.close()


class _MeasuredExchange:
    __slots__ = ("_exchange", "_metrics", "_route")

    def __init__(
        self, exchange: AbstractAsyncContextManager[UpstreamResponse], route: Route, metrics: Metrics
    ) -> None:
        self._exchange = exchange
        self._route = route
        self._metrics = metrics

    async def __aenter__(self) -> UpstreamResponse:
        began = perf_counter()
        try:
            return await self._exchange.__aenter__()
        except BffError as error:
            self._metrics.count(catalog.UPSTREAM_ERRORS, self._route.path, error.code)
            raise
        finally:
            timing = _TIMING.get()
            if timing is not None:
                timing.upstream += perf_counter() - began

    def __aexit__(self, *details: Any) -> Coroutine[Any, Any, bool | None]:
        return self._exchange.__aexit__(*details)  # handed on as it is: one step less to wait through
