"""Opening a socket at a route's upstream: which of its addresses, with what TLS, and the handshake."""

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.call import Call
from bff.proxy.routes import Route, SocketRules
from bff.proxy.service import Address, Tls
from bff.proxy.upstream_tls import build_tls_context
from bff.proxy.websocket_upstream import CLOSING, UpstreamRefused, UpstreamSocket

_PING = 20.0  # seconds between pings; an upstream that answers none for as long is gone
_WRITE_LIMIT = 64 * 1024  # bytes that wait for a slow upstream before the browser is read no further
_AVOIDED = 10.0  # seconds for which an address that could not be reached comes last
# The client would log the handshake's headers, and the token with them. Not one of the process's loggers, so that
# nobody's configuration of those lets this one speak.
_SILENT = logging.Logger("bff.proxy.websocket_dial", logging.CRITICAL + 1)  # noqa: LOG001


class Dialer:
    """Opens sockets for all routes of a worker: at the address with the fewest, at another if that is away.

    What the `websockets` client would do by itself is switched off: no redirect is followed (the token would go
    along), no environment is asked for proxies, nothing is compressed.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._open: Counter[Address] = Counter()
        self._away: dict[Address, float] = {}  # until when
        self._contexts: dict[str, ssl.SSLContext] = {}  # by route

    @asynccontextmanager
    async def socket(
        self,
        call: Call,
        rules: SocketRules,
        query: bytes,
        headers: Sequence[tuple[str, str]],
        subprotocols: Sequence[str],
    ) -> AsyncIterator[UpstreamSocket]:
        """Open a socket to the call's upstream.

        Raises:
            UpstreamUnreachable: no connection, or what answers there speaks no WebSocket.
            UpstreamTimeout: no answer within the route's timeout.
            UpstreamRefused: another answer than a socket.
        """
        address, connection = await self._connect(call, rules, query.decode("latin-1"), subprotocols)
        self._open[address] += 1
        try:
            await _shake_hands(connection, call.route, headers)
            yield UpstreamSocket(connection)
        finally:
            self._open[address] -= 1
            connection.transport.abort()  # if it is still there: whoever used it did not come to close it

    async def _connect(
        self, call: Call, rules: SocketRules, query: str, subprotocols: Sequence[str]
    ) -> tuple[Address, ClientConnection]:
        route, now = call.route, self._clock()
        for address in sorted(route.addresses, key=lambda each: self._rank(each, now)):
            protocol = ClientProtocol(
                _uri(address, route.service.tls, call.rest, query),
                subprotocols=[Subprotocol(name) for name in subprotocols] or None,
                max_size=rules.max_message,
                logger=_SILENT,
            )
            try:
                async with asyncio.timeout(route.connect_timeout):
                    return address, await self._reach(route, address, protocol, rules)
            except OSError:  # a timeout as well: as for requests, a host that is silent is one that is away
                self._away[address] = now + _AVOIDED
        raise UpstreamUnreachable

    def _rank(self, address: Address, now: float) -> tuple[bool, int]:
        return self._away.get(address, 0.0) > now, self._open[address]

    async def _reach(
        self, route: Route, address: Address, protocol: ClientProtocol, rules: SocketRules
    ) -> ClientConnection:
        def build() -> ClientConnection:
            return ClientConnection(
                protocol,
                ping_interval=_PING,
                ping_timeout=_PING,
                close_timeout=CLOSING,
                max_queue=rules.max_queue,
                write_limit=_WRITE_LIMIT,
            )

        loop = asyncio.get_running_loop()
        if address.socket is not None:
            _, connection = await loop.create_unix_connection(build, address.socket)
            return connection
        parts = urlsplit(address.url)
        secure = protocol.uri.secure
        _, connection = await loop.create_connection(
            build,
            parts.hostname or "",
            parts.port or (443 if secure else 80),
            ssl=self._context(route) if secure else None,
            server_hostname=protocol.uri.host if secure else None,
        )
        return connection

    def _context(self, route: Route) -> ssl.SSLContext:
        context = self._contexts.get(route.path)
        if context is None:
            context = self._contexts[route.path] = build_tls_context(route.service.tls)
        return context


async def _shake_hands(connection: ClientConnection, route: Route, sent: Sequence[tuple[str, str]]) -> None:
    try:
        async with asyncio.timeout(route.timeout):
            headers = [(name, _opaque(value)) for name, value in sent]
            await connection.handshake(headers, user_agent_header="bff")
    except InvalidStatus as refused:
        connection.transport.abort()
        answer = refused.response
        if answer.status_code < 200:  # RFC 9110 §15.2.2: a protocol that nobody asked for
            raise UpstreamUnreachable from None
        raised = [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers.raw_items()]
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


def _opaque(value: str) -> str:
    """Return a header's value for a client that writes Latin-1: the same bytes go out as for requests."""
    return value if value.isascii() else value.encode().decode("latin-1")


def _uri(address: Address, tls: Tls, rest: str, query: str) -> WebSocketURI:
    """Return the target byte for byte: whoever parses and joins addresses would change some."""
    parts = urlsplit(address.url)
    secure = parts.scheme == "https"
    host = tls.server_name if secure and tls.server_name is not None else parts.hostname or ""
    return WebSocketURI(secure, host, parts.port or (443 if secure else 80), parts.path + rest, query)
