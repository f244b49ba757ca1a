"""Limits from end to end: who is refused, how, and who is not."""

import asyncio
from dataclasses import replace

import pytest

from bff.config.settings import ApiSettings, LimitsSettings, TokenKind
from bff.config.value_types import Rate
from tests.internet import World, make_settings, settle

UPSTREAM = "http://upstream.test"


NO_RATES = LimitsSettings()


def settings(limits: LimitsSettings = NO_RATES, **server: int):
    """A world's settings with these limits."""
    base = make_settings()
    public = ApiSettings("/public", f"{UPSTREAM}/public", token=TokenKind.NONE)
    return replace(base, limits=limits, server=replace(base.server, **server), api=(*base.api, public))


async def statuses(browser, target, times):
    """The statuses of so many calls in a row."""
    return [(await browser.get(target)).status for _ in range(times)]


async def test_session_that_asks_too_often_is_refused_and_others_are_not():
    """With what a client needs to know; the session goes on (RFC 6585 §4)."""
    async with World(settings=settings(LimitsSettings(per_session=Rate(2, 3600)))) as world:
        hasty, other = world.browser(), world.browser()
        for browser in (hasty, other):
            await browser.log_in()
        first = await statuses(hasty, "/api/x", 3)
        answer = await hasty.get("/api/x")
        public = await statuses(hasty, "/public/x", 3)

        assert [200, 200, 429] == first
        assert "too_many_requests" == answer.code
        assert '"session";q=2;w=3600' == answer.header("ratelimit-policy")
        assert f'"session";r=0;t={answer.header("retry-after")}' == answer.header("ratelimit")
        assert [200, 200] == await statuses(other, "/api/x", 2)
        assert [200, 200, 200] == public
        assert await hasty.user() is not None
        assert 7 == len(world.upstream.seen)
        (told,) = world.told("limits.reached")
        assert ("session", 1) == (told["limit"], told["refused"])


async def test_address_that_asks_too_often_is_refused_before_anything_else():
    """Whoever it is: 429 even without a session."""
    async with World(settings=settings(LimitsSettings(per_address=Rate(2, 3600)))) as world:
        browser = world.browser()
        await browser.log_in()

        assert [200, 200, 429] == await statuses(browser, "/public/x", 3)
        assert [429] == await statuses(world.browser(), "/api/x", 1)
        assert 200 == (await browser.get("/bff/user")).status


@pytest.mark.parametrize(
    "junk", ["/bff/callback", "/bff/callback?code=x&state=y", "/bff/login?return_to=https://e"]
)
async def test_logins_and_junk_callbacks_of_an_address_are_bounded(junk):
    """Before anything is looked up, and with a page for the person (RFC 9700 §4.2.4)."""
    async with World(settings=settings(LimitsSettings(logins_per_address=Rate(3, 3600)))) as world:
        browser = world.browser()
        before = [(await browser.get(junk, csrf=False)).status for _ in range(3)]
        asked = world.op.count("token")
        refused = await browser.get(junk, csrf=False, headers={"sec-fetch-mode": "navigate"})
        login = await browser.get("/bff/login", csrf=False)

        assert 429 not in before
        assert (429, 429) == (refused.status, login.status)
        assert '"login";q=3;w=3600' == login.header("ratelimit-policy")
        assert "text/html" in (refused.header("content-type") or "")
        assert refused.header("retry-after") is not None
        assert asked == world.op.count("token") == 0
        assert 401 == (await browser.get("/bff/user")).status


async def test_calls_under_way_are_bounded_in_all_and_by_session():
    """One session leaves room for others, and the worker for itself; places come back."""
    limits = {"max_concurrent_requests": 3, "max_concurrent_per_session": 2}
    async with World(settings=settings(**limits)) as world:
        one, two = world.browser(), world.browser()
        for browser in (one, two):
            await browser.log_in()
        world.upstream.gate = asyncio.Event()
        held = [asyncio.create_task(one.get("/api/slow")) for _ in range(2)]
        await settle()
        mine = await one.get("/api/x")
        held.append(asyncio.create_task(two.get("/api/slow")))
        await settle()
        busy = await two.get("/api/x")
        own = await two.get("/bff/user")
        world.upstream.gate.set()
        done = [(await task).status for task in held]

        assert (429, "too_many_requests", "1") == (mine.status, mine.code, mine.header("retry-after"))
        assert (503, "server_busy", "1") == (busy.status, busy.code, busy.header("retry-after"))
        assert 200 == own.status
        assert [200, 200, 200] == done
        assert [200, 200] == await statuses(one, "/api/x", 2)


async def test_workers_share_the_places():
    """Four places for two workers are two for each."""
    base = settings(max_concurrent_requests=4, workers=2)
    async with World(settings=base) as world:
        browser = world.browser()
        await browser.log_in()
        world.upstream.gate = asyncio.Event()
        held = [asyncio.create_task(browser.get("/api/slow")) for _ in range(2)]
        await settle()
        third = await browser.get("/api/x")
        world.upstream.gate.set()

        assert 503 == third.status
        assert [200, 200] == [(await task).status for task in held]
