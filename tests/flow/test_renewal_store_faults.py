"""The store fails at each step of a renewal: no refresh token is lost, none is used twice, nobody is logged out."""

import asyncio

import pytest

from bff.session import renewal
from tests.internet import PATIENCE, World, eventually, settle
from tests.neg_op import json_reply
from tests.oidc_world import NOW

EXPIRED, DUE = 296, 250
STEPS = ["acquire", "load", "replace", "release"]


def spent_twice(world):
    """Refresh tokens that the issuer was shown more than once."""
    used = [seen.form["refresh_token"] for seen in world.op.requests("token", grant_type="refresh_token")]
    return {token for token in used if used.count(token) > 1}


async def renewed_as_the_store_goes(world, browser):
    """A request under way that waits for its renewal: the issuer has answered, and the store is away."""
    held = world.op.hold("token")
    world.clock.advance(EXPIRED)
    waiting = asyncio.ensure_future(browser.get("/api/tasks"))
    await eventually(lambda: 1 == world.refreshes())
    world.store.down = True
    held.set()
    return waiting


@pytest.mark.parametrize("done", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("times", [1, 3])
async def test_store_that_fails_at_one_step_costs_nothing(world, step, done, times):
    """The request is served, or asked to come again; then the session goes on with a token used once."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")
    world.clock.advance(EXPIRED)
    await browser.get("/bff/user?slide=false", headers={"x-csrf": "0"}, csrf=False)  # refused: nothing is warm
    world.store.fail(step, times=times, done=done)

    first = await browser.get("/api/tasks")
    for _ in range(times):
        world.clock.advance(10)
        await browser.get("/api/tasks")
    last = await browser.get("/api/tasks")
    await settle()

    assert first.status in {200, 503}, first
    assert 200 == last.status, last
    assert set() == spent_twice(world)
    assert [] == world.told("renewal.refused")
    assert 1 == world.refreshes()
    for _ in range(3):
        world.clock.advance(EXPIRED)
        assert 200 == (await browser.get("/api/tasks")).status
    assert (4, set()) == (world.refreshes(), spent_twice(world))


async def test_rotated_token_outlives_a_store_that_goes_away_while_the_issuer_answers(world, monkeypatch):
    """What the worker holds is the only copy of the new refresh token: it is written once the store is back."""
    monkeypatch.setattr(renewal, "_WRITE_AGAIN", 0.002)
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(DUE)
    await browser.get("/api/tasks")
    await eventually(lambda: 1 == world.refreshes())
    world.store.down = True
    held.set()
    await eventually(lambda: 5 < world.store.times("replace"))
    world.clock.advance(120)
    assert (503, "session_store_unavailable") == await _status(browser, "/api/tasks")

    world.store.down = False
    await eventually(lambda: world.told("renewal.done"))

    assert 200 == (await browser.get("/api/tasks")).status
    assert (1, set()) == (world.refreshes(), spent_twice(world))


async def _status(browser, target):
    """Ask with nothing warm, so that the store must be asked."""
    for bff in browser.world.bffs:
        bff.sessions._by_cookie.clear()
    answer = await browser.get(target)
    return answer.status, answer.code


async def test_write_that_was_carried_out_is_recognised(world):
    """The answer to a write is lost: the second try finds its own tokens, and does not take them for another's."""
    browser = world.browser()
    await browser.log_in()
    world.clock.advance(EXPIRED)
    world.store.fail("replace", done=True)

    assert 200 == (await browser.get("/api/tasks")).status

    (record,) = await world.store.inner.find(now=world.clock())
    assert record.version in {2, 3}
    world.clock.advance(EXPIRED)
    assert 200 == (await browser.get("/api/tasks")).status
    assert set() == spent_twice(world)


async def test_lease_that_could_not_be_given_back_holds_nobody_up(world):
    """The lease runs out by itself, and the same worker takes it again at once."""
    browser = world.browser()
    await browser.log_in()
    for _ in range(3):
        world.clock.advance(EXPIRED)
        world.store.fail("release")
        assert 200 == (await browser.get("/api/tasks")).status

    assert 3 == len(world.told("renewal.lease_left"))


async def test_refusal_while_the_store_is_away_is_not_the_end_yet(world):
    """invalid_grant counts once the store has shown that no other worker was faster: until then it is a 503."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")
    world.op.always("token", json_reply({"error": "invalid_grant"}, 400))
    waiting = await renewed_as_the_store_goes(world, browser)

    answer = await waiting

    assert (503, "session_store_unavailable") == (answer.status, answer.code)
    world.store.down = False
    world.clock.advance(10)
    again = await browser.get("/api/tasks")
    assert ("session_expired", "renewal_refused") == (again.code, again.document["reason"])


async def test_slow_store_at_each_step_makes_one_renewal_all_the_same(world):
    """Requests that arrive while the store takes its time join the renewal under way."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/tasks")
    world.clock.advance(EXPIRED)
    await world.bffs[0].sessions.load(browser.cookies["__Host-bff"].encode(), world.clock())
    for step in ("acquire", "replace", "release"):
        gate = world.store.hold(step)
        asked = world.refreshes()
        waiting = [asyncio.ensure_future(browser.get("/api/tasks")) for _ in range(10)]
        await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        more = [asyncio.ensure_future(browser.get("/api/tasks")) for _ in range(10)]
        await settle()
        gate.open()

        assert [200] * 20 == [answer.status for answer in await asyncio.gather(*waiting, *more)]
        assert 1 == world.refreshes() - asked
        world.clock.advance(EXPIRED)
        await world.bffs[0].sessions.load(browser.cookies["__Host-bff"].encode(), world.clock())


@pytest.mark.parametrize("step", STEPS)
async def test_worker_that_stops_at_any_step_leaves_the_session_usable(step):
    """A worker that is stopped in the middle cancels what it cannot finish; another one goes on."""
    async with World(workers=2) as world:
        browser = world.browser()
        await browser.log_in()
        await browser.get("/api/tasks")
        world.clock.advance(DUE)
        await world.bffs[0].sessions.load(browser.cookies["__Host-bff"].encode(), world.clock())
        gate = world.store.hold(step, done=step == "replace")
        await browser.get("/api/tasks")
        await asyncio.wait_for(gate.reached.wait(), PATIENCE)
        await world.bffs[0]._background.close(0.0)
        await world.bffs[0].stop()
        world.bffs.pop(0)
        world.clock.advance(EXPIRED - DUE)

        async with asyncio.timeout(PATIENCE):
            answer = await browser.at(1).get("/api/tasks")

        # Taken over as it was, or after the time for which a lease outlives its owner.
        assert answer.status in {200, 503}, answer
        world.clock.advance(20)
        assert 200 == (await browser.at(1).get("/api/tasks")).status
        assert set() == spent_twice(world)


async def test_session_that_reaches_its_end_during_an_outage_is_given_up(world, monkeypatch):
    """The waiting for the store ends with the session: nothing is kept for one that nobody can use any more."""
    monkeypatch.setattr(renewal, "_WRITE_AGAIN", 0.002)
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("token")
    world.clock.advance(DUE)
    await browser.get("/api/tasks")
    await eventually(lambda: 1 == world.refreshes())
    world.store.down = True
    held.set()
    await eventually(lambda: 2 < world.store.times("replace"))

    world.clock.now = NOW + 12 * 3600
    await eventually(lambda: {} == world.bffs[0].renewer._running)

    assert [] == world.told("renewal.done")


async def test_nobody_spends_the_old_token_while_its_rotated_one_waits_to_be_written(monkeypatch):
    """The store was away for longer than a lease lasts: whoever comes first when it is back waits for the holder.

    RFC 9700 §4.14.2: rotation makes a replayed refresh token fatal.
    """
    async with World(workers=2) as world:
        browser = world.browser()
        await browser.log_in()
        await browser.at(1).get("/api/tasks")
        waiting = await renewed_as_the_store_goes(world, browser)
        await eventually(lambda: 6 < world.store.times("replace"))  # by now the holder tries four times a second
        world.clock.advance(120)
        tried = world.store.times("replace")
        world.store.down = False

        first = await browser.at(1).get("/api/tasks")

        assert tried < world.store.times("replace"), "the other worker was first"
        assert (200, 1, set()) == (first.status, world.refreshes(), spent_twice(world))
        assert 200 == (await waiting).status
