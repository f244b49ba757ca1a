"""A WebSocket from the handshake to its end, before an upstream that a test plays."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bff.config.settings import AllowSettings, ApiSettings, TokenKind
from bff.errors import UpstreamUnreachable
from bff.proxy import streams
from bff.proxy.call import Call
from bff.proxy.closing import Close
from bff.proxy.routes import SocketRules
from bff.proxy.websocket_upstream import Data, UpstreamClosed, UpstreamRefused
from tests.internet import COOKIE, ORIGIN, PATIENCE, Browser, World, eventually, make_settings, settle

EXPIRED = 296


@dataclass
class Upstream:
    """One socket of it."""

    headers: list[tuple[str, str]]
    subprotocol: str | None = None
    got: list[Data] = field(default_factory=list)
    closed: list[Close] = field(default_factory=list)
    to_say: asyncio.Queue[Data | Exception] = field(default_factory=asyncio.Queue)

    async def receive(self) -> Data:
        said = await self.to_say.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def send(self, data: Data) -> None:
        self.got.append(data)

    async def close(self, close: Close) -> None:
        self.closed.append(close)

    @property
    def authorization(self) -> list[str]:
        return [value for name, value in self.headers if name == "authorization"]


class Dialer:
    """Stands where the product opens sockets."""

    def __init__(self) -> None:
        self.opened: list[Upstream] = []
        self.tried: list[list[tuple[str, str]]] = []
        self.script: deque[Exception] = deque()

    @asynccontextmanager
    async def socket(
        self, call: Call, rules: SocketRules, query: bytes, headers: Sequence[tuple[str, str]], offer: Sequence[str]
    ) -> AsyncIterator[Upstream]:
        self.tried.append(list(headers))
        if self.script:
            raise self.script.popleft()
        upstream = Upstream(list(headers), offer[0] if offer else None)
        self.opened.append(upstream)
        yield upstream


class Socket:
    """The browser's half, and the server's part in it."""

    def __init__(
        self, browser: Browser, path: str, *, origin: str = ORIGIN, subprotocols: Sequence[str] = ()
    ) -> None:
        self.sent: list[dict[str, Any]] = []
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()
        scope = {
            "type": "websocket",
            "http_version": "1.1",
            "scheme": "wss",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"app.test"), (b"origin", origin.encode()), (b"cookie", cookies)],
            "client": ("192.0.2.7", 40000),
            "server": ("app.test", 443),
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}},
        }
        self.task = asyncio.create_task(browser.world.apps[browser.worker](scope, self.incoming.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def say(self, text: str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text": text})

    def leave(self, code: int = 1000) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def over(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.task

    @property
    def is_open(self) -> bool:
        return [message["type"] for message in self.sent[:1]] == ["websocket.accept"]

    @property
    def close_code(self) -> int | None:
        last = self.sent[-1]
        return last["code"] if last["type"] == "websocket.close" else None

    @property
    def status(self) -> int:
        assert "websocket.http.response.start" == self.sent[0]["type"]
        status: int = self.sent[0]["status"]
        return status


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_EVERY", 0.002)


@pytest.fixture
async def world():
    routes = (
        ApiSettings("/ws", "http://upstream.test/v1", websocket=True, forward_cookies=("theme",)),
        ApiSettings("/public", "http://upstream.test", token=TokenKind.NONE, websocket=True),
        ApiSettings("/either", "http://upstream.test", token=TokenKind.USER_OPTIONAL, websocket=True),
        ApiSettings(
            "/rooms",
            "http://upstream.test",
            websocket=True,
            allow=(AllowSettings(methods=("GET",), roles=("reader",)), AllowSettings(methods=("POST",))),
        ),
    )
    async with World(settings=replace(make_settings(), api=routes)) as world:
        yield world


@pytest.fixture
def dialer(world: World) -> Dialer:
    dialer = world.bffs[0].sockets._dialer = Dialer()  # type: ignore[assignment]
    return dialer


@pytest.fixture
async def browser(world: World) -> Browser:
    browser = world.browser()
    await browser.log_in()
    return browser


async def opened(browser: Browser, path: str = "/ws/x", **options: Any) -> Socket:
    socket = Socket(browser, path, **options)
    await eventually(lambda: socket.sent)
    assert socket.is_open, socket.sent
    return socket


async def test_socket_is_decided_on_as_a_request_is(world, dialer, browser):
    """With the token, our headers, the route's cookies, and the subprotocol that the upstream chose."""
    browser.cookies["theme"] = "dark"
    socket = await opened(browser, subprotocols=["chat"])
    socket.say("hello")
    await eventually(lambda: dialer.opened[0].got)
    dialer.opened[0].to_say.put_nowait(b"back")
    await eventually(lambda: 2 == len(socket.sent))
    socket.leave(4000)
    await socket.over()

    (upstream,) = dialer.opened
    live = await world.bffs[0].sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    assert [live.authorization] == upstream.authorization
    assert ["theme=dark"] == [value for name, value in upstream.headers if name == "cookie"]
    assert ["192.0.2.7"] == [value for name, value in upstream.headers if name == "x-forwarded-for"]
    assert "chat" == socket.sent[0]["subprotocol"]
    assert {"type": "websocket.send", "bytes": b"back"} == socket.sent[1]
    assert ([Close(4000)], ["hello"]) == (upstream.closed, upstream.got)
    assert [("/ws", 4000, "browser")] == [
        (told["route"], told["code"], told["by"]) for told in world.told("websocket.closed")
    ]


async def test_expired_token_is_renewed_before_the_handshake(world, dialer, browser):
    """The upstream never sees one that is over."""
    world.clock.advance(EXPIRED)
    socket = await opened(browser)

    assert 1 == world.refreshes()
    live = await world.bffs[0].sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    assert [live.authorization] == dialer.opened[0].authorization
    socket.leave()
    await socket.over()


async def test_rules_are_those_of_a_get(world, dialer, browser):
    """A rule for POST opens no socket, and roles count as for requests."""
    socket = Socket(browser, "/rooms/1")
    await socket.over()
    assert 403 == socket.status

    world.op.id_token["roles"] = ["reader"]
    reader = world.browser()
    await reader.log_in()
    socket = await opened(reader, "/rooms/1")
    socket.leave()
    await socket.over()
    assert 1 == len(dialer.tried)


async def test_route_for_anybody_sends_no_token(world, dialer, browser):
    """With a session or without; where one is optional it is sent when there is one."""
    for person, path, expected in [
        (browser, "/public/x", 0),
        (world.browser(), "/public/x", 0),
        (browser, "/either/x", 1),
        (world.browser(), "/either/x", 0),
    ]:
        socket = await opened(person, path)
        assert expected == len(dialer.opened[-1].authorization)
        socket.leave()
        await socket.over()


async def test_foreign_page_is_refused_before_anything_is_asked(world, dialer, browser):
    """No session is read, no upstream dialled, and it is told."""
    before = world.store.times("load")
    socket = Socket(browser, "/ws/x", origin="https://evil.test")
    await socket.over()

    assert (403, [], before) == (socket.status, dialer.tried, world.store.times("load"))
    assert ["cross_site_request"] == [told["reason"] for told in world.told("access.denied")]


async def test_store_that_is_away_refuses_the_handshake_and_says_when_to_come_again(world, dialer, browser):
    """503, and nobody is logged out."""
    world.store.down = True
    socket = Socket(browser, "/ws/x")
    await socket.over()
    world.store.down = False

    assert 503 == socket.status
    assert b"retry-after" in dict(socket.sent[0]["headers"])
    socket = await opened(browser)
    socket.leave()
    await socket.over()


async def test_upstream_that_is_away_is_told(world, dialer, browser):
    """As for requests: no page can read why its socket did not open."""
    dialer.script.append(UpstreamUnreachable())
    socket = Socket(browser, "/ws/x")
    await socket.over()

    assert 502 == socket.status
    assert [("/ws", "upstream_unreachable", 1)] == [
        (told["route"], told["code"], told["calls"]) for told in world.told("upstream.failed")
    ]


async def test_token_that_the_upstream_doubts_is_renewed_and_the_handshake_tried_again(world, dialer, browser):
    """Once, as for a request."""
    world.clock.advance(60)
    dialer.script.append(UpstreamRefused(401, [(b"www-authenticate", b'Bearer error="invalid_token"')], b""))
    socket = await opened(browser)

    assert 1 == world.refreshes()
    first, second = ([value for name, value in tried if name == "authorization"] for tried in dialer.tried)
    assert first != second
    assert [len(tried) for tried in dialer.tried] == [len(dialer.tried[0])] * 2, "every header once"
    socket.leave()
    await socket.over()


async def test_refusal_that_stands_is_passed_on(world, dialer, browser):
    """Twice 401, or anything else: the upstream's own answer, without what may not come down."""
    world.clock.advance(60)
    refused = UpstreamRefused(401, [(b"www-authenticate", b"Bearer"), (b"set-cookie", b"a=b")], b"no")
    dialer.script.extend([refused, refused])
    socket = Socket(browser, "/ws/x")
    await socket.over()

    headers = socket.sent[0]["headers"]
    assert (401, b"no") == (socket.status, socket.sent[1]["body"])
    assert b"set-cookie" not in dict(headers)
    assert len(dict(headers)) == len(headers), "a repeated header would bring the server down"


async def test_login_that_is_too_weak_for_the_upstream_is_asked_for(world, dialer, browser):
    """RFC 9470, in our own words."""
    challenge = b'Bearer error="insufficient_user_authentication", acr_values="phr"'
    dialer.script.append(UpstreamRefused(401, [(b"www-authenticate", challenge)], b""))
    socket = Socket(browser, "/ws/x")
    await socket.over()

    assert 401 == socket.status
    assert b'"code":"step_up_required"' in socket.sent[1]["body"]
    assert b'"acr_values":"phr"' in socket.sent[1]["body"]


async def test_logout_closes_the_socket_with_4401(world, dialer, browser):
    """And tells the upstream."""
    socket = await opened(browser)
    await browser.post("/bff/logout")
    await socket.over()

    assert 4401 == socket.close_code
    assert [1001] == [close.code for close in dialer.opened[0].closed]


async def test_logout_while_the_upstream_is_dialled_leaves_no_socket(world, dialer, browser):
    """What was decided before is undone as soon as it is there."""
    gate = asyncio.Event()
    dial = dialer.socket

    @asynccontextmanager
    async def slow(*args: Any) -> AsyncIterator[Upstream]:
        await gate.wait()
        async with dial(*args) as upstream:
            yield upstream

    dialer.socket = slow
    socket = Socket(browser, "/ws/x")
    await settle()
    await browser.post("/bff/logout")
    gate.set()
    await socket.over()

    assert 4401 == socket.close_code


async def test_idle_session_closes_the_socket_and_a_message_keeps_it(world, dialer, browser):
    """What the page says is use; what it is told is none."""
    socket = await opened(browser)
    live = await world.bffs[0].sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    for _ in range(2):
        world.clock.advance(3000)
        socket.say("still here")
        await eventually(lambda: live.idle_expires_at == world.clock() + 3600)
    for _ in range(2):
        world.clock.advance(1900)
        dialer.opened[0].to_say.put_nowait("tick")
        await asyncio.sleep(0.02)
    await socket.over()

    assert 4401 == socket.close_code
    assert await browser.user() is None


async def test_drain_closes_the_socket_with_1012(world, dialer, browser):
    """At once."""
    socket = await opened(browser)
    world.bffs[0].drain()
    await socket.over()

    assert 1012 == socket.close_code


async def test_mistake_of_ours_is_told_and_closes_the_socket_with_1011(world, dialer, browser):
    """Nobody takes it for a good end."""
    socket = await opened(browser)
    dialer.opened[0].to_say.put_nowait(ZeroDivisionError())
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ZeroDivisionError):
            await socket.task

    assert 1011 == socket.close_code
    assert ["ZeroDivisionError"] == [told["error"] for told in world.told("request.crashed")]


async def test_upstream_s_close_comes_down(world, dialer, browser):
    """With its reason."""
    socket = await opened(browser)
    dialer.opened[0].to_say.put_nowait(UpstreamClosed(Close(4000, "done")))
    await socket.over()

    assert {"type": "websocket.close", "code": 4000, "reason": "done"} == socket.sent[-1]
