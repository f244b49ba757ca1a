"""Calls that stay open end with their session, with the right to them, and with the worker."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bff.config.settings import ApiSettings, Csrf, TokenKind
from bff.proxy import hangups, long_answers, streams
from bff.proxy.call import Call
from bff.proxy.closing import Ending
from bff.proxy.head import RequestHead
from bff.session.live import LiveSession
from tests.fake_upstream import Given
from tests.internet import COOKIE, PATIENCE, Browser, World, eventually, make_settings, settle

IDLE, ABSOLUTE = 3600.0, 12 * 3600.0
EXPIRED, DUE = 296, 250


@dataclass(eq=False)
class Held:
    """An open call that does nothing but stay."""

    call: Call
    used: bool = False
    endings: list[Ending] = field(default_factory=list)
    ticks: list[float | None] = field(default_factory=list)

    def end(self, why: Ending) -> None:
        self.endings.append(why)

    def take_use(self) -> bool:
        used, self.used = self.used, False
        return used

    def tick(self, draining_for: float | None) -> None:
        self.ticks.append(draining_for)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks twice a second looks all the time."""
    monkeypatch.setattr(streams, "_EVERY", 0.002)
    monkeypatch.setattr(streams, "_ASK_AGAIN", 0.01)
    monkeypatch.setattr(hangups, "_PATIENCE", 0.002)
    monkeypatch.setattr(long_answers, "EVENTS_GRACE", 0.02)
    monkeypatch.setattr(long_answers, "QUIET_GRACE", 0.05)


async def live_of(world: World, browser: Browser) -> LiveSession:
    live = await world.bffs[0].sessions.load(browser.cookies[COOKIE].encode(), world.clock())
    assert isinstance(live, LiveSession)
    return live


async def hold(world: World, browser: Browser | None, path: bytes = b"/api/x") -> Held:
    """Open a call of this browser at the first worker."""
    found = world.bffs[0].routes.match(path)
    assert found is not None
    live = await live_of(world, browser) if browser is not None else None
    held = Held(Call(*found, RequestHead(), "192.0.2.7", None, "r" * 32, "GET", live))
    world.bffs[0]._opened.add(held)
    return held


def let_go(world: World, *all_held: Held) -> None:
    for held in all_held:
        world.bffs[0]._opened.discard(held)
    assert 0 == len(world.bffs[0]._opened)


async def looked_at(held: Held) -> None:
    """Wait until it has been looked at twice more."""
    before = len(held.ticks)
    await eventually(lambda: len(held.ticks) >= before + 2)


async def test_logout_at_another_worker_ends_the_call_at_once(two_workers):
    """The push does it; nobody has to look."""
    world = two_workers
    browser, other = world.browser(), world.browser()
    await browser.log_in()
    await other.log_in()
    held, stranger = await hold(world, browser), await hold(world, other)

    await browser.at(1).post("/bff/logout")
    await eventually(lambda: held.endings)

    assert ([Ending.SESSION_ENDED], []) == (held.endings, stranger.endings)
    let_go(world, held, stranger)
    assert set() == (await live_of(world, other)).watchers


async def test_idle_end_ends_the_call(world):
    """Nobody tells of it, so it is looked for."""
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    await looked_at(held)
    assert [] == held.endings

    world.clock.advance(IDLE + 1)
    await eventually(lambda: held.endings)

    assert Ending.SESSION_ENDED == held.endings[0]
    let_go(world, held)


async def test_session_that_is_used_at_another_worker_does_not_idle(two_workers):
    """The store is asked before anything is ended."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    world.clock.advance(IDLE - 60)
    await browser.at(1).get("/bff/user")
    await settle()
    world.clock.advance(120)
    await looked_at(held)

    assert [] == held.endings
    let_go(world, held)


async def test_use_of_the_call_is_use_of_the_session(world):
    """An hour passes between any two requests, and messages in between keep the user signed in."""
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    live = held.call.live
    for _ in range(3):
        world.clock.advance(IDLE - 600)
        held.used = True
        await eventually(lambda: live.idle_expires_at == world.clock() + IDLE)

    assert [] == held.endings
    assert await browser.user() is not None
    let_go(world, held)


async def test_call_that_is_not_used_does_not_keep_its_session(world):
    """To be open is no use."""
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    before = held.call.live.idle_expires_at
    world.clock.advance(600)
    await looked_at(held)

    assert before == held.call.live.idle_expires_at
    let_go(world, held)


async def test_use_has_a_token_renewed_that_is_due(world):
    """So that roles which are taken away at the issuer are noticed, if no request comes for hours."""
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    world.clock.advance(DUE)
    await looked_at(held)
    assert 0 == world.refreshes()

    held.used = True
    await eventually(lambda: 1 == world.refreshes())
    let_go(world, held)


async def test_absolute_end_needs_no_store(world):
    """What is known is not asked for, and a store that is away prolongs nothing."""
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    world.store.down = True
    world.clock.advance(ABSOLUTE)
    await eventually(lambda: held.endings)

    assert Ending.SESSION_ENDED == held.endings[0]
    world.store.down = False
    let_go(world, held)


async def test_store_that_is_away_ends_no_call(world):
    """It may have been used elsewhere, as far as anybody knows; it is asked when that can be."""
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    world.store.down = True
    world.clock.advance(IDLE + 1)
    await looked_at(held)
    assert [] == held.endings

    world.store.down = False
    await eventually(lambda: held.endings)
    assert Ending.SESSION_ENDED == held.endings[0]
    let_go(world, held)


async def test_end_that_no_push_told_of_is_found(two_workers):
    """While pushes are lost the store is asked."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    world.store.lose_pushes()
    await settle()
    await browser.at(1).post("/bff/logout")
    await eventually(lambda: held.endings)

    assert Ending.SESSION_ENDED == held.endings[0]
    let_go(world, held)
    world.store.restore_pushes()


async def test_roles_taken_away_end_what_they_opened(world):
    """At the renewal that brings the news; what is open to every signed-in user goes on."""
    world.op.id_token["roles"] = ["admin"]
    browser = world.browser()
    await browser.log_in()
    guarded, open_to_all = await hold(world, browser, b"/admin/x"), await hold(world, browser)
    world.op.id_token["roles"] = []
    world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status
    await eventually(lambda: guarded.endings)

    assert ([Ending.ACCESS_DENIED], []) == (guarded.endings, open_to_all.endings)
    assert ["/admin"] == [told["route"] for told in world.told("access.denied")]
    let_go(world, guarded, open_to_all)


async def test_other_news_of_claims_end_nothing(world):
    """Decided anew, and allowed."""
    world.op.id_token |= {"roles": ["admin"], "name": "Alice"}
    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser, b"/admin/x")
    world.op.id_token |= {"name": "Alice B."}
    world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status
    await looked_at(held)

    assert [] == held.endings
    let_go(world, held)


async def test_call_of_a_session_that_ended_meanwhile_is_ended_as_it_comes(world):
    """Between the decision and the opening at the upstream a logout may come."""
    browser = world.browser()
    await browser.log_in()
    live = await live_of(world, browser)
    await browser.post("/bff/logout")
    found = world.bffs[0].routes.match(b"/api/x")
    held = Held(Call(*found, RequestHead(), "192.0.2.7", None, "r" * 32, "GET", live))
    world.bffs[0]._opened.add(held)

    assert [Ending.SESSION_ENDED] == held.endings
    let_go(world, held)


async def test_right_that_was_taken_away_meanwhile_ends_the_call_as_it_comes(world):
    """Roles may change too between the decision and the opening, and nobody watches the session by then."""
    world.op.id_token["roles"] = ["admin"]
    browser = world.browser()
    await browser.log_in()
    live = await live_of(world, browser)
    world.op.id_token["roles"] = []
    world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status
    found = world.bffs[0].routes.match(b"/admin/x")
    held = Held(Call(*found, RequestHead(), "192.0.2.7", None, "r" * 32, "GET", live))
    world.bffs[0]._opened.add(held)

    assert [Ending.ACCESS_DENIED] == held.endings
    let_go(world, held)


async def test_decision_that_fails_opens_nothing_and_ends_what_was_open(world, monkeypatch):
    """Told as a mistake of ours; the calls that come after it in the row are decided on as well."""
    world.op.id_token["roles"] = ["admin"]
    browser = world.browser()
    await browser.log_in()
    early = [await hold(world, browser, b"/admin/x") for _ in range(2)]

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(world.bffs[0].api, "_authorize", broken)
    late = await hold(world, browser, b"/admin/x")
    world.bffs[0]._opened._decide_anew(late.call.live)

    assert [Ending.ACCESS_DENIED] * 3 == [held.endings[0] for held in (*early, late)]
    assert {"ZeroDivisionError"} == {told["error"] for told in world.told("request.crashed")}
    let_go(world, *early, late)


async def test_draining_is_told_at_once_and_to_those_who_come_later(world):
    """And again and again, with how long it has lasted."""
    early = await hold(world, None)
    world.bffs[0].drain()
    assert 0.0 == early.ticks[-1]
    late = await hold(world, None)

    assert late.ticks[0] is not None
    await eventually(lambda: (late.ticks[-1] or 0) > late.ticks[0])
    let_go(world, early, late)


async def test_one_call_that_misbehaves_keeps_no_other_from_being_looked_at(world):
    """A mistake in one look must not be the last look."""

    class Broken(Held):
        def tick(self, draining_for: float | None) -> None:
            super().tick(draining_for)
            raise ZeroDivisionError

    browser = world.browser()
    await browser.log_in()
    held = await hold(world, browser)
    broken = Broken(held.call)
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
    world.bffs[0]._opened.add(broken)
    await eventually(lambda: len(told) > 1)
    world.bffs[0]._opened.discard(broken)
    world.clock.advance(IDLE + 1)
    await eventually(lambda: held.endings)

    assert Ending.SESSION_ENDED == held.endings[0]
    let_go(world, held)


# ── answers on their way ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Slow(Given):
    """Hangs between its chunks until it is told to go on."""

    more: asyncio.Event = field(default_factory=asyncio.Event)

    def go_on(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.more.set()

    def whole(self) -> bytes | None:
        return None

    async def read(self) -> bytes | None:
        while not self.chunks:
            self.more.clear()
            await self.more.wait()
        return await super().read()


class Stream:
    """A request whose answer is read as it comes."""

    def __init__(self, browser: Browser, path: str) -> None:
        self.messages: list[dict[str, Any]] = []
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"app.test"), (b"x-csrf", b"1"), (b"cookie", cookies)],
            "client": ("192.0.2.7", 40000),
            "server": ("app.test", 443),
        }
        self.task = asyncio.create_task(browser.world.apps[0](scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def _send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def is_complete(self) -> bool:
        return not self.messages[-1].get("more_body", True)

    async def over(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.task


EVENTS = [(b"content-type", b"text/event-stream")]


@pytest.fixture
async def browser(world):
    browser = world.browser()
    await browser.log_in()
    return browser


async def opened(world: World, answer: Given, browser: Browser) -> Stream:
    """Open a stream and wait until it is watched."""
    world.upstream.script(answer)
    stream = Stream(browser, "/api/events")
    await eventually(lambda: stream.messages and 1 == len(world.bffs[0]._opened))
    return stream


async def test_stream_is_cut_when_its_session_ends(world, browser):
    """Nobody takes it for complete, and the upstream's call is over."""
    stream = await opened(world, Slow(headers=EVENTS, chunks=[b"data: 1\n\n"]), browser)
    await browser.post("/bff/logout")
    await stream.over()

    assert (b"data: 1\n\n", False) == (stream.body, stream.is_complete)
    assert [{"route": "/api", "code": "session_expired"}] == [
        {name: told[name] for name in ("route", "code")} for told in world.told("stream.ended")
    ]
    assert 0 == len(world.bffs[0]._opened)
    assert 1 == world.upstream.left


async def test_page_learns_that_its_stream_is_open_before_anything_happens(world, browser):
    """The head goes out with an empty piece."""
    stream = await opened(world, Slow(headers=EVENTS, chunks=[]), browser)
    await eventually(lambda: 2 == len(stream.messages))

    assert (200, b"") == (stream.messages[0]["status"], stream.body)
    await browser.post("/bff/logout")
    await stream.over()


async def test_call_that_waits_for_its_answer_is_answered_when_its_session_ends(world, browser):
    """A problem, for nothing has been said yet."""
    world.upstream.gate = asyncio.Event()
    stream = Stream(browser, "/api/slow")
    await eventually(lambda: 1 == len(world.bffs[0]._opened))
    await browser.post("/bff/logout")
    await stream.over()

    assert (401, True) == (stream.messages[0]["status"], stream.is_complete)
    assert b'"code":"session_expired"' in stream.body


async def log_out(_world: World, browser: Browser) -> None:
    await browser.post("/bff/logout")


async def drain(world: World, _browser: Browser) -> None:
    world.bffs[0].drain()


@pytest.mark.parametrize(
    ("end", "status", "code"), [(log_out, 401, "session_expired"), (drain, 503, "server_busy")]
)
async def test_answer_whose_body_has_not_begun_is_a_problem_when_it_ends(world, browser, end, status, code):
    """Its head alone has said nothing yet; and a worker that stops logs nobody out."""
    world.upstream.script(Slow(chunks=[]))
    stream = Stream(browser, "/api/slow")
    await eventually(lambda: 1 == len(world.bffs[0]._opened))
    await end(world, browser)
    await stream.over()

    assert (status, True) == (stream.messages[0]["status"], stream.is_complete)
    assert f'"code":"{code}"'.encode() in stream.body


async def test_stream_of_events_is_cut_when_the_worker_drains(world, browser):
    """Soon, not at once: what is on its way arrives."""
    answer = Slow(headers=EVENTS, chunks=[b"data: 1\n\n"])
    stream = await opened(world, answer, browser)
    world.bffs[0].drain()
    answer.go_on(b"data: 2\n\n")
    await stream.over()

    assert (b"data: 1\n\ndata: 2\n\n", False) == (stream.body, stream.is_complete)


async def test_answer_of_unknown_length_is_cut_when_the_worker_drains_and_it_is_silent(world, browser):
    """It goes on while it moves."""
    answer = Slow(chunks=[b"1"])
    stream = await opened(world, answer, browser)
    world.bffs[0].drain()
    for _ in range(5):
        await asyncio.sleep(0.02)
        answer.go_on(b"x")
    assert not stream.task.done()
    await stream.over()

    assert (b"1xxxxx", False) == (stream.body, stream.is_complete)


async def test_download_is_let_end_when_the_worker_drains(world, browser):
    """Its length is known, so it ends by itself."""
    answer = Slow(headers=[(b"content-length", b"100000")], chunks=[b"x" * 99_999])
    stream = await opened(world, answer, browser)
    world.bffs[0].drain()
    await asyncio.sleep(0.1)
    answer.go_on(b"y")
    await stream.over()

    assert (100_000, True) == (len(stream.body), stream.is_complete)


async def test_download_keeps_its_session_and_events_do_not(world, browser):
    """Somebody asked for the one; the other goes on when nobody is there."""
    live = await live_of(world, browser)
    for headers, is_kept in [(EVENTS, False), ([], True)]:
        answer = Slow(headers=headers, chunks=[b"1"])
        stream = await opened(world, answer, browser)
        world.clock.advance(60)
        before = live.idle_expires_at
        answer.go_on(b"2")
        await eventually(lambda stream=stream: stream.body.endswith(b"2"))
        await asyncio.sleep(0.02)
        assert is_kept is (live.idle_expires_at > before)
        stream.task.cancel()
        await asyncio.wait([stream.task])


async def test_stream_of_nobody_s_is_cut_at_the_drain_alone():
    """A route without a session has none that could end."""
    routes = (ApiSettings("/api", "http://upstream.test", token=TokenKind.NONE, csrf=Csrf.OFF),)
    async with World(settings=replace(make_settings(), api=routes)) as world:
        stream = await opened(world, Slow(headers=EVENTS, chunks=[b"1"]), world.browser())
        assert not stream.task.done()
        world.bffs[0].drain()
        await stream.over()

        assert not stream.is_complete
