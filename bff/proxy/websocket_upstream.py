"""The upstream's half of a socket. The only module that knows the `websockets` client.

What it would do by itself is switched off: no redirect is followed (the token would go along), no environment is
asked for proxies, nothing is compressed, and nothing is logged, for a handshake's headers hold the token.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.call import Call
from bff.proxy.closing import TOO_BIG, Close, close_from_upstream
from bff.proxy.routes import SocketRules

Data = str | bytes
_PING = 20.0  # seconds between pings; an upstream that answers none for as long is gone
_CLOSING = 2.0  # seconds that an upstream has to answer a close
_WRITE_LIMIT = 64 * 1024  # bytes that wait for a slow upstream before the browser is read no further
_SILENT = logging.getLogger("bff.proxy.websocket_upstream")
_SILENT.disabled = True


class UpstreamClosed(Exception):
    """The upstream is gone; `close` is what the browser may be told of it."""

    def __init__(self, close: Close) -> None:
        self.close = close
        super().__init__(close.reason)


class UpstreamRefused(Exception):
    """The upstream answered the handshake with something else than a socket."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        super().__init__(str(status))


class UpstreamSocket:
    """An open socket to an upstream."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @property
    def subprotocol(self) -> str | None:
        """What the upstream chose of the browser's offer."""
        return self._connection.subprotocol

    async def receive(self) -> Data:
        """Return the next whole message; raises `UpstreamClosed`."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise UpstreamClosed(_reason(closed)) from None

    async def send(self, data: Data) -> None:
        """Send a message once the upstream has taken the ones before; raises `UpstreamClosed`."""
        try:
            await self._connection.send(data)
        except ConnectionClosed as closed:
            raise UpstreamClosed(_reason(closed)) from None

    async def close(self, close: Close) -> None:
        """Close in good order if the upstream plays along in time, else cut."""
        connection = self._connection
        try:
            async with asyncio.timeout(_CLOSING):
                if close.code is not None:
                    await connection.close(close.code, close.reason)
                else:
                    async with connection.send_context():
                        connection.protocol.send_close()
        except (TimeoutError, ConnectionClosed):
            connection.transport.abort()


async def dial(
    call: Call, rules: SocketRules, query: bytes, headers: Sequence[tuple[str, str]], subprotocols: Sequence[str]
) -> UpstreamSocket:
    """Open a socket to the call's upstream.

    Raises:
        UpstreamUnreachable: no connection, or what answers there speaks no WebSocket.
        UpstreamTimeout: no answer within the route's timeout.
        UpstreamRefused: another answer than a socket.
    """
    route = call.route
    protocol = ClientProtocol(
        _uri(route.upstream, call.rest, query.decode("latin-1")),
        subprotocols=[Subprotocol(name) for name in subprotocols] or None,
        max_size=rules.max_message,
        logger=_SILENT,
    )

    def build() -> ClientConnection:
        return ClientConnection(
            protocol,
            ping_interval=_PING,
            ping_timeout=_PING,
            close_timeout=_CLOSING,
            max_queue=rules.max_queue,
            write_limit=_WRITE_LIMIT,
        )

    uri = protocol.uri
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(route.connect_timeout):
            _, connection = await loop.create_connection(
                build, uri.host, uri.port, ssl=_trusting() if uri.secure else None
            )
    except OSError as error:  # a timeout as well: as for requests, a host that is silent is one that is away
        raise UpstreamUnreachable from error
    try:
        async with asyncio.timeout(route.timeout):
            await connection.handshake(headers, user_agent_header="bff")
    except InvalidStatus as refused:
        connection.transport.abort()
        answer = refused.response
        raised = [(name.lower().encode(), value.encode()) for name, value in answer.headers.raw_items()]
        raise UpstreamRefused(answer.status_code, raised, bytes(answer.body)) from None
    except TimeoutError as error:
        connection.transport.abort()
        raise UpstreamTimeout from error
    except (InvalidHandshake, InvalidMessage, ConnectionClosed, OSError) as error:
        connection.transport.abort()
        raise UpstreamUnreachable from error
    except BaseException:
        connection.transport.abort()
        raise
    connection.start_keepalive()
    return UpstreamSocket(connection)


def _uri(upstream: str, rest: str, query: str) -> WebSocketURI:
    """Return the target byte for byte: whoever parses and joins addresses would change some."""
    parts = urlsplit(upstream)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    return WebSocketURI(secure, parts.hostname or "", port, parts.path + rest, query)


@lru_cache(1)
def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(closed: ConnectionClosed) -> Close:
    if closed.rcvd is not None:
        return close_from_upstream(closed.rcvd.code, closed.rcvd.reason)
    if closed.sent is not None and closed.sent.code == TOO_BIG.code:
        return TOO_BIG
    return close_from_upstream(None, "")
