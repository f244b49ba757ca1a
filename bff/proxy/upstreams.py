"""Every route's upstream: finds an address and a line, sends, tries again where that is safe, streams the answer.

A call is repeated once at most, only while nothing of an answer has come, and only when it may be: no error of a
line's tells whether the upstream has read the request (RFC 9110 §9.2.2).
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Any

from bff.errors import RouteNotFound, UpstreamTimeout, UpstreamUnreachable
from bff.events import Emit
from bff.proxy.backends import Backend, Backends
from bff.proxy.checks import Checks
from bff.proxy.health import AddressHealth
from bff.proxy.http1_line import http1_line_builder
from bff.proxy.lines import BuildLine, Line, LineAnswer, Pool
from bff.proxy.reqwest_line import http2_line_builder
from bff.proxy.routes import Route
from bff.proxy.service import Address, url_of
from bff.proxy.timed import Deadline, TimedAnswer, Times, UploadAnswer, WatchedUpload, line_patience
from bff.proxy.upstream import Body, ConnectTimeout, Headers, UpstreamResponse

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 §9.2.1
_IDEMPOTENT = _SAFE | {"PUT", "DELETE"}  # §9.2.2
_REPEATABLE = {"safe": _SAFE, "idempotent": _IDEMPOTENT, "never": frozenset[str]()}


class Upstreams:
    """See `bff.proxy.upstream.Upstream`. One for all routes of a worker."""

    def __init__(self, routes: Sequence[Route], emit: Emit, clock: Callable[[], float] = monotonic) -> None:
        """Raise `ValueError` when a route's certificates cannot be used."""
        self._emit = emit
        self._clock = clock
        self._carriers = {route.path: self._build(route) for route in routes if route.addresses}
        self._checks = [
            Checks(route, self._carriers[route.path].backends, emit)
            for route in routes
            if route.service.health.path is not None and len(route.addresses) > 1
        ]
        self._running: list[asyncio.Task[None]] = []

    def open(
        self, route: Route, method: str, target: str, headers: Headers, body: Body
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """See `Upstream.open`."""
        if (carrier := self._carriers.get(route.path)) is None:
            raise RouteNotFound("A gateway in front of this server carries the calls of this route.")
        return _Exchange(carrier, method, target, headers, body)

    def start(self) -> None:
        """See `Upstream.start`."""
        loop = asyncio.get_running_loop()
        self._running += [loop.create_task(checks.run(), name="check-upstreams") for checks in self._checks]

    async def close(self) -> None:
        """See `Upstream.close`."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        for carrier in self._carriers.values():
            for backend in carrier.backends.each:
                await backend.pool.close()

    def pools(self) -> Iterator[tuple[str, str, Pool]]:
        """Return each pool with its route and the name of its address."""
        for route, carrier in self._carriers.items():
            for backend in carrier.backends.each:
                yield route, backend.address.name, backend.pool

    def _build(self, route: Route) -> "_Carrier":
        each = [self._build_backend(route, address) for address in route.addresses]
        return _Carrier(route, Backends(route, each, self._clock, self._emit))

    def _build_backend(self, route: Route, address: Address) -> Backend:
        service = route.service
        build_lines: Callable[[Route, Address], BuildLine] = (
            http2_line_builder if service.http2 else http1_line_builder
        )
        build = build_lines(route, address)
        pool = Pool(build, service.max_connections, service.pool_timeout, line_patience(route))
        return Backend(address, url_of(address, service.tls), pool, AddressHealth(service.health))


class _Carrier:
    """What is worked out once for each route."""

    __slots__ = ("backends", "repeatable", "silence", "times")

    def __init__(self, route: Route, backends: Backends) -> None:
        self.backends = backends
        self.repeatable = _REPEATABLE[route.service.retry]
        self.silence = line_patience(route)
        self.times = Times.of(route)


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_answer", "_backend", "_body", "_carrier", "_deadline", "_headers", "_line", "_method", "_target",
        "_was_fresh",
    )  # fmt: skip

    def __init__(self, carrier: _Carrier, method: str, target: str, headers: Headers, body: Body) -> None:
        if body == b"":
            headers = [*headers, ("content-length", "0")]  # lines leave it out; some servers answer 411 then
        self._carrier = carrier
        self._method = method
        self._target = target
        self._headers = headers
        self._body = body

    _answer: LineAnswer
    _backend: Backend
    _deadline: Deadline | None
    _line: Line
    _was_fresh: bool

    def __aenter__(self) -> Coroutine[Any, Any, UpstreamResponse]:
        carrier = self._carrier
        backend = carrier.backends.only
        if backend is None:
            backend = carrier.backends.choose(may_fail=self._may_repeat()) or carrier.backends.each[0]
        self._deadline = Deadline(carrier.times) if carrier.times is not None else None
        return self._attempt(backend)

    async def __aexit__(self, *_details: object) -> None:
        try:
            await self._answer.close()
        finally:
            self._backend.pool.give_back(self._line)

    async def _attempt(self, backend: Backend, *, is_first: bool = True) -> UpstreamResponse:
        body = self._body
        upload = None if body is None or isinstance(body, bytes) else WatchedUpload(body)
        is_upload = upload is not None
        pool, deadline = backend.pool, self._deadline
        line = pool.take(upload=is_upload) or await pool.wait(upload=is_upload)
        self._backend, self._line, self._was_fresh = backend, line, line.is_fresh
        try:
            sent = body if upload is None else upload.pieces()
            sending = line.send(self._method, backend.url + self._target, self._headers, sent)
            answer = await (sending if deadline is None else deadline.head(sending, upload=is_upload))
            if answer.status < 200:  # RFC 9110 §15.2.2: a protocol that nobody asked for
                await answer.close()
                raise UpstreamUnreachable
        except (UpstreamUnreachable, UpstreamTimeout) as error:
            if deadline is not None and isinstance(error, UpstreamTimeout):
                pool.discard(line)  # the timeout may be ours alone, and the line does not know of it
            else:
                pool.give_back(line)
            if upload is None or not upload.broke:
                self._carrier.backends.failed(backend, error)
            second = self._second(backend, error) if is_first else None
            if second is None:
                raise
        except BaseException:  # nobody waits for the answer any more
            pool.discard(line)
            raise
        else:
            self._carrier.backends.answered(backend)
            self._answer = answer = (
                answer if upload is None else UploadAnswer(answer, upload.moved_at, self._carrier.silence)
            )
            return answer if deadline is None else TimedAnswer(answer, deadline)
        return await self._attempt(second, is_first=False)

    def _may_repeat(self) -> bool:
        return not self._body and self._method in self._carrier.repeatable

    def _second(self, first: Backend, error: UpstreamUnreachable | UpstreamTimeout) -> Backend | None:
        """Where to try again: elsewhere, or on the only address, where a connection may have gone stale unseen."""
        if not self._may_repeat() or (isinstance(error, UpstreamTimeout) and not isinstance(error, ConnectTimeout)):
            return None
        if self._carrier.backends.only is None:
            return self._carrier.backends.choose(may_fail=True, tried=(first,))
        return first if not self._was_fresh and not isinstance(error, ConnectTimeout) else None
