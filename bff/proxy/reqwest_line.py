"""Lines that speak HTTP/2, by pyreqwest. The only module that knows it.

Everything it would do by itself is switched off: a proxy follows no redirect, decodes no body, keeps no cookie,
sends no referrer and asks no environment for proxies.

One thing it cannot do (0.15): break off a request whose answer has not begun. Cancelling the task only ends the
waiting, and many calls share a connection, which therefore nobody may cut.
"""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import RequestError, RequestTimeoutError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy.routes import Route
from bff.proxy.service import Address, Tls
from bff.proxy.timed import line_patience
from bff.proxy.upstream import Body, ConnectTimeout, Headers

_IDLE = timedelta(seconds=30)
_CONNECTING = "client error (Connect)"  # one of an error's causes, before anything was sent


class ReqwestLine:
    """See `bff.proxy.lines.Line`."""

    __slots__ = ("_client", "is_fresh", "is_upload")

    def __init__(self, client: Client, *, is_upload: bool) -> None:
        self._client = client
        self.is_upload = is_upload
        self.is_fresh = True

    async def send(self, method: str, url: str, headers: Headers, body: Body) -> "ReqwestAnswer":
        """See `Line.send`."""
        self.is_fresh = False
        builder = self._client.request(method, url).headers(headers)
        if body:
            builder = builder.body_bytes(body) if isinstance(body, bytes) else builder.body_stream(body)
        # Without this the first 64 KiB are awaited before anything is handed on: events would hang.
        request = builder.streamed_read_buffer_limit(0).build_streamed()
        try:
            return ReqwestAnswer(request, await request.__aenter__())
        except RequestError as error:
            raise _translate(error) from error

    def cut(self) -> bool:
        """See `Line.cut`."""
        return False

    async def close(self) -> None:
        """See `Line.close`."""
        await self._client.close()


class ReqwestAnswer:
    """See `bff.proxy.lines.LineAnswer`. Translates the client's errors, whose classes are coarse."""

    __slots__ = ("_request", "_response", "headers", "status")

    def __init__(self, request: StreamRequest, response: Response) -> None:
        self._request = request
        self._response = response
        self.status: int = response.status
        self.headers = _read_headers(response)

    def whole(self) -> bytes | None:
        """See `UpstreamResponse.whole`: the client does not say."""
        return None

    async def read(self) -> bytes | None:
        """See `UpstreamResponse.read`."""
        try:
            chunk = await self._response.body_reader.read_chunk()
        except RequestError as error:
            raise _translate(error) from error
        return None if chunk is None else bytes(chunk)

    async def close(self) -> None:
        """See `LineAnswer.close`."""
        await self._request.__aexit__(None, None, None)


def http2_line_builder(route: Route, address: Address) -> Callable[[bool], ReqwestLine]:
    """Return what builds lines to an address.

    Raises:
        ValueError: a certificate or key cannot be used.
    """
    # Its read timeout runs while a body is still being sent, so uploads have a client of their own.
    shared = {
        upload: _build_client(route, address, line_patience(route, upload=upload)) for upload in (False, True)
    }
    return lambda upload: ReqwestLine(shared[upload], is_upload=upload)


def _build_client(route: Route, address: Address, patience: float) -> Client:
    builder = (
        ClientBuilder()
        .follow_redirects(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .referer(False)
        .no_proxy()
        .user_agent("bff")
        .connect_timeout(timedelta(seconds=route.connect_timeout))
        .pool_idle_timeout(_IDLE)
        .read_timeout(timedelta(seconds=patience))
    )
    url = urlsplit(address.url)
    try:
        if url.scheme == "https":
            builder = _with_tls(builder, route.service.tls, url.hostname or "", url.port or 443).http2(True)
        else:
            builder = builder.http2_prior_knowledge()
        return builder.build()
    except ValueError as error:  # BuilderError is one
        raise ValueError(f"{route.path}: its TLS settings cannot be used") from error


def _with_tls(builder: ClientBuilder, tls: Tls, host: str, port: int) -> ClientBuilder:
    if tls.authorities is not None:
        builder = builder.add_root_certificate_pem(tls.authorities.encode())
    if tls.identity is not None:
        builder = builder.identity_pem(tls.identity.encode())
    if tls.server_name is not None:  # it stands in the URL (see `url_of`), and leads to the address
        builder = builder.resolve(tls.server_name, str(ip_address(host)), port)
    return builder


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
    if not isinstance(error, RequestTimeoutError):
        return UpstreamUnreachable()
    # The class is the same whatever was waited for; the causes tell it.
    causes = error.details["causes"] or ()
    return ConnectTimeout() if any(cause["message"] == _CONNECTING for cause in causes) else UpstreamTimeout()
