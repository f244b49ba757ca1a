"""Lines that speak HTTP/1.1 over TCP, TLS and unix sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bff.errors import UpstreamUnreachable
from bff.http.addresses import DEFAULT_PORTS
from bff.proxy.http1_connection import Connection
from bff.proxy.http1_request import LAST_CHUNK, frame_chunk, write_head
from bff.proxy.routes import Route
from bff.proxy.service import Address, url_of
from bff.proxy.timed import line_patience
from bff.proxy.upstream import Body, ConnectTimeout, Headers
from bff.proxy.upstream_tls import build_tls_context

_CHUNKED = "transfer-encoding: chunked\r\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where connections are made to, and as whom the server is spoken to."""

    origin: str  # what every URL begins with: "http://orders.internal:9001"
    host: str  # the value of Host
    socket: str | None  # a unix socket, or
    address: tuple[str, int]  # the host to look up, and its port
    tls: ssl.SSLContext | None
    server_name: str | None  # that the certificate must have
    connect_timeout: float  # seconds


class Http1Line:
    """See `bff.proxy.lines.Line`."""

    __slots__ = ("_connection", "_patience", "_place", "is_upload")

    def __init__(self, place: Place, patience: float, *, is_upload: bool) -> None:
        """Take the seconds to wait for each sign of life of the upstream's."""
        self._place = place
        self._patience = patience
        self.is_upload = is_upload
        self._connection: Connection | None = None

    @property
    def is_fresh(self) -> bool:
        """See `Line`: a connection that is known to be closed cannot be stale."""
        return self._connection is None or not self._connection.is_ready

    async def send(self, method: str, url: str, headers: Headers, body: Body) -> Connection:
        """See `Line.send`."""
        place = self._place
        target = url[len(place.origin) :]
        if target[:1] != "/":
            target = f"/{target}"
        if body is None or body == b"":
            data = write_head(method, target, place.host, headers)
        elif isinstance(body, bytes):
            data = write_head(method, target, place.host, headers, f"content-length: {len(body)}\r\n") + body
        else:
            length = _length(headers)
            data = write_head(method, target, place.host, headers, _CHUNKED if length is None else "")
        connection = self._connection
        if connection is None or not connection.is_ready:
            connection = await self._connect()
        connection.begin(data, has_no_body=method == "HEAD")
        if body is not None and not isinstance(body, bytes):
            sending = _send_chunked(connection, body) if length is None else _send_body(connection, body, length)
            connection.upload(asyncio.get_running_loop().create_task(sending, name="upload"))
        await connection.arrival()
        return connection

    def cut(self) -> bool:
        """See `Line.cut`."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        return True

    async def close(self) -> None:
        """See `Line.close`."""
        self.cut()

    async def _connect(self) -> Connection:
        place = self._place
        loop = asyncio.get_running_loop()

        def build() -> Connection:
            return Connection(self._patience, loop)

        try:
            async with asyncio.timeout(place.connect_timeout):
                if place.socket is not None:
                    made = await loop.create_unix_connection(build, place.socket)
                else:
                    host, port = place.address
                    made = await loop.create_connection(
                        build, host, port, ssl=place.tls, server_hostname=place.server_name
                    )
        except TimeoutError as error:
            raise ConnectTimeout from error
        except (OSError, UnicodeError) as error:  # the latter: a name that cannot be looked up
            raise UpstreamUnreachable from error
        self._connection = made[1]
        return self._connection


def http1_line_builder(route: Route, address: Address) -> Callable[[bool], Http1Line]:
    """Return what builds lines to an address.

    Raises:
        ValueError: a certificate or key cannot be used.
    """
    place = _find_place(route, address)
    patience_of = {upload: line_patience(route, upload=upload) for upload in (False, True)}

    def build(upload: bool) -> Http1Line:
        return Http1Line(place, patience_of[upload], is_upload=upload)

    return build


def _find_place(route: Route, address: Address) -> Place:
    url = urlsplit(url_of(address, route.service.tls))
    name, port = url.hostname or "", url.port or DEFAULT_PORTS[url.scheme]
    host = f"[{name}]" if ":" in name else name
    is_tls = url.scheme == "https"
    try:
        tls = build_tls_context(route.service.tls) if is_tls else None
    except ValueError as error:
        raise ValueError(f"{route.path}: {error}") from error
    return Place(
        origin=f"{url.scheme}://{url.netloc}",
        host=host if port == DEFAULT_PORTS[url.scheme] else f"{host}:{port}",
        socket=address.socket,
        address=(urlsplit(address.url).hostname or "", urlsplit(address.url).port or port),
        tls=tls,
        server_name=name if is_tls else None,
        connect_timeout=route.connect_timeout,
    )


def _length(headers: Headers) -> int | None:
    """Return what the headers say of the body's length."""
    return next((int(value) for name, value in headers if name == "content-length"), None)


async def _send_chunked(connection: Connection, body: AsyncIterator[bytes]) -> None:
    async for chunk in body:
        if chunk:
            await connection.write(frame_chunk(chunk))
    await connection.write(LAST_CHUNK)


async def _send_body(connection: Connection, body: AsyncIterator[bytes], length: int) -> None:
    """Send as much as was announced: one byte more would be the beginning of another request (RFC 9112 §6.3)."""
    missing = length
    async for chunk in body:
        missing -= len(chunk)
        if missing < 0:
            break
        await connection.write(chunk)
    if missing != 0:
        raise ValueError("a body is not as long as was announced")
