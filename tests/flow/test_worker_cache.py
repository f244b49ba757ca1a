"""What a worker remembers of a session, and when it must not believe it."""

import asyncio

import pytest

from bff.session.records import Change, ChangeKind
from tests.internet import COOKIE, PATIENCE, World, eventually, make_settings, settle
from tests.neg_op import Reply

EXPIRED, DUE = 296, 250


async def reads(world, browser, requests=1):
    """Make requests and return how often the store was read for them."""
    before = world.store.times("load")
    for _ in range(requests):
        assert 200 == (await browser.get("/api/tasks")).status
    return world.store.times("load") - before


async def test_warm_session_needs_no_store(world):
    """After the first request the worker asks the store no more, for half a minute."""
    browser = world.browser()
    await browser.log_in()

    assert [1, 0] == [await reads(world, browser), await reads(world, browser, 50)]
    world.clock.advance(29)
    assert 0 == await reads(world, browser)
    world.clock.advance(2)
    assert [1, 0] == [await reads(world, browser), await reads(world, browser)]


async def test_nothing_is_believed_while_pushes_are_lost(world):
    """While changes may be missed every request reads the store; once they are heard again, the cache serves."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")

    world.store.lose_pushes()
    await settle()
    assert 5 == await reads(world, browser, 5)

    world.store.restore_pushes()
    await settle()
    assert 1 == await reads(world, browser, 5)


async def test_session_that_ended_in_the_gap_is_not_served_after_it(two_workers):
    """A logout that no push told of is seen by the next request, whether pushes are back by then or not."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    cookie = browser.cookies[COOKIE]
    await browser.get("/api/tasks")
    world.store.lose_pushes()
    await settle()
    await browser.at(1).post("/bff/logout")
    world.store.restore_pushes()
    await settle()

    browser.cookies[COOKIE] = cookie
    assert "session_expired" == (await browser.get("/api/tasks")).code


async def test_read_that_began_before_a_gap_is_not_remembered(two_workers):
    """Pushes are lost and come back while the store is being read: what was read then is not kept."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    cookie = browser.cookies[COOKIE]
    gate = world.store.hold("load", done=True)
    reading = asyncio.ensure_future(browser.get("/api/tasks"))
    await asyncio.wait_for(gate.reached.wait(), PATIENCE)
    world.store.lose_pushes()
    await settle()
    await browser.at(1).post("/bff/logout")
    world.store.restore_pushes()
    await settle()
    gate.open()
    await reading

    browser.cookies[COOKIE] = cookie
    assert "session_expired" == (await browser.get("/api/tasks")).code


async def test_uses_are_written_once_a_minute_even_while_pushes_are_lost(world):
    """Sliding costs one write a minute, whether or not the worker may believe what it remembers."""
    browser = world.browser()
    await browser.log_in()
    world.store.lose_pushes()
    await settle()
    world.clock.advance(61)

    for _ in range(20):
        await browser.get("/api/tasks")
    await settle()

    assert 1 == world.store.times("touch")


async def test_back_off_holds_even_while_pushes_are_lost(world):
    """An issuer that is away is not asked by every request because the store's pushes are away as well."""
    browser = world.browser()
    await browser.log_in()
    world.store.lose_pushes()
    await settle()
    world.op.always("token", Reply(503))
    world.clock.advance(EXPIRED)

    answers = [await browser.get("/api/tasks") for _ in range(10)]

    assert [503] * 10 == [answer.status for answer in answers]
    assert 1 == world.refreshes()


async def test_renewal_by_one_worker_reaches_the_other_without_a_request(two_workers):
    """The push has the other worker read the new tokens before its next request comes."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")
    world.clock.advance(20)
    await browser.at(1).get("/api/tasks")
    world.clock.advance(DUE - 20)
    await browser.at(0).get("/api/tasks")
    await eventually(lambda: world.told("renewal.done"))
    await settle()

    first, second = [(bff.sessions._by_key.values()) for bff in world.bffs]
    assert [live.tokens for live in first] == [live.tokens for live in second]
    assert 1 == world.refreshes()


async def test_hundred_requests_at_two_workers_cause_one_refresh(two_workers):
    """The loser of the lease waits for the winner's push, and never calls the issuer."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")
    world.clock.advance(EXPIRED)

    answers = await asyncio.gather(*(browser.at(number % 2).get("/api/tasks") for number in range(100)))

    assert [200] * 100 == [answer.status for answer in answers]
    assert 1 == world.refreshes()
    assert 1 == len({sent.header("authorization")[0] for sent in world.upstream.seen[2:]})


async def test_loser_of_the_lease_hears_that_the_session_is_over(two_workers):
    """The issuer refuses the winner for good: the loser's requests are told the same, and ask nobody."""
    from tests.neg_op import json_reply

    world = two_workers
    browser = world.browser()
    await browser.log_in()
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")
    held = world.op.hold("token")
    world.op.always("token", json_reply({"error": "invalid_grant"}, 400))
    world.clock.advance(EXPIRED)
    waiting = [asyncio.ensure_future(browser.at(number % 2).get("/api/tasks")) for number in range(10)]
    await eventually(lambda: 1 == world.refreshes())
    await settle()
    held.set()

    answers = await asyncio.gather(*waiting)

    assert [("session_expired", "renewal_refused")] * 10 == [
        (answer.code, answer.document["reason"]) for answer in answers
    ]
    assert (1, 1) == (world.refreshes(), len(world.told("renewal.refused")))


async def test_loser_of_the_lease_tries_itself_when_the_winner_gives_up(two_workers):
    """The winner meets a transient fault and gives the lease back: the loser is woken, and is the next to ask."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")
    held = world.op.hold("token")
    world.op.script("token", Reply(503))
    world.clock.advance(EXPIRED)
    one = asyncio.ensure_future(browser.at(0).get("/api/tasks"))
    await eventually(lambda: 1 == world.refreshes())
    two = asyncio.ensure_future(browser.at(1).get("/api/tasks"))
    await settle()
    held.set()

    answers = await asyncio.wait_for(asyncio.gather(one, two), PATIENCE)

    assert [503, 200] == [answer.status for answer in answers]
    assert 2 == world.refreshes()


async def test_waiters_are_woken_when_pushes_are_lost(two_workers):
    """A loser that waits for a push which may never come looks at the store instead."""
    world = two_workers
    browser = world.browser()
    await browser.log_in()
    for worker in (0, 1):
        await browser.at(worker).get("/api/tasks")
    gate = world.store.hold("release")
    world.clock.advance(EXPIRED)
    one = asyncio.ensure_future(browser.at(0).get("/api/tasks"))
    await asyncio.wait_for(gate.reached.wait(), PATIENCE)
    world.store.hold("load").open()
    two = asyncio.ensure_future(browser.at(1).get("/api/tasks"))
    await settle()
    world.store.lose_pushes()

    async with asyncio.timeout(PATIENCE):
        assert 200 == (await two).status
    gate.open()
    assert 200 == (await one).status
    assert 1 == world.refreshes()


async def test_cache_is_bounded():
    """A worker remembers no more sessions than it was told to."""
    async with World(settings=make_settings(cache_size=5)) as world:
        browsers = [world.browser() for _ in range(12)]
        for browser in browsers:
            await browser.log_in()
            await browser.get("/api/tasks")

        assert 5 >= len(world.bffs[0].sessions._by_cookie)
        assert 6 >= len(world.bffs[0].sessions._by_key)
        assert 200 == (await browsers[0].get("/api/tasks")).status


async def test_pushes_about_unknown_sessions_cost_nothing(world):
    """A change of a session that this worker does not hold starts no task and keeps no memory."""
    before = len(asyncio.all_tasks())

    for number in range(100):
        world.store.inner._feed.publish(Change(ChangeKind.ENDED, number.to_bytes(32, "big")))
        world.store.inner._feed.publish(Change(ChangeKind.REPLACED, number.to_bytes(32, "big"), 2))
    await settle()

    assert (before, 0) == (len(asyncio.all_tasks()), world.store.times("load"))


@pytest.mark.parametrize("cookie", ["", "x", "A" * 5000, "AA.BB.CC", "\x80\x81"])
async def test_cookie_that_cannot_be_read_costs_no_store(world, cookie):
    """A foreign, damaged or oversized cookie is signed out, cleared, and never reaches the store."""
    browser = world.browser()
    browser.cookies[COOKIE] = cookie.encode("latin-1").decode("utf-8", "replace")

    answer = await browser.get("/api/tasks", headers={})

    assert "session_required" == answer.code
    assert [
        f"{COOKIE}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=Strict"
    ] == (answer.set_cookies)
    assert 0 == world.store.times("load")
