"""Requests, timed: how long each took, and how much of that the upstream did. On the path of every request.

What a request adds is a few additions in memory: measured at below 2 µs.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
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

FILES = "(app)"  # what stands for the route of the app's files, and of its dev server
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUS = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")  # none: nobody was left to answer, or nothing could be


class _Timing:
    """One request on its way."""

    __slots__ = ("began", "head_at", "status", "upstream")

    def __init__(self) -> None:
        self.began = perf_counter()
        self.head_at = 0.0
        self.status = 0
        self.upstream = 0.0  # seconds


_TIMING: ContextVar[_Timing | None] = ContextVar("timing", default=None)


class _RouteNumbers:
    """The series of one route."""

    __slots__ = ("_metrics", "_own", "_requests", "_route", "_upstream", "_whole")

    def __init__(self, metrics: Metrics, route: str) -> None:
        self._route = route
        self._metrics = metrics
        self._requests: dict[tuple[str, int], int] = {}
        self._whole = metrics.histogram(catalog.REQUEST_SECONDS, route)
        self._own = metrics.histogram(catalog.OWN_SECONDS, route)
        self._upstream: Histogram | None = None  # of what never calls one, there is none

    def note(self, method: str, timing: _Timing) -> None:
        """Count a request that is over."""
        at = (method if method in _METHODS else "other", timing.status // 100)
        requests = self._requests
        requests[at] = requests.get(at, 0) + 1
        self._whole.observe(perf_counter() - timing.began)
        if timing.head_at:
            self._own.observe(timing.head_at - timing.began - timing.upstream)
        if timing.upstream:
            if self._upstream is None:
                self._upstream = self._metrics.histogram(catalog.UPSTREAM_SECONDS, self._route)
            self._upstream.observe(timing.upstream)

    def read(self) -> Iterator[Reading]:
        """Return the requests by route, method and status, so far."""
        for (method, status), count in self._requests.items():
            yield catalog.REQUESTS, (self._route, method, _STATUS[min(status, 5)]), count


class MeasuredRequests:
    """Wraps what serves requests."""

    def __init__(self, metrics: Metrics, prefix: str, endpoints: Collection[str]) -> None:
        """Take the paths below `prefix` that are counted on their own."""
        self._metrics = metrics
        self._under_way = 0
        self._routes: dict[str, _RouteNumbers] = {}
        self._prefix = prefix.encode("ascii")
        self._endpoints = {(prefix + name).encode("ascii"): self._route(prefix + name) for name in endpoints}
        self._rest = self._route(prefix + "/*")
        self._files = self._route(FILES)
        metrics.counted_elsewhere.append(self._read)
        metrics.levels.append(lambda: [(catalog.IN_PROGRESS, (), self._under_way)])

    def carried(self, carry: Carry) -> Carry:
        """Return the same for API routes, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send, route: Route, rest: str) -> None:
            timing = _Timing()
            _TIMING.set(timing)
            self._under_way += 1
            try:
                await carry(scope, receive, _watched(send, timing), route, rest)
            finally:
                self._under_way -= 1
                (self._routes.get(route.path) or self._route(route.path)).note(scope["method"], timing)

        return measured

    def served(self, serve: Serve) -> Serve:
        """Return the same for everything that is no API route, measured."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            timing = _Timing()
            _TIMING.set(timing)
            self._under_way += 1
            try:
                await serve(scope, receive, _watched(send, timing))
            finally:
                self._under_way -= 1
                self._named(scope["raw_path"]).note(scope["method"], timing)

        return measured

    def _named(self, path: bytes) -> _RouteNumbers:
        found = self._endpoints.get(path)
        if found is not None:
            return found
        return self._rest if path.startswith(self._prefix + b"/") else self._files

    def _route(self, name: str) -> _RouteNumbers:
        found = self._routes[name] = self._routes.get(name) or _RouteNumbers(self._metrics, name)
        return found

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


def _watched(send: Send, timing: _Timing) -> Send:
    def watched(message: Message) -> Awaitable[None]:
        if not timing.status and message["type"] == "http.response.start":
            timing.head_at = perf_counter()
            timing.status = message["status"]
        return send(message)

    return watched
