"""Attacks on sessions by whoever has a copy of the cookie, or logs in more often than is allowed."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bff.config.settings import BindingMode, OnTooMany, Trait
from tests.internet import COOKIE, World, make_settings

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/137.0.0.0 Safari/537.36"
ELSEWHERE = [(CHROME, "192.0.2.7"), (FIREFOX, "198.51.100.9"), (None, "192.0.2.7"), (CHROME, "2001:db8::1")]
NAMES = ["another browser", "another network", "no name at all", "both"]


@asynccontextmanager
async def bound(mode=BindingMode.ENFORCE, **session):
    async with World(settings=make_settings(binding=mode, **session), workers=2) as world:
        yield world


async def victim_of(world):
    """Somebody who is signed in."""
    browser = world.browser()
    browser.user_agent = FIREFOX
    await browser.log_in()
    return browser


def thief_of(world, victim, user_agent, address):
    """A browser with a copy of the cookie."""
    thief = world.browser()
    thief.cookies[COOKIE] = victim.cookies[COOKIE]
    thief.strict.add(COOKIE)
    thief.user_agent, thief.address = user_agent, address
    return thief


@pytest.mark.parametrize(("user_agent", "address"), ELSEWHERE, ids=NAMES)
@pytest.mark.parametrize("worker", [0, 1], ids=["warm", "cold"])
async def test_copied_cookie_reaches_nothing_from_elsewhere(user_agent, address, worker):
    """API, user and events are refused, by a worker that knows the session and by one that does not."""
    async with bound() as world:
        victim = await victim_of(world)
        await victim.get("/api/tasks")
        thief = thief_of(world, victim, user_agent, address).at(worker)

        for target in ("/api/tasks", "/bff/user", "/bff/events"):
            headers = {"sec-fetch-site": "same-origin"}
            refused = await thief.get(target, headers=headers)
            assert (401, "session_elsewhere") == (refused.status, refused.code)
            assert [] == refused.set_cookies
        assert 1 == len(world.upstream.seen)
        assert 200 == (await victim.get("/api/tasks")).status


@pytest.mark.parametrize(("user_agent", "address"), ELSEWHERE, ids=NAMES)
async def test_copied_cookie_cannot_sign_its_user_out(user_agent, address):
    """Neither a logout nor a login of the thief's own ends the victim's session."""
    async with bound() as world:
        victim = await victim_of(world)
        handle = (await victim.user())["session"]["id"]
        thief = thief_of(world, victim, user_agent, address)

        assert "session_elsewhere" == (await thief.post("/bff/logout")).code
        assert "session_elsewhere" == (await thief.get(f"/bff/logout?sid={handle}", csrf=False)).code
        world.op.sub = "mallory"
        await thief.log_in()

        assert "mallory" == (await thief.user())["sub"]
        assert handle == (await victim.user())["session"]["id"]


async def test_user_who_signs_in_again_from_elsewhere_replaces_the_session():
    """Who has moved to another network is not left with two sessions, and not locked out by a limit."""
    async with bound(max_per_user=1, on_too_many=OnTooMany.REFUSE) as world:
        victim = await victim_of(world)
        cookie = victim.cookies[COOKIE]
        victim.address = "198.51.100.9"

        await victim.log_in()

        assert 200 == (await victim.get("/api/tasks")).status
        victim.cookies[COOKIE], victim.address = cookie, "192.0.2.7"
        assert "session_expired" == (await victim.get("/api/tasks")).code


async def test_copied_cookie_does_not_keep_the_session_alive():
    """A refused request is no use of the session: its idle end comes all the same."""
    async with bound() as world:
        victim = await victim_of(world)
        thief = thief_of(world, victim, CHROME, "198.51.100.9")
        for _ in range(4):
            world.clock.advance(1000)
            await thief.get("/api/tasks")

        assert "session_expired" == (await victim.get("/api/tasks")).code


async def test_mismatch_is_told_once_a_minute_and_holds_no_secret():
    """A flood of replays makes one audit line a minute for each session: what differs, and from where."""
    async with bound() as world:
        victim = await victim_of(world)
        thief = thief_of(world, victim, CHROME, "198.51.100.9")
        for _ in range(5):
            await thief.get("/api/tasks")
        world.clock.advance(61)
        await thief.get("/api/tasks")

        told = world.told("session.elsewhere")
        assert 2 == len(told)
        assert ("user_agent_and_network", "denied", "198.51.100.9") == (
            told[0]["reason"],
            told[0]["outcome"],
            told[0]["address"],
        )
        assert {"user_agent": "firefox on linux", "network": "192.0.2.0/24"} == told[0]["began_with"]
        assert victim.cookies[COOKIE] not in str(world.events)


async def test_reported_mismatch_goes_on():
    """Report-only tells and refuses nothing."""
    async with bound(BindingMode.REPORT) as world:
        victim = await victim_of(world)
        thief = thief_of(world, victim, CHROME, "198.51.100.9")

        assert 200 == (await thief.get("/api/tasks")).status
        assert ["reported"] == [told["outcome"] for told in world.told("session.elsewhere")]


async def test_honest_changes_are_no_mismatch():
    """An updated browser in the same network, and a trait that is not compared, change nothing."""
    async with bound(binding_traits=(Trait.USER_AGENT,)) as world:
        victim = await victim_of(world)
        victim.user_agent = FIREFOX.replace("140.0", "141.0")
        victim.address = "203.0.113.50"

        assert 200 == (await victim.get("/api/tasks")).status
        assert [] == world.told("session.elsewhere")


async def test_session_that_began_unbound_is_not_compared():
    """Switching binding on logs nobody out."""
    async with World(settings=make_settings()) as world:
        victim = await victim_of(world)
        await world.start_worker(session=make_settings(binding=BindingMode.ENFORCE).session)
        victim.address = "198.51.100.9"

        assert 200 == (await victim.at(1).get("/api/tasks")).status


@pytest.mark.parametrize("on_too_many", OnTooMany)
async def test_parallel_logins_never_get_more_sessions_than_allowed(on_too_many):
    """Ten logins at once, at two workers and with a slow store, leave one session that works, and no more."""
    settings = make_settings(max_per_user=1, on_too_many=on_too_many)
    async with World(settings=settings, workers=2) as world:
        browsers = [world.browser(number % 2) for number in range(10)]
        urls = [await browser.begin_login() for browser in browsers]
        gates = [world.store.hold("find") for _ in range(2)]
        logins = [
            asyncio.ensure_future(browser.finish_login(url)) for browser, url in zip(browsers, urls, strict=True)
        ]
        await asyncio.wait_for(gates[0].reached.wait(), 30)
        for gate in gates:
            gate.open()
        await asyncio.gather(*logins)

        statuses = [(await browser.get("/api/tasks")).status for browser in browsers]
        assert [200] == [status for status in statuses if status == 200]
        assert 1 == len(await world.store.inner.find(now=world.clock()))
