"""WebSockets that another site, a hostile page or a hostile client opens."""

import asyncio
import base64
import os
import struct
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.product import Bff, Browser
from tests.socket_upstream import SocketUpstream
from tests.sockets import closed, refusal, socket_of
from tests.wire import say
from tests.world import World

pytestmark = [pytest.mark.integration, pytest.mark.security]

ROUTES = """
[[api]]
path = "/ws"
upstream = "{url}"
websocket = true

[[api]]
path = "/unguarded"
upstream = "{url}"
websocket = true
csrf = "off"

[[api]]
path = "/by-origin"
upstream = "{url}"
websocket = true
csrf = "origin"

[[api]]
path = "/anybody"
upstream = "{url}"
websocket = true
token = "none"
cors = {{ origins = ["https://friend.example"] }}
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[SocketUpstream]:
    with SocketUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def product(world: World, upstream: SocketUpstream) -> Iterator[Bff]:
    with world.build(world.issuer, port=world.port(), apis=ROUTES.format(url=upstream.url)) as bff:
        yield bff


@pytest.fixture
async def browser(product: Bff, upstream: SocketUpstream) -> AsyncIterator[Browser]:
    upstream.reset()
    async with Browser(product) as browser:
        await browser.log_in("alice")
        yield browser


def handshake(browser: Browser, path: str, *lines: str) -> bytes:
    """The head of a handshake, line by line."""
    key = base64.b64encode(os.urandom(16)).decode()
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    head = [
        f"GET {path} HTTP/1.1",
        f"Host: localhost:{browser.bff.port}",
        f"Cookie: {cookies}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n"


async def test_another_site_s_page_opens_no_socket(browser: Browser, upstream: SocketUpstream) -> None:
    """Cross-site WebSocket hijacking: the cookie comes along, the Origin tells (RFC 6455 §10.2, OWASP ASVS 4.4.2).

    Whatever guards the route's requests, or whom it lets call it by CORS.
    """
    port = browser.bff.port
    foreign = [
        None,
        "null",
        "https://evil.example",
        f"http://localhost:{port}.evil.example",
        f"https://localhost:{port}",
        "http://localhost",
        f"http://localhost:{port + 1}",
        f"http://LOCALHOST:{port}",
        f"http://localhost:{port}/",
        f"http://127.0.0.1:{port}",
        "https://friend.example",
        "",
    ]
    for path in ("/ws/echo", "/unguarded/echo", "/by-origin/echo", "/anybody/echo"):
        for origin in foreign:
            assert (403, "cross_site_request") == await refusal(browser, path, origin=origin), (path, origin)
        for site in ("cross-site", "same-site", "none"):
            told = {"Sec-Fetch-Site": site}
            assert (403, "cross_site_request") == await refusal(browser, path, headers=told), (path, site)

    assert [] == upstream.opened


async def test_our_own_page_needs_nothing_but_its_origin(browser: Browser) -> None:
    """No script can set X-CSRF on a socket."""
    for headers in ({}, {"Sec-Fetch-Site": "same-origin"}):
        for path in ("/ws/echo", "/unguarded/echo", "/by-origin/echo", "/anybody/echo"):
            async with socket_of(browser, path, headers=headers) as socket:
                await socket.send("mine")
                assert "mine" == await socket.recv()


async def test_two_origins_are_none(browser: Browser, upstream: SocketUpstream) -> None:
    """One of them would be believed by somebody."""
    own = f"Origin: {browser.bff.url}"
    for lines in ((own, "Origin: https://evil.example"), ("Origin: https://evil.example", own), (own, own)):
        heard = await say(browser.bff.port, handshake(browser, "/ws/echo", *lines))
        assert [403] == heard.statuses

    assert [] == upstream.opened


@pytest.mark.parametrize("offer", ["a, a", "a b", "chat, Authorization: Bearer x", '"chat"', "ch@t", "a;q=1"])
async def test_offer_of_subprotocols_cannot_become_anything_else(
    browser: Browser, upstream: SocketUpstream, offer: str
) -> None:
    """Only names go up (RFC 6455 §4.1)."""
    lines = (f"Origin: {browser.bff.url}", f"Sec-WebSocket-Protocol: {offer}")
    heard = await say(browser.bff.port, handshake(browser, "/ws/echo", *lines))

    assert [400] == heard.statuses
    assert b'"code":"bad_request"' in heard.body
    assert [] == upstream.opened


async def test_socket_reaches_no_path_outside_its_route(browser: Browser, upstream: SocketUpstream) -> None:
    """As for requests."""
    origin = f"Origin: {browser.bff.url}"
    for path in ("/ws/../x", "/ws/%2e%2e/x", "/ws/..%2fx", "/ws/a\\b", "/ws/%5c..", "/ws//../x", "/ws/;/..;/x"):
        heard = await say(browser.bff.port, handshake(browser, path, origin))
        assert [400] == heard.statuses, path

    assert [] == upstream.opened


def frame(
    payload: bytes, *, opcode: int = 2, fin: bool = True, masked: bool = True, length: int | None = None
) -> bytes:
    """A client's frame, well formed or not."""
    size = len(payload) if length is None else length
    first = (0x80 if fin else 0) | opcode
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 65536:
        head = bytes([first, bit | 126]) + struct.pack("!H", size)
    else:
        head = bytes([first, bit | 127]) + struct.pack("!Q", size)
    return head + (b"\0\0\0\0" if masked else b"") + payload


BROKEN = {
    "unmasked": frame(b"x", masked=False),
    "reserved opcode": frame(b"x", opcode=3),
    "reserved bit": bytes([0xF2, 0x81]) + b"\0\0\0\0x",
    "continuation of nothing": frame(b"x", opcode=0),
    "fragmented ping": frame(b"x", opcode=9, fin=False),
    "long ping": frame(b"x" * 126, opcode=9),
    "text that is no UTF-8": frame(b"\xff\xfe", opcode=1),
    "close with half a code": frame(b"\x03", opcode=8),
    "huge": frame(b"", length=2**62),
    "17 MiB": frame(b"x" * 1000, length=17 * 2**20),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
async def test_broken_frame_ends_its_socket_and_nothing_else(
    browser: Browser, upstream: SocketUpstream, product: Bff, broken: bytes
) -> None:
    """RFC 6455 §5 and §7.1.7: the connection is failed; the upstream sees none of it, and the worker lives."""
    workers = product.worker_pids()
    async with socket_of(browser, "/ws/echo") as other, socket_of(browser, "/ws/echo") as socket:
        await socket.send("first")
        assert "first" == await socket.recv()
        socket.transport.write(broken)
        code, _ = await closed(socket)
        assert code in {1000, 1002, 1005, 1006, 1007, 1009}
        await other.send("still here")
        assert "still here" == await other.recv()

    assert ["first"] == next(opened.received for opened in upstream.opened if opened.received[:1] == ["first"])
    assert workers == product.worker_pids()


async def test_message_in_many_fragments_is_held_to_the_limit_as_a_whole(browser: Browser) -> None:
    """1 MiB here; each fragment is far below it."""
    async with socket_of(browser, "/ws/echo") as socket:
        socket.transport.write(frame(b"x" * 60_000, fin=False))
        for _ in range(20):
            socket.transport.write(frame(b"x" * 60_000, opcode=0, fin=False))
        socket.transport.write(frame(b"x", opcode=0))

        assert (1009, "message_too_big") == await closed(socket)


async def test_flood_of_pings_is_answered_and_reaches_nobody(browser: Browser, upstream: SocketUpstream) -> None:
    """Ten thousand: the server answers, and messages come through behind them."""
    async with socket_of(browser, "/ws/echo") as socket:
        for _ in range(10):
            socket.transport.write(frame(b"p", opcode=9) * 1000)
            await asyncio.sleep(0)
        await socket.send("after")
        async with asyncio.timeout(30):
            assert "after" == await socket.recv()

    assert [["after"]] == [opened.received for opened in upstream.opened]


async def test_stolen_handle_opens_no_socket(browser: Browser) -> None:
    """The public handle of a session, or a cookie that was changed, is no session."""
    user = await browser.user()
    assert user is not None
    thief = browser.twin()
    for value in (user["session"]["id"], browser.cookies["__Host-bff"][:-2] + "xx"):
        thief.cookies["__Host-bff"] = value
        assert (401, "session_required") == await refusal(thief, "/ws/echo")


async def test_token_reaches_neither_the_browser_nor_the_log(browser: Browser, product: Bff) -> None:
    """Not in the answer to the handshake, not in a message of ours, not in what the server prints."""
    async with socket_of(browser, "/ws/headers") as socket:
        answered = str(socket.response)
        token = next(
            part for part in str(await socket.recv()).split('"') if part.startswith("Bearer ")
        ).removeprefix("Bearer ")
    with pytest.raises(InvalidStatus) as raised:
        async with socket_of(browser, "/ws/refuse"):
            pass

    assert token not in answered
    assert token not in str(raised.value.response) + product.output() + str(product.audited("access.denied"))
