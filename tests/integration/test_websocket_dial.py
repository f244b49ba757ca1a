"""The upstream's half of a socket over real connections: TLS, servers that lie, and ones that fall silent."""

import asyncio
import base64
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bff.errors import UpstreamTimeout, UpstreamUnreachable
from bff.proxy import websocket_dial
from bff.proxy.call import Call
from bff.proxy.closing import UPSTREAM_BROKE
from bff.proxy.head import RequestHead
from bff.proxy.routes import SocketRules
from bff.proxy.service import Service, Tls
from bff.proxy.websocket_dial import Dialer
from bff.proxy.websocket_upstream import UpstreamClosed, UpstreamRefused
from tests.forging import self_signed_certificate
from tests.scripted_upstream import Exchange, serve_upstream
from tests.values import make_route

pytestmark = pytest.mark.integration

RULES = SocketRules(max_message=1024, max_queue=16, idle_timeout=60.0)
HEADERS = [("authorization", "Bearer token"), ("x-one", "1"), ("x-one", "日本 ä")]


def call_to(url: str, **changes: Any) -> Call:
    return Call(make_route(upstream=url, **changes), "/x", RequestHead(), "192.0.2.1", None, "r" * 32)


@asynccontextmanager
async def answering(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """A server that answers the handshake so, and then nothing."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(answer(exchange.head))
        await exchange.hung_up()

    async with serve_upstream(play) as upstream:
        yield upstream.url


def accepted(head: bytes, *lines: bytes) -> bytes:
    """The answer of an honest server to this handshake, with further lines."""
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
    assert found is not None
    key = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    start = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    return b"\r\n".join([*start, b"Sec-WebSocket-Accept: " + key, *lines, b"", b""])


async def greet(connection: ServerConnection) -> None:
    request = connection.request
    assert request is not None
    ones = [value.encode("latin-1").decode() for value in request.headers.get_all("x-one")]
    await connection.send(f"{request.path} {request.headers['Host']} {ones}")


async def test_every_header_goes_up_and_our_user_agent_stands_in() -> None:
    """Repeated ones too, and in UTF-8 what is not ASCII."""
    async with serve(greet, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with Dialer().socket(
            call_to(f"http://127.0.0.1:{port}/base"), RULES, b"a=%20", HEADERS, []
        ) as socket:
            assert f"/base/x?a=%20 127.0.0.1:{port} ['1', '日本 ä']" == await socket.receive()


async def test_https_upstream_is_spoken_to_over_tls_that_is_checked(tmp_path: Path) -> None:
    """Its own authority is believed when the route says so, and nobody else's; the name in the certificate is asked
    for and sent."""
    certificate, key = self_signed_certificate(tmp_path, "upstream.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificate)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    identity = certificate.read_text() + key.read_text()
    async with serve(greet, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        trusted = Tls(authorities=certificate.read_text(), identity=identity, server_name="upstream.test")
        async with Dialer().socket(call_to(url, service=Service(tls=trusted)), RULES, b"", HEADERS, []) as socket:
            assert "/x upstream.test:" in str(await socket.receive())
        strangers = [
            Tls(),
            Tls(identity=identity, server_name="upstream.test"),
            Tls(authorities=certificate.read_text(), identity=identity, server_name="other.test"),
        ]
        for tls in strangers:
            with pytest.raises(UpstreamUnreachable):
                async with Dialer().socket(call_to(url, service=Service(tls=tls)), RULES, b"", HEADERS, []):
                    pass

    assert "upstream.test" == names[0]


LIES: dict[str, Callable[[bytes], bytes]] = {
    "another protocol": lambda head: accepted(head).replace(b"websocket", b"h2c"),
    "an answer to another handshake": lambda head: accepted(head.replace(b"Key: ", b"Key: x")),
    "a subprotocol that nobody offered": lambda head: accepted(head, b"Sec-WebSocket-Protocol: other"),
    "two subprotocols": lambda head: accepted(
        head, b"Sec-WebSocket-Protocol: chat", b"Sec-WebSocket-Protocol: chat2"
    ),
    "compression that nobody offered": lambda head: accepted(head, b"Sec-WebSocket-Extensions: permessage-deflate"),
    "an answer before the answer": lambda _head: b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    "no HTTP": lambda _head: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "too many headers": lambda head: accepted(head, *[b"X-A: b"] * 1000),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_upstream_that_speaks_no_proper_websocket_is_unreachable(lie: Callable[[bytes], bytes]) -> None:
    """RFC 6455 §4.1: the handshake is failed."""
    async with answering(lie) as url:
        with pytest.raises(UpstreamUnreachable):
            async with Dialer().socket(call_to(url), RULES, b"", HEADERS, ["chat", "chat2"]):
                pass


async def test_refusal_comes_with_its_headers_as_they_are() -> None:
    """Whatever their encoding; repeated ones in their order."""
    refusal = b"HTTP/1.1 418 No\r\nX-Name: M\xfcller\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nno"
    async with answering(lambda _head: refusal) as url:
        with pytest.raises(UpstreamRefused) as refused:
            async with Dialer().socket(call_to(url), RULES, b"", HEADERS, []):
                pass

    headers = [(b"x-name", b"M\xfcller"), (b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"2")]
    assert (418, headers, b"no") == (refused.value.status, refused.value.headers, refused.value.body)


async def test_upstream_that_does_not_answer_the_handshake_is_given_up() -> None:
    """After the route's timeout."""
    async with answering(lambda _head: b"") as url:
        with pytest.raises(UpstreamTimeout):
            async with Dialer().socket(call_to(url, timeout=0.05), RULES, b"", HEADERS, []):
                pass


async def test_upstream_that_falls_silent_is_noticed_by_its_pongs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-open connection: it takes every byte and answers no ping (RFC 6455 §5.5.2)."""
    monkeypatch.setattr(websocket_dial, "_PING", 0.05)
    async with answering(accepted) as url, Dialer().socket(call_to(url), RULES, b"", HEADERS, []) as socket:
        with pytest.raises(UpstreamClosed) as closed:
            async with asyncio.timeout(30):
                await socket.receive()

    assert UPSTREAM_BROKE == closed.value.close


async def test_socket_that_is_left_without_a_close_is_cut() -> None:
    """Whatever went wrong in between: no connection stays."""
    gone = asyncio.Event()

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()
        gone.set()

    async with serve(wait, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(ZeroDivisionError):
            async with Dialer().socket(call_to(url), RULES, b"", HEADERS, []):
                raise ZeroDivisionError
        async with asyncio.timeout(30):
            await gone.wait()


async def test_token_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The client would write the handshake's headers, whatever somebody does to the loggers of the process."""
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="bff.proxy.websocket_dial")
    async with serve(greet, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with Dialer().socket(call_to(url), RULES, b"", HEADERS, []) as socket:
            await socket.receive()

    mine = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets.server")]
    assert not any("token" in message for message in mine)


def test_socket_trusts_whom_a_request_trusts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A slim image has no authorities of its own: the well-known ones that we bring are believed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    paths = ssl.get_default_verify_paths()
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths._replace(openssl_capath=str(tmp_path)))

    context = Dialer()._context(make_route(upstream="https://upstream.test"))

    assert context.get_ca_certs()
