"""WebSockets through the product: `bff run`, a real issuer, real sockets on both sides."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.product import Bff, Browser
from tests.socket_upstream import SocketUpstream
from tests.sockets import closed, refusal, socket_of
from tests.world import AT_ONCE, NegIssuer, World, eventually

pytestmark = pytest.mark.integration

ROUTES = """
[[api]]
path = "/ws"
upstream = "{url}/base"
websocket = true

[[api]]
path = "/open"
upstream = "{url}/open"
token = "none"
websocket = true

[[api]]
path = "/small"
upstream = "{url}"
websocket = true
websocket_max_message = "1KiB"

[[api]]
path = "/idle"
upstream = "{url}"
websocket = true
websocket_idle_timeout = "3s"

[[api]]
path = "/admin"
upstream = "{url}"
websocket = true
allow = [{{ roles = ["nobody-has-it"] }}]

[[api]]
path = "/off"
upstream = "{url}"

[[api]]
path = "/down"
upstream = "http://127.0.0.1:9"
websocket = true
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[SocketUpstream]:
    with SocketUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def product(world: World, upstream: SocketUpstream) -> Iterator[Bff]:
    apis = ROUTES.format(url=upstream.url)
    server = "max_websockets = 12\nmax_websockets_per_session = 4"
    with world.build(world.issuer, port=world.port(), apis=apis, server=server) as bff:
        yield bff


@pytest.fixture
async def browser(product: Bff, upstream: SocketUpstream) -> AsyncIterator[Browser]:
    upstream.reset()
    async with Browser(product) as browser:
        await browser.log_in("alice")
        yield browser


async def test_messages_pass_both_ways_as_they_are(browser: Browser, upstream: SocketUpstream) -> None:
    """Text stays text, bytes stay bytes, fragments arrive as the one message that they are, pings are answered."""
    async with socket_of(browser, "/ws/a%2Fb/echo?x=1&x=%20") as socket:
        await socket.send("häh?")
        assert "häh?" == await socket.recv()
        await socket.send(b"\x00\xff")
        assert b"\x00\xff" == await socket.recv()
        await socket.send([b"a" * 50_000, b"b" * 50_000])
        assert b"a" * 50_000 + b"b" * 50_000 == await socket.recv()
        async with asyncio.timeout(30):
            await (await socket.ping())

    (opened,) = upstream.opened
    assert "/base/a%2Fb/echo?x=1&x=%20" == opened.target


async def test_fragments_of_the_upstream_arrive_as_one_message(browser: Browser) -> None:
    """A browser sees messages only."""
    async with socket_of(browser, "/ws/pieces") as socket:
        assert b"one two three" == await socket.recv()


async def test_handshake_brings_the_token_and_nothing_of_the_browser_s_own(browser: Browser) -> None:
    """As for requests: our Authorization alone, no cookie, no Origin, one address; nothing is compressed."""
    evil = {
        "Authorization": "Bearer evil",
        "X-Forwarded-For": "6.6.6.6",
        "X_Forwarded_For": "6.6.6.6",
        "Sec-WebSocket-Extensions": "permessage-deflate",
        "Accept-Language": "de",
    }
    async with socket_of(browser, "/ws/headers", headers=evil) as socket:
        headers = [(name.lower(), value) for name, value in json.loads(await socket.recv())]

    (authorization,) = [value for name, value in headers if name == "authorization"]
    assert authorization.startswith("Bearer ey")
    assert ["127.0.0.1"] == [value for name, value in headers if name == "x-forwarded-for"]
    assert ["de"] == [value for name, value in headers if name == "accept-language"]
    forbidden = {"cookie", "origin", "sec-websocket-extensions", "sec-websocket-protocol", "x_forwarded_for"}
    assert set() == forbidden & {name for name, _ in headers}


async def test_upstream_chooses_the_subprotocol(browser: Browser, upstream: SocketUpstream) -> None:
    """The browser's offer goes up as it is, and the choice comes down; nothing is added to either."""
    async with socket_of(browser, "/ws/echo", subprotocols=["chat.v2", "chat.v1"]) as socket:
        assert "chat.v1" == socket.subprotocol
        await eventually(lambda: upstream.opened)

    assert [["chat.v2, chat.v1"]] == [opened.all("sec-websocket-protocol") for opened in upstream.opened]


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (1011, "broken"), (3999, ""), (4321, "ä")])
async def test_upstream_s_close_reaches_the_browser(browser: Browser, code: int, reason: str) -> None:
    """Code and reason (RFC 6455 §7.4)."""
    async with socket_of(browser, f"/ws/close?code={code}&reason={reason}") as socket:
        assert (code, reason) == await closed(socket)


async def test_upstream_s_close_without_a_code_reaches_the_browser_without_one(browser: Browser) -> None:
    """1005 is how the absence of a code is told, never a code that is sent (RFC 6455 §7.4.1)."""
    async with socket_of(browser, "/ws/empty-close") as socket:
        assert (1005, "") == await closed(socket)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4000, "done")])
async def test_browser_s_close_reaches_the_upstream(
    browser: Browser, upstream: SocketUpstream, code: int, reason: str
) -> None:
    """The server hands no reason on, so the upstream is told the code."""
    async with socket_of(browser, "/ws/echo") as socket:
        await eventually(lambda: upstream.opened)  # a close that overtakes the opening is nobody's
        await socket.close(code, reason)
    (opened,) = upstream.opened

    await eventually(opened.ended.is_set)
    assert code == opened.close_code


async def test_browser_s_close_without_a_code_is_one_for_both(browser: Browser, upstream: SocketUpstream) -> None:
    """`socket.close()` of a page: it is answered in kind, not with a complaint."""
    async with socket_of(browser, "/ws/echo") as socket:
        await eventually(lambda: upstream.opened)
        async with socket.send_context():
            socket.protocol.send_close()
        assert (1005, "") == (socket.close_code, socket.close_reason)
    (opened,) = upstream.opened

    await eventually(opened.ended.is_set)
    assert 1005 == opened.close_code


async def test_browser_that_vanishes_ends_the_upstream_s_socket(browser: Browser, upstream: SocketUpstream) -> None:
    """Its connection is reset, without a word."""
    async with socket_of(browser, "/ws/echo") as socket:
        await eventually(lambda: upstream.opened)
        socket.transport.abort()
        await eventually(upstream.opened[0].ended.is_set)


async def test_upstream_that_breaks_closes_the_socket_with_1011(browser: Browser, upstream: SocketUpstream) -> None:
    """Never as if it had said goodbye."""
    async with socket_of(browser, "/ws/echo") as socket:
        await eventually(lambda: upstream.opened)
        upstream.cut()

        assert (1011, "upstream_unreachable") == await closed(socket)


async def test_message_that_is_too_large_closes_the_socket(browser: Browser, upstream: SocketUpstream) -> None:
    """Either way: 1009 (RFC 6455 §7.4.1), and the upstream never sees the browser's."""
    async with socket_of(browser, "/small/echo") as socket:
        await socket.send("x" * 1024)
        assert "x" * 1024 == await socket.recv()
        await socket.send("ä" * 513)
        assert (1009, "message_too_big") == await closed(socket)
    async with socket_of(browser, "/small/big?size=1025") as socket:
        assert (1009, "message_too_big") == await closed(socket)

    assert ["x" * 1024] == upstream.opened[0].received


async def test_socket_on_which_nothing_passes_is_closed(browser: Browser) -> None:
    """Pings are none of it: a message either way is."""
    async with socket_of(browser, "/idle/echo") as socket:
        begun = time.monotonic()
        while time.monotonic() - begun < 3.5:
            await asyncio.sleep(0.1)
            await socket.send("still here")
            await socket.recv()
        spoke_last = time.monotonic()

        assert (1001, "idle") == await closed(socket)
        assert 2.5 < time.monotonic() - spoke_last


async def test_handshake_without_a_session_is_refused(product: Bff, upstream: SocketUpstream) -> None:
    """401, before there is a socket; a damaged cookie is deleted as for a request."""
    upstream.reset()
    async with Browser(product) as stranger:
        assert (401, "session_required") == await refusal(stranger, "/ws/echo")
        stranger.cookies["__Host-bff"] = "damaged"
        assert (401, "session_required") == await refusal(stranger, "/ws/echo")
        async with socket_of(stranger, "/open/echo") as socket:
            await socket.send("anybody")
            assert "anybody" == await socket.recv()

    assert [[]] == [opened.all("authorization") for opened in upstream.opened]


async def test_refused_handshakes_leave_the_worker_alive(browser: Browser, product: Bff) -> None:
    """Problems of every kind: policy, no sockets here, no such path, an upstream that is away, a bad target."""
    workers = product.worker_pids()
    assert (403, "access_denied") == await refusal(browser, "/admin/echo")
    assert (404, "route_not_found") == await refusal(browser, "/off/echo")
    assert (404, "route_not_found") == await refusal(browser, "/nowhere")
    assert (404, "route_not_found") == await refusal(browser, "/bff/user")
    assert (502, "upstream_unreachable") == await refusal(browser, "/down/echo")
    assert (400, "bad_request_target") == await refusal(browser, "/ws/%2e%2e/echo")

    assert workers == product.worker_pids()


async def test_upstream_s_refusal_of_a_handshake_reaches_the_browser(browser: Browser, product: Bff) -> None:
    """Its status and body, its headers as for a request; repeated ones do not bring the worker down."""
    workers = product.worker_pids()
    with pytest.raises(InvalidStatus) as raised:
        async with socket_of(browser, "/ws/refuse"):
            pass
    response = raised.value.response

    assert (418, b'{"why":"tea"}') == (response.status_code, bytes(response.body))
    assert "Set-Cookie" not in response.headers
    assert workers == product.worker_pids()


async def test_session_has_so_many_sockets_and_no_more(browser: Browser) -> None:
    """The fifth of four is answered with 429; a place that is given back is taken again."""
    sockets = [await socket_of(browser, "/ws/echo") for _ in range(4)]
    try:
        assert (429, "too_many_requests") == await refusal(browser, "/ws/echo")
        await sockets[0].close()

        async def comes_in() -> bool:
            try:
                sockets.append(await socket_of(browser, "/ws/echo"))
            except InvalidStatus:
                return False
            return True

        await eventually(comes_in)
    finally:
        for socket in sockets:
            await socket.close()


async def test_worker_has_so_many_sockets_and_no_more(product: Bff, upstream: SocketUpstream) -> None:
    """The thirteenth of twelve is answered with 503."""
    async with Browser(product) as stranger:
        sockets = [await socket_of(stranger, "/open/echo") for _ in range(12)]
        try:
            assert (503, "server_busy") == await refusal(stranger, "/open/echo")
        finally:
            for socket in sockets:
                await socket.close()


async def test_logout_closes_the_socket(browser: Browser, upstream: SocketUpstream) -> None:
    """4401, and the upstream hears of it too."""
    async with socket_of(browser, "/ws/echo") as socket:
        await eventually(lambda: upstream.opened)
        assert 200 == (await browser.post("/bff/logout")).status_code

        assert (4401, "session_expired") == await closed(socket, within=AT_ONCE)
    await eventually(upstream.opened[0].ended.is_set)
    assert 1001 == upstream.opened[0].close_code


async def test_slow_reader_holds_the_upstream_back_and_is_cut_when_its_session_ends(
    browser: Browser, upstream: SocketUpstream
) -> None:
    """What a browser does not read is not sent for: buffers fill, then the upstream waits (bounded memory)."""
    async with socket_of(browser, "/ws/flood", max_queue=1) as socket:
        await eventually(lambda: upstream.opened and upstream.opened[0].sent)
        (opened,) = upstream.opened
        before = -1
        while before != opened.sent:
            before = opened.sent
            await asyncio.sleep(0.3)

        assert 500 > opened.sent, "32 MiB: what sockets and one queue hold"
        assert 200 == (await browser.post("/bff/logout")).status_code
        await eventually(opened.ended.is_set)
        code, _ = await closed(socket)
        assert code in {4401, 1006}


async def test_deaf_upstream_holds_the_browser_back(browser: Browser, upstream: SocketUpstream) -> None:
    """What the upstream does not take is not read from the browser."""
    async with socket_of(browser, "/ws/deaf", close_timeout=0.1) as socket:
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1000:
                async with asyncio.timeout(1.0):
                    await socket.send(b"x" * 64 * 1024)
                sent += 1

        assert 1000 > sent, "64 MiB"
        socket.transport.abort()


async def test_shutdown_closes_sockets_with_1012_and_is_not_held_up(world: World, upstream: SocketUpstream) -> None:
    """Service restart (RFC 6455 registry): the page connects again."""
    upstream.reset()
    apis = ROUTES.format(url=upstream.url)
    with world.build(world.issuer, port=world.port(), apis=apis, shutdown_timeout="100s") as bff:
        async with Browser(bff) as stranger, socket_of(stranger, "/open/echo") as socket:
            bff.process.signal(signal.SIGTERM)

            assert (1012, "restarting") == await closed(socket)
            await asyncio.to_thread(bff.process.wait_for_exit)


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_logout_closes_the_sockets_of_every_worker(
    world: World, upstream: SocketUpstream, store: str
) -> None:
    """And so does a revocation by an operator; sockets of other sessions stay."""
    upstream.reset()
    options = {"store": world.valkey.url} if store == "redis" else {}
    apis = ROUTES.format(url=upstream.url)
    with world.build(world.issuer, port=world.port(), apis=apis, workers=3, **options) as bff:
        async with Browser(bff) as alice, Browser(bff) as bob:
            await alice.log_in("alice")
            await bob.log_in("bob")
            hers = [await socket_of(alice, "/ws/echo") for _ in range(8)]
            his = [await socket_of(bob, "/ws/echo") for _ in range(8)]
            assert 200 == (await alice.post("/bff/logout")).status_code
            ends = await asyncio.gather(*(closed(socket, within=AT_ONCE) for socket in hers))

            assert [(4401, "session_expired")] * 8 == ends
            for socket in his:
                await socket.send("still here")
                assert "still here" == await socket.recv()
            user = await bob.user()
            assert user is not None
            revoked = await asyncio.to_thread(bff.command, "sessions", "revoke", user["session"]["id"])
            assert 0 == revoked.returncode, revoked.stderr
            assert [(4401, "session_expired")] * 8 == await asyncio.gather(*(closed(each) for each in his))


@pytest.mark.parametrize("limits", ['idle_timeout = "3s"', 'absolute_timeout = "3s"\nidle_timeout = "3s"'])
async def test_session_whose_time_is_over_closes_its_socket(
    world: World, upstream: SocketUpstream, limits: str
) -> None:
    """4401 by itself, though nobody asks for anything; what the upstream says is no use of the session."""
    upstream.reset()
    apis = ROUTES.format(url=upstream.url)
    with world.build(world.issuer, port=world.port(), apis=apis, session=limits) as bff:
        async with Browser(bff) as alice:
            await alice.log_in("alice")
            async with socket_of(alice, "/ws/echo") as socket:
                await eventually(lambda: upstream.opened)
                assert (4401, "session_expired") == await closed(socket)
            await eventually(upstream.opened[0].ended.is_set)
            assert (401, "session_expired") == await refusal(alice, "/ws/echo")


async def test_role_taken_away_closes_the_socket_that_it_opened(
    world: World, neg: NegIssuer, upstream: SocketUpstream
) -> None:
    """4403, at the renewal that a message of the page begins."""
    upstream.reset()
    neg.op.access_token_lifetime = 6
    neg.op.id_token["roles"] = ["live"]
    route = f'path = "/live"\nupstream = "{upstream.url}"\nwebsocket = true\nallow = [{{ roles = ["live"] }}]'
    session = 'renew_ahead = "7s"'
    with world.build(neg, port=world.port(), apis=f"[[api]]\n{route}\n", session=session) as bff:
        async with Browser(bff) as browser:
            await browser.log_in()
            async with socket_of(browser, "/live/echo") as socket:
                await socket.send("mine")
                assert "mine" == await socket.recv()
                neg.op.id_token["roles"] = []

                async def talk() -> None:
                    while True:
                        await socket.send("still mine")
                        await asyncio.sleep(0.2)

                talking = asyncio.create_task(talk())
                assert (4403, "access_denied") == await closed(socket)
                talking.cancel()
                await asyncio.wait([talking])
            assert (403, "access_denied") == await refusal(browser, "/live/echo")
