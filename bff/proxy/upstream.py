"""The upstream client: pyreqwest behind a small protocol. The only module that knows it.

Everything it would do by itself is switched off: a proxy follows no redirect, decodes no body, keeps no cookie,
sends no referrer and asks no environment for proxies.

One thing it cannot do (0.15): break off a request whose answer has not begun. Cancelling the task only ends the
waiting; the connection is closed when the answer begins or the read timeout is over. So every client has one.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol, Self

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PoolTimeoutError, RequestError, RequestTimeoutError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.routes import Route

MAX_CONNECTIONS = 1024  # to one route's upstream: a slow one exhausts its own pool and nobody else's
_POOL_WAIT = timedelta(seconds=2)
_IDLE = timedelta(seconds=30)
_LONGEST_UPLOAD = timedelta(hours=1)  # from the first byte up to the first byte of the answer
Body = bytes | AsyncIterator[bytes] | None


class UpstreamResponse(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: list[tuple[bytes, bytes]]

    async def read(self) -> bytes | None:
        """Return the next chunk as it came, None at the end; raises what `Upstream.open` raises."""
        ...


class Upstream(Protocol):
    """Sends one request and streams the answer."""

    def open(
        self, route: Route, method: str, url: str, headers: list[tuple[str, str]], body: Body
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """Send.

        Raises:
            UpstreamUnreachable: no connection, or it broke.
            UpstreamTimeout: no answer, or no further byte, within the route's timeout.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...


class PyreqwestUpstream:
    """One pool a route."""

    def __init__(self, routes: list[Route]) -> None:
        self._clients = {route.path: _build_client(route, timedelta(seconds=route.timeout)) for route in routes}
        # The client's read timeout runs while a body is still being sent; uploads are timed by the sender, who
        # knows how they get on.
        self._uploaders = {route.path: _build_client(route, _LONGEST_UPLOAD) for route in routes}

    def open(
        self, route: Route, method: str, url: str, headers: list[tuple[str, str]], body: Body
    ) -> AbstractAsyncContextManager[UpstreamResponse]:
        """See `Upstream.open`."""
        if body is None or isinstance(body, bytes):
            if body == b"":
                headers.append(("content-length", "0"))  # left out by the client; some servers answer 411 then
            builder = self._clients[route.path].request(method, url).headers(headers)
            if body:
                builder = builder.body_bytes(body)
        else:
            builder = self._uploaders[route.path].request(method, url).headers(headers).body_stream(body)
        # Without this the first 64 KiB are awaited before anything is handed on: events would hang.
        return _Exchange(builder.streamed_read_buffer_limit(0).build_streamed())

    async def close(self) -> None:
        """See `Upstream.close`."""
        for client in (*self._clients.values(), *self._uploaders.values()):
            await client.close()


class _Exchange:
    """One request; translates the client's errors, whose classes are coarse, at this edge."""

    __slots__ = ("_request", "_response", "headers", "status")

    def __init__(self, request: StreamRequest) -> None:
        self._request = request

    status: int
    headers: list[tuple[bytes, bytes]]
    _response: Response

    async def __aenter__(self) -> Self:
        try:
            response = await self._request.__aenter__()
        except RequestError as error:
            raise _translate(error) from error
        self._response = response
        self.status = response.status
        if self.status < 200:  # RFC 9110 §15.2.2: a protocol that nobody asked for
            await self._request.__aexit__(None, None, None)
            raise UpstreamUnreachable
        self.headers = _read_headers(response)
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._request.__aexit__(*details)

    async def read(self) -> bytes | None:
        try:
            chunk = await self._response.body_reader.read_chunk()
        except RequestError as error:
            raise _translate(error) from error
        return None if chunk is None else bytes(chunk)


def _read_headers(response: Response) -> list[tuple[bytes, bytes]]:
    try:
        return [(name.encode(), value.encode()) for name, value in response.headers.items()]
    except ValueError:  # one value is not ASCII, which the client cannot hand out; keep the others
        found: list[tuple[bytes, bytes]] = []
        for name in dict.fromkeys(response.headers.keys()):
            try:
                found.extend((name.encode(), value.encode()) for value in response.get_header_all(name))
            except ValueError:
                continue
        return found


def _translate(error: RequestError) -> UpstreamUnreachable | UpstreamTimeout:
    if isinstance(error, PoolTimeoutError):
        return UpstreamUnreachable("All connections to this API are in use.", retry_after=1)
    if isinstance(error, RequestTimeoutError):
        return UpstreamTimeout()
    return UpstreamUnreachable()


def _build_client(route: Route, read_timeout: timedelta) -> Client:
    return (
        ClientBuilder()
        .follow_redirects(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .referer(False)
        .no_proxy()
        .user_agent("bff")
        .http1_lower_case_headers()
        .connect_timeout(timedelta(seconds=route.connect_timeout))
        .pool_idle_timeout(_IDLE)
        .pool_timeout(_POOL_WAIT)
        .read_timeout(read_timeout)
        .max_connections(MAX_CONNECTIONS)
        .build()
    )
