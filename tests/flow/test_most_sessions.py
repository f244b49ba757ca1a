"""How many sessions a user may have at once."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bff.config.settings import AtRest, OnTooMany
from tests.internet import World, eventually, make_settings


@asynccontextmanager
async def allowing(most, on_too_many, workers=1):
    settings = make_settings(max_per_user=most, on_too_many=on_too_many)
    async with World(settings=settings, workers=workers) as world:
        yield world


async def sessions_of(world):
    """How many sessions live in the store."""
    return len(await world.store.inner.find(now=world.clock()))


async def test_oldest_session_makes_room_for_one_too_many():
    """A third login ends the first session on every worker: a reason, an audit event, its tokens revoked."""
    async with allowing(2, OnTooMany.END_OLDEST, workers=2) as world:
        first, second, third = world.browser(), world.browser(), world.browser(1)
        await first.log_in()
        ending = await first.user()
        world.clock.advance(10)
        await second.log_in()
        world.clock.advance(10)
        await third.log_in()

        refused = await first.get("/api/tasks")
        assert ("session_expired", "too_many_sessions") == (refused.code, refused.document["reason"])
        assert [200, 200] == [(await browser.get("/api/tasks")).status for browser in (second, third)]
        (told,) = world.told("session.displaced")
        assert (ending["session"]["id"], "too_many_sessions") == (told["session"], told["reason"])
        assert told["displaced_by"] == (await third.user())["session"]["id"]
        await eventually(lambda: world.op.count("revoke") >= 1)


async def test_login_over_the_limit_is_refused_with_a_page():
    """Where new logins are refused, a page says what to do; no cookie is set and the tokens are revoked."""
    async with allowing(1, OnTooMany.REFUSE) as world:
        first, second = world.browser(), world.browser()
        await first.log_in()

        url = await second.begin_login()
        refused = await second.finish_login(url)

        assert 403 == refused.status
        assert ("login_failed", "too_many_sessions") == (refused.code, world.told("login.failed")[-1]["reason"])
        assert "Sign out in one of them" in refused.document["detail"]
        assert {} == second.cookies
        assert 200 == (await first.get("/api/tasks")).status
        assert 1 == await sessions_of(world)
        await eventually(lambda: world.op.count("revoke") >= 1)


async def test_place_is_free_again_after_a_logout():
    """Whoever signs out makes room."""
    async with allowing(1, OnTooMany.REFUSE) as world:
        first, second = world.browser(), world.browser()
        await first.log_in()
        await first.post("/bff/logout")

        await second.log_in()

        assert 200 == (await second.get("/api/tasks")).status


@pytest.mark.parametrize("on_too_many", OnTooMany)
async def test_signing_in_again_in_the_same_browser_takes_no_further_place(on_too_many):
    """A step-up, or a second login, replaces the browser's own session."""
    async with allowing(1, on_too_many) as world:
        browser = world.browser()
        for _ in range(3):
            await browser.log_in()

        assert 200 == (await browser.get("/api/tasks")).status
        assert 1 == await sessions_of(world)
        assert [] == world.told("session.displaced")


async def test_other_users_have_their_own_places():
    """The limit is each user's."""
    async with allowing(1, OnTooMany.REFUSE) as world:
        alice, bob = world.browser(), world.browser()
        await alice.log_in()
        world.op.sub = "bob"

        await bob.log_in()

        assert [200, 200] == [(await browser.get("/api/tasks")).status for browser in (alice, bob)]


@pytest.mark.parametrize("on_too_many", OnTooMany)
async def test_parallel_logins_leave_exactly_as_many_as_allowed(on_too_many):
    """Of six logins at two workers at once, as many get a session as may: neither more nor fewer."""
    async with allowing(2, on_too_many, workers=2) as world:
        browsers = [world.browser(number % 2) for number in range(6)]
        urls = [await browser.begin_login() for browser in browsers]

        await asyncio.gather(*(browser.finish_login(url) for browser, url in zip(browsers, urls, strict=True)))

        assert 2 == await sessions_of(world)
        statuses = [(await browser.get("/api/tasks")).status for browser in browsers]
        assert [200, 200] == [status for status in statuses if status == 200]


@pytest.mark.parametrize("step", ["find", "recall", "acquire"])
async def test_store_that_fails_in_the_middle_of_a_login_leaves_no_session_behind(step):
    """The login is answered with 503, and its session takes no place for long."""
    async with allowing(1, OnTooMany.REFUSE) as world:
        browser = world.browser()
        url = await browser.begin_login()
        world.store.fail(step)

        failed = await browser.finish_login(url)

        assert (503, "session_store_unavailable") == (failed.status, failed.code)
        async with asyncio.timeout(30):
            while await sessions_of(world):  # noqa: ASYNC110 -- the store has no event for it
                await asyncio.sleep(0.01)
        await browser.log_in()
        assert 200 == (await browser.get("/api/tasks")).status


async def test_records_that_open_without_their_cookie_are_revoked_by_whoever_ends_them():
    """With `at_rest = "server"` the tokens of a session that no worker has warm are revoked at once."""
    settings = make_settings(max_per_user=1, at_rest=AtRest.SERVER)
    async with World(settings=settings, workers=2) as world:
        first, second = world.browser(), world.browser(1)
        await first.log_in()

        await second.log_in()

        await eventually(lambda: world.op.count("revoke") >= 1)
        assert "session_expired" == (await first.get("/api/tasks")).code
