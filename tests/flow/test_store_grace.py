"""A store that is away: what goes on for a while where that is wanted, and what does not."""

from contextlib import asynccontextmanager

import pytest

from tests.internet import COOKIE, World, make_settings, settle

GRACE = 120
EXPIRED = 296


@asynccontextmanager
async def graceful(workers=1, seconds=GRACE):
    async with World(settings=make_settings(store_grace=seconds), workers=workers) as world:
        yield world


async def lose_store(world):
    """The store goes, and its pushes with it."""
    world.store.down = True
    world.store.lose_pushes()
    await settle()


async def find_store(world):
    """It is back."""
    world.store.down = False
    world.store.restore_pushes()
    await settle()


async def warm(world):
    """A browser whose session the worker knows."""
    browser = world.browser()
    await browser.log_in()
    assert 200 == (await browser.get("/api/tasks")).status
    return browser


async def ended_unheard(world):
    """A browser with the cookie of a session that the other worker has ended, of which its own has not heard."""
    browser = await warm(world)
    cookie = browser.cookies[COOKIE]
    world.store.lose_pushes()
    await settle()
    await browser.at(1).post("/bff/logout")
    browser.cookies[COOKIE] = cookie
    return browser, cookie


def is_503(response):
    return (503, "session_store_unavailable") == (response.status, response.code) and response.header("retry-after")


async def test_without_a_grace_nothing_goes_on(world):
    """The default: a session that cannot be looked up is answered with 503 and Retry-After, and lives."""
    browser = await warm(world)
    await lose_store(world)

    assert is_503(await browser.get("/api/tasks"))

    await find_store(world)
    assert 200 == (await browser.get("/api/tasks")).status


async def test_warm_sessions_go_on_for_the_grace_and_no_longer():
    """Calls and /bff/user are served from memory; at its end they are 503, and then all is well again."""
    async with graceful() as world:
        browser = await warm(world)
        await lose_store(world)
        for seconds in (1, 58, 60):
            world.clock.advance(seconds)
            assert 200 == (await browser.get("/api/tasks")).status
            assert 200 == (await browser.get("/bff/user")).status

        world.clock.advance(2)
        assert is_503(await browser.get("/api/tasks"))

        await find_store(world)
        assert 200 == (await browser.get("/api/tasks")).status


async def test_store_that_is_away_is_asked_once_a_second():
    """Warm requests do not wait for a store that hangs: one a second asks it, the others go on."""
    async with graceful() as world:
        browser = await warm(world)
        await lose_store(world)
        await browser.get("/api/tasks")
        before = world.store.times("load")

        for _ in range(20):
            world.clock.advance(0.1)
            assert 200 == (await browser.get("/api/tasks")).status

        assert 1 <= world.store.times("load") - before <= 3


async def test_what_the_worker_does_not_know_is_503():
    """A cold session, a login and a callback have nothing to go on."""
    async with graceful(workers=2) as world:
        browser = await warm(world)
        newcomer = world.browser()
        url = await newcomer.begin_login()
        await lose_store(world)

        assert is_503(await browser.at(1).get("/api/tasks"))
        assert is_503(await newcomer.finish_login(url))


async def test_session_that_ended_before_the_loss_is_not_served_in_the_grace():
    """What was pushed is known: the grace brings nothing back."""
    async with graceful(workers=2) as world:
        browser = await warm(world)
        cookie = browser.cookies[COOKIE]
        await browser.at(1).post("/bff/logout")
        await settle()
        await lose_store(world)

        browser.cookies[COOKIE] = cookie
        assert is_503(await browser.get("/api/tasks"))


async def test_session_that_the_store_has_said_is_over_is_not_served_in_the_grace():
    """Unheard, but told to a request since: what is known to have ended is not brought back by the store's loss."""
    async with graceful(workers=2) as world:
        browser, cookie = await ended_unheard(world)
        assert "session_expired" == (await browser.get("/api/tasks")).code

        world.store.down = True
        browser.cookies[COOKIE] = cookie

        assert is_503(await browser.get("/api/tasks"))


async def test_caches_are_not_believed_when_the_store_is_back():
    """A session that was ended in the gap, unheard, is refused by the first request after it."""
    async with graceful(workers=2) as world:
        browser, _ = await ended_unheard(world)
        world.store.down = True
        assert 200 == (await browser.get("/api/tasks")).status

        await find_store(world)

        assert "session_expired" == (await browser.get("/api/tasks")).code


@pytest.mark.parametrize("how", ["script", "navigation"])
async def test_logout_in_the_grace_is_not_claimed_to_be_done(how):
    """It could be recorded nowhere: 503, the cookie is kept, and the next try ends the session for good."""
    async with graceful() as world:
        browser = await warm(world)
        url = (await browser.user())["logout_url"]
        await lose_store(world)

        async def log_out():
            return await (browser.post("/bff/logout") if how == "script" else browser.get(url, csrf=False))

        refused = await log_out()
        assert is_503(refused)
        assert [] == refused.set_cookies
        assert [] == world.told("logout.done")

        await find_store(world)
        cookie = browser.cookies[COOKIE]
        assert (await log_out()).status in {200, 303}
        browser.cookies[COOKIE] = cookie
        assert "session_expired" == (await browser.get("/api/tasks")).code


async def test_no_refresh_token_is_spent_in_the_grace():
    """A session goes on with the token it has, and is 503 when that has expired; the issuer is not asked."""
    async with graceful(seconds=600) as world:
        browser = await warm(world)
        world.clock.advance(250)
        await lose_store(world)
        world.clock.advance(20)
        assert 200 == (await browser.get("/api/tasks")).status
        world.clock.advance(EXPIRED - 270)
        expired = await browser.get("/api/tasks")
        assert 503 == expired.status
        assert 0 == world.refreshes()

        await find_store(world)
        world.clock.advance(60)
        assert 200 == (await browser.get("/api/tasks")).status
        assert 1 == world.refreshes()


async def test_use_in_the_grace_counts():
    """The idle end that could not be written is written with the first use after it."""
    async with World(settings=make_settings(idle_timeout=600.0, store_grace=300.0)) as world:
        browser = await warm(world)
        world.clock.advance(200)
        await lose_store(world)
        world.clock.advance(20)
        assert 200 == (await browser.get("/api/tasks")).status
        await settle()
        await find_store(world)
        assert 200 == (await browser.get("/api/tasks")).status
        await settle()
        (record,) = await world.store.inner.find(now=world.clock())

        assert world.clock() + 600 == record.idle_expires_at
