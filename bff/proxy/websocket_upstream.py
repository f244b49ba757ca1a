"""The upstream's half of an open socket, and what comes of it."""

import asyncio

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bff.proxy.closing import TOO_BIG, Close, close_from_upstream

Data = str | bytes
CLOSING = 2.0  # seconds that an upstream has to answer a close


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
            async with asyncio.timeout(CLOSING):
                if close.code is not None:
                    await connection.close(close.code, close.reason)
                else:
                    async with connection.send_context():
                        connection.protocol.send_close()
        except (TimeoutError, ConnectionClosed):
            connection.transport.abort()


def _reason(closed: ConnectionClosed) -> Close:
    if closed.rcvd is not None:
        return close_from_upstream(closed.rcvd.code, closed.rcvd.reason)
    if closed.sent is not None and closed.sent.code == TOO_BIG.code:
        return TOO_BIG
    return close_from_upstream(None, "")
