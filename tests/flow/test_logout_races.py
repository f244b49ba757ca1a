"""A logout that meets something else under way wins, whatever the moment at which they meet."""

import asyncio
import contextlib

import pytest

from tests.internet import COOKIE, PATIENCE, World, eventually, settle

EXPIRED, DUE = 296, 250
POINTS = ["acquire", "load", "token", "replace", "replace done", "release", "release done"]


def hold(world, point):
    """Hold the next call of the store, or the issuer's answers; return how to wait for it and how to let it go."""
    if point == "token":
        gate = world.op.hold("token")
        asked = world.refreshes()
        return lambda: eventually(lambda: asked < world.refreshes()), gate.set
    gate = world.store.hold(point.split()[0], done=point.endswith("done"))
    return gate.reached.wait, gate.open


async def live_records(world):
    return await world.store.inner.find(now=world.clock())


def issued_refresh_tokens(world):
    """Every refresh token that the issuer gave, and has neither taken back nor spent."""
    return {token for token in world.op._desk._refresh_tokens if not world.op.is_revoked(token)}


@pytest.fixture(params=["same worker", "another worker"])
async def logging_out(request):
    """A signed-in browser with an expired token in a worker's memory, and the browser that logs it out."""
    async with World(workers=2) as world:
        browser = world.browser()
        await browser.log_in()
        await browser.get("/api/tasks")
        yield world, browser, browser.at(0 if request.param == "same worker" else 1)


@pytest.mark.parametrize("age", [DUE, EXPIRED])
@pytest.mark.parametrize("point", POINTS)
async def test_logout_wins_over_a_renewal(logging_out, point, age):
    """Logging out while a renewal stands at any of its steps: no session, no usable token is left anywhere."""
    world, browser, other = logging_out
    world.clock.advance(age)
    cookie = browser.cookies[COOKIE]
    await world.bffs[0].sessions.load(cookie.encode(), world.clock())
    reached, let_go = hold(world, point)
    waiting = asyncio.ensure_future(browser.get("/api/tasks"))
    await asyncio.wait_for(reached(), PATIENCE)

    done = await other.post("/bff/logout")
    let_go()
    answer = await asyncio.wait_for(waiting, PATIENCE)
    await settle()
    await eventually(lambda: 0 == len(world.bffs[0].renewer._running))

    assert (200, {}) == (done.status, browser.cookies)
    if age == EXPIRED:
        assert ("session_expired", "logout") == (answer.code, answer.document["reason"])
    assert [] == await live_records(world)
    await eventually(lambda: set() == issued_refresh_tokens(world))
    for worker in (0, 1):
        again = browser.at(worker)
        again.cookies = {COOKIE: cookie}
        replayed = await again.get("/api/tasks")
        assert ("session_expired", "logout") == (replayed.code, replayed.document["reason"])
    assert [] == world.told("renewal.refused")


async def test_logout_at_the_store_s_pace_does_not_wait_for_a_renewal(world):
    """A renewal that hangs at the issuer holds no logout up."""
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)
    waiting = asyncio.ensure_future(browser.get("/api/tasks"))
    await eventually(lambda: 1 == world.refreshes())

    async with asyncio.timeout(PATIENCE):
        assert 200 == (await browser.post("/bff/logout")).status

    held.set()
    assert "session_expired" == (await waiting).code


async def test_request_that_read_the_session_before_the_logout_does_not_revive_it(two_workers):
    """A read that began before the logout and ends after it is not believed, not even by the cache."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    cookie = browser.cookies[COOKIE]
    gate = world.store.hold("load", done=True)
    reading = asyncio.ensure_future(browser.get("/api/tasks"))
    await asyncio.wait_for(gate.reached.wait(), PATIENCE)

    await browser.at(1).post("/bff/logout")
    await settle()
    gate.open()
    await reading

    browser.cookies[COOKIE] = cookie
    assert "session_expired" == (await browser.get("/api/tasks")).code


async def test_warm_session_dies_everywhere_with_its_logout(two_workers):
    """The push reaches a worker that has the session in memory before its next request does."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    cookie = browser.cookies[COOKIE]
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")
    reads = world.store.times("load")
    for worker in (0, 1):
        assert 200 == (await browser.at(worker).get("/api/tasks")).status
    assert reads == world.store.times("load")

    await browser.at(1).post("/bff/logout")
    await settle()

    for worker in (0, 1):
        again = browser.at(worker)
        again.cookies = {COOKIE: cookie}
        assert "session_expired" == (await again.get("/api/tasks")).code


async def test_two_logouts_at_once_are_one(two_workers):
    """Two tabs log out together, at two workers: both are told that it is done, and it is done once."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    tabs = [browser.at(0), browser.at(1)]
    for tab in tabs:
        tab.cookies = dict(browser.cookies)

    answers = await asyncio.gather(*(tab.post("/bff/logout") for tab in tabs))
    await settle()

    assert [200, 200] == [answer.status for answer in answers]
    assert [] == await live_records(world)
    await eventually(lambda: set() == issued_refresh_tokens(world))


async def test_slide_under_way_does_not_undo_a_logout(world):
    """A use that is being written when the session ends changes nothing."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(70)
    gate = world.store.hold("touch")
    await browser.get("/api/tasks")
    await asyncio.wait_for(gate.reached.wait(), PATIENCE)
    await browser.post("/bff/logout")
    gate.open()
    await settle()

    assert [] == await live_records(world)


async def test_api_answer_in_flight_carries_no_cookie(world):
    """An answer that comes after the logout sets nothing, so that it cannot bring the cookie back."""
    browser = world.browser()
    await browser.log_in()
    world.upstream.gate = asyncio.Event()
    waiting = asyncio.ensure_future(browser.get("/api/tasks"))
    await eventually(lambda: 1 == len(world.upstream.seen))
    await browser.post("/bff/logout")
    world.upstream.gate.set()

    assert (200, []) == ((await waiting).status, (await waiting).set_cookies)
    assert {} == browser.cookies


async def test_logout_is_refused_while_the_store_is_away(world):
    """A logout that cannot be written says so: nobody believes that they are out while their session lives on."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")
    world.store.fail("end")

    answer = await browser.post("/bff/logout")

    assert (503, "session_store_unavailable") == (answer.status, answer.code)
    assert {COOKIE} == set(browser.cookies)
    assert 200 == (await browser.get("/api/tasks")).status
    assert 200 == (await browser.post("/bff/logout")).status


@pytest.mark.parametrize("cancelled_at", ["end", "end done"])
async def test_logout_whose_browser_leaves_in_the_middle_is_whole_or_not_at_all(world, cancelled_at):
    """The page is closed while the logout is written: if it was, the tokens are revoked in the end."""
    browser = world.browser()
    await browser.log_in()
    cookie = browser.cookies[COOKIE]
    reached, let_go = hold(world, cancelled_at)
    leaving = asyncio.ensure_future(browser.post("/bff/logout"))
    await asyncio.wait_for(reached(), PATIENCE)
    leaving.cancel()
    let_go()
    with contextlib.suppress(asyncio.CancelledError):
        await leaving
    await settle()

    browser.cookies[COOKIE] = cookie
    answer = await browser.get("/api/tasks")
    if cancelled_at == "end":
        assert 200 == answer.status
    else:
        assert "session_expired" == answer.code
        await eventually(lambda: set() == issued_refresh_tokens(world))


async def test_second_logout_by_the_issuer_within_minutes_stops_a_login_too(world):
    """A login that the second of two logouts overtakes is held to that one, and not to the first."""
    browser = world.browser()
    await browser.log_in()
    await world.back_channel_logout()
    world.clock.advance(60)
    gate = world.store.hold("create")
    finishing = asyncio.ensure_future(browser.finish_login(await browser.begin_login()))
    await asyncio.wait_for(gate.reached.wait(), PATIENCE)
    world.clock.advance(1)

    assert 200 == (await world.back_channel_logout()).status
    gate.open()
    answer = await finishing

    assert (400, "logged_out_meanwhile") == (answer.status, world.told("login.failed")[-1]["reason"])
    assert [] == await live_records(world)


@pytest.mark.parametrize("behind", [-25, 25])
async def test_logout_by_an_issuer_whose_clock_is_off_ends_the_session(behind):
    """Whatever tokens.clock_skew bears at the login, it bears at the logout (OIDC Back-Channel Logout §2.6)."""
    async with World() as world:
        world.op.clock = lambda: world.clock() - behind
        browser = world.browser()
        await browser.log_in()
        world.clock.advance(2)

        assert 200 == (await world.back_channel_logout()).status

        assert await browser.user() is None
