"""Lines over unix sockets, by httpcore, which the usual client cannot open. The only module that knows it.

It costs some times as much CPU as the usual one, and can break off a call wherever it is.
"""

from collections.abc import AsyncIterator, Callable
from typing import cast

import httpcore

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.routes import Route
from bff.proxy.service import Address
from bff.proxy.upstream import Body, ConnectTimeout, Headers

_IDLE = 30.0  # seconds
_UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, OSError)


class SocketLine:
    """See `bff.proxy.lines.Line`."""

    __slots__ = ("_pool", "_timeouts", "is_fresh", "is_upload")

    def __init__(self, socket: str, timeouts: dict[str, float], *, is_upload: bool) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            uds=socket, max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE, retries=0
        )
        self._timeouts = timeouts
        self.is_upload = is_upload
        self.is_fresh = True

    async def send(self, method: str, url: str, headers: Headers, body: Body) -> "SocketAnswer":
        """See `Line.send`."""
        self.is_fresh = False
        target = httpcore.URL(url)
        # Space around a value is none of it (RFC 9110 §5.5); HTTP/2 can carry some, and h11 refuses to write it.
        sent = [(name.encode("latin-1"), value.strip(" \t").encode()) for name, value in headers]
        known = {name for name, _ in sent}
        sent.insert(0, (b"host", target.host))
        if isinstance(body, bytes) and body:
            sent.append((b"content-length", b"%d" % len(body)))
        elif body and b"content-length" not in known:
            sent.append((b"transfer-encoding", b"chunked"))
        if b"user-agent" not in known:
            sent.append((b"user-agent", b"bff"))
        request = httpcore.Request(
            method, target, headers=sent, content=body or None, extensions={"timeout": self._timeouts}
        )
        try:
            return SocketAnswer(await self._pool.handle_async_request(request))
        except httpcore.ConnectTimeout as error:
            raise ConnectTimeout from error
        except httpcore.TimeoutException as error:
            raise UpstreamTimeout from error
        except _UNREACHABLE as error:
            raise UpstreamUnreachable from error

    def cut(self) -> bool:
        """See `Line.cut`: cancelling has done it."""
        return True

    async def close(self) -> None:
        """See `Line.close`."""
        await self._pool.aclose()


class SocketAnswer:
    """See `bff.proxy.lines.LineAnswer`."""

    __slots__ = ("_chunks", "_response", "headers", "status")

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response
        self._chunks: AsyncIterator[bytes] = cast("AsyncIterator[bytes]", response.stream).__aiter__()
        self.status = response.status
        self.headers = [(name.lower(), value) for name, value in response.headers]

    async def read(self) -> bytes | None:
        """See `UpstreamResponse.read`."""
        try:
            return await anext(self._chunks, None)
        except httpcore.TimeoutException as error:
            raise UpstreamTimeout from error
        except _UNREACHABLE as error:
            raise UpstreamUnreachable from error

    async def close(self) -> None:
        """See `LineAnswer.close`."""
        await self._response.aclose()


def socket_line_builder(route: Route, address: Address) -> Callable[[bool], SocketLine]:
    """Return what builds lines to a unix socket."""
    if address.socket is None:
        raise ValueError("this address is no socket")
    socket = address.socket
    patience = max(route.timeout, route.service.idle_timeout or route.timeout)
    timeouts = {"connect": route.connect_timeout, "read": patience, "write": patience, "pool": 0.0}

    def build(upload: bool) -> SocketLine:
        return SocketLine(socket, timeouts, is_upload=upload)

    return build
