"""What a worker does beside its requests, from its start to its end."""

import asyncio

from bff.session import purging
from tests.internet import World, eventually, settle


async def test_sessions_past_their_end_are_removed_by_the_worker_s_own_clock(monkeypatch):
    """A store does not grow with sessions that are over, and a fault of it is survived."""
    monkeypatch.setattr(purging, "_EVERY", 0.002)
    async with World() as world:
        await world.browser().log_in()
        purged = world.store.times("purge")
        await eventually(lambda: world.store.times("purge") > purged + 1)
        assert 1 == len(world.store.inner._sessions.rows)

        world.store.fail("purge")
        await eventually(lambda: world.told("store.unavailable"))
        world.clock.advance(13 * 3600)
        await eventually(lambda: 0 == len(world.store.inner._sessions.rows))


async def test_no_backlog_of_sessions_past_their_end_builds_up(monkeypatch):
    """One look removes as many as there are, not only as many as one call of the store removes."""
    asked = []

    class Full:
        left = 2500

        async def purge(self, now):
            asked.append(now)
            removed = min(self.left, 1000)
            self.left -= removed
            return removed

    monkeypatch.setattr(purging, "_EVERY", 0.001)
    store = Full()
    task = asyncio.create_task(purging.purge_for_ever(store, lambda: 5.0, lambda *_: None))
    await eventually(lambda: asked)
    task.cancel()

    assert 0 == store.left


async def test_what_a_worker_counted_is_written_when_it_stops(world):
    """The overview loses nothing by a restart: logins and calls of the last seconds are in the store's tally."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/x")
    bff = world.bffs.pop()
    await bff.stop()

    now = world.clock()
    written = await world.store.tally.read(60, now - 3600, now)
    totals = {slot.name: number for slot, number in written.items()}
    assert (1, 1) == (totals["logins"], totals["calls"])


async def test_worker_that_stops_leaves_nothing_running(world):
    """Tasks, waiters, connections: all of it ends with the worker, whatever it was doing."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/x")
    await browser.post("/bff/logout")
    bff = world.bffs.pop()
    await bff.stop()
    await settle()

    names = {task.get_name() for task in asyncio.all_tasks()}
    assert set() == names & {"change-feed", "purge-sessions", "audit-log", "renew", "revoke-tokens", "statistics"}
    assert 1 == world.upstream.closed


async def test_logout_s_revocation_is_finished_before_the_worker_ends(world):
    """A worker that stops right after a logout still takes the tokens back at the issuer."""
    browser = world.browser()
    await browser.log_in()
    held = world.op.hold("revoke")
    await browser.post("/bff/logout")
    await eventually(lambda: 1 == world.op.count("revoke"))
    stopping = asyncio.ensure_future(world.bffs.pop().stop())
    await settle()
    assert not stopping.done()
    held.set()
    await stopping

    assert 1 == len(world.told("tokens.revoked"))


async def test_worker_that_drains_still_answers(world):
    """A request that comes in while the worker stops is served as long as it can be."""
    browser = world.browser()
    await browser.log_in()
    world.bffs[0]._draining = True

    assert 200 == (await browser.get("/api/x")).status


async def test_ten_thousand_pushes_wake_only_whom_they_concern(world):
    """A worker that hears of many other sessions reads the store for none of them."""
    browser = world.browser()
    await browser.log_in()
    await browser.get("/api/x")
    reads = world.store.times("load")
    from bff.session.records import Change, ChangeKind

    for number in range(10_000):
        world.bffs[0].feed._hear(Change(ChangeKind.ENDED, number.to_bytes(32, "big")))
    await settle()

    assert reads == world.store.times("load")
    assert 200 == (await browser.get("/api/x")).status
