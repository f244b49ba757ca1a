"""What a worker counts, and how it comes into the tally."""

import asyncio

import pytest

from bff.access import statistics as module
from bff.access.overview import Calls, Denials
from bff.access.statistics import MAX_NAMES, Statistics
from bff.errors import SessionStoreUnavailable
from bff.session.stores.memory_tally import MemoryTally
from bff.session.tally import KEPT_FOR
from tests.world import eventually

NOW = 1_795_500_030.0


class Unwilling(MemoryTally):
    """A tally that can be away."""

    def __init__(self):
        super().__init__()
        self.away = False
        self.asked = self.added = 0

    async def add(self, counts, now):
        self.asked += 1
        await asyncio.sleep(0)  # a real store gives way
        if self.away:
            raise SessionStoreUnavailable
        self.added += 1
        await super().add(counts, now)


class World:
    """Workers on one tally, with one clock."""

    def __init__(self):
        self.now = NOW
        self.live = 0
        self.tally = Unwilling()
        self.events = []

    def worker(self):
        async def count(_now):
            return self.live

        return Statistics(
            tally=self.tally,
            count_sessions=count,
            rule=3600,
            clock=lambda: self.now,
            emit=lambda name, fields: self.events.append((name, dict(fields))),
        )


@pytest.fixture
def world():
    return World()


def totals(picture):
    return {name: sum(number for _, number in series) for name, series in picture.series.items()}


DENIED = {"route": "/api", "method": "DELETE", "reason": "role_missing", "subject": "bob", "rule": 2}


async def test_each_event_counts_in_its_series(world):
    """Those of two workers come together, and what is nobody's business is not counted."""
    one, two = world.worker(), world.worker()
    world.live = 4
    for name in ("login.done", "login.failed", "logout.done", "logout.backchannel", "renewal.done"):
        one.record(name, {})
    for name in ("renewal.refused", "renewal.postponed", "session.revoked", "login.done", "store.unavailable"):
        two.record(name, {})
    one.record("access.denied", DENIED)
    two.record("access.denied", DENIED)
    one.calls["/api"] = 7
    two.calls["/api"] = 1
    await two.flush()

    drawn = await one.picture(3600)

    assert {
        "sessions": 4,
        "logins": 2,
        "login_failures": 1,
        "logouts": 2,
        "renewals": 1,
        "renewal_failures": 2,
        "denials": 2,
        "revocations": 1,
        "calls": 8,
    } == totals(drawn)
    assert [Denials("/api", "DELETE", "role_missing", 2)] == drawn.denials_by_route
    assert [Calls("/api", 8)] == drawn.calls_by_route
    assert [] == world.events


async def test_calls_count_once_however_often_they_are_written(world):
    """The worker's own number only grows; what has been written is not written again."""
    one = world.worker()
    for _ in range(3):
        one.calls["/api"] = one.calls.get("/api", 0) + 5
        await one.flush()

    assert 15 == totals(await one.picture(3600))["calls"]


@pytest.mark.parametrize("window", [3600, 86_400, 604_800])
async def test_every_window_shows_what_happened_in_it(world, window):
    """An event is seen until it leaves the window."""
    one = world.worker()
    one.record("login.done", {"access_token_lifetime": 300.2})
    await one.flush()

    world.now += window * 0.9
    drawn = await one.picture(window)
    assert 1 == totals(drawn)["logins"]
    assert {300: 1} == {bucket.le: bucket.count for bucket in drawn.access_token_lifetimes.buckets if bucket.count}
    world.now += window * 0.2
    assert 0 == totals(await one.picture(window))["logins"]


async def test_what_the_store_does_not_take_waits(world):
    """Nothing is lost and nothing counted twice while the store is away, and it is put where it belongs."""
    one = world.worker()
    world.tally.away = True
    one.record("login.done", {})
    with pytest.raises(SessionStoreUnavailable):
        await one.flush()
    happened = world.now
    world.now += 600
    one.record("login.done", {})
    with pytest.raises(SessionStoreUnavailable):
        await one.picture(3600)
    world.tally.away = False

    drawn = await one.picture(3600)

    assert {happened // 60 * 60: 1, world.now // 60 * 60: 1} == {
        start: number for start, number in drawn.series["logins"] if number
    }


async def test_what_waits_is_bounded(world):
    """After days without a store only what could still be shown is kept."""
    one = world.worker()
    world.tally.away = True
    for _ in range(20 * 24):
        world.now += 3600
        one.record("login.done", {})
        with pytest.raises(SessionStoreUnavailable):
            await one.flush()

    assert len(one._waiting) <= sum(kept_for // max(width, 3600) + 1 for width, kept_for in KEPT_FOR.items())


async def test_names_are_bounded(world):
    """Whatever routes and reasons come, one worker has so many counters, and none is lost: the rest share one."""
    one = world.worker()
    for number in range(MAX_NAMES + 500):
        one.record("access.denied", {**DENIED, "reason": f"reason_{number}"})

    drawn = await one.picture(3600)

    assert MAX_NAMES + 500 == totals(drawn)["denials"] == sum(row.count for row in drawn.denials_by_route)
    assert len(drawn.denials_by_route) <= MAX_NAMES
    assert Denials("other", "other", "other", 501) == drawn.denials_by_route[0]


async def test_two_who_look_at_once_write_once(world):
    """The background task and a look at the overview do not write the same numbers both."""
    one = world.worker()
    one.record("login.done", {})

    await asyncio.gather(one.flush(), one.flush(), one.flush())

    assert 1 == world.tally.added
    assert 1 == totals(await one.picture(3600))["logins"]


async def test_it_writes_by_itself_and_once_more_at_the_end(world, monkeypatch):
    """Numbers reach the store without anybody looking, and those of the last seconds at the stop."""
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.01)
    one, reader = world.worker(), world.worker()
    one.start()
    one.record("login.done", {})

    async def arrived():
        return 1 == totals(await reader.picture(3600))["logins"]

    await eventually(arrived)
    one.record("login.done", {})
    await one.close()

    assert 2 == totals(await reader.picture(3600))["logins"]


async def test_a_store_that_is_away_is_told_once_and_waited_for(world, monkeypatch):
    """The log gets one line an outage, and the worker can be stopped in the middle of it."""
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.001)
    world.tally.away = True
    one = world.worker()
    one.record("login.done", {})
    one.start()
    await eventually(lambda: world.tally.asked > 5)
    await one.close()

    assert ["statistics.waiting"] == [name for name, _ in world.events]


async def test_a_mistake_of_ours_stops_the_numbers_at_most(world, monkeypatch):
    """The task tells of it and goes on."""
    monkeypatch.setattr(module, "FLUSH_EVERY", 0.001)
    one = world.worker()
    monkeypatch.setattr(one, "flush", None)
    one.start()
    await eventually(lambda: len(world.events) > 1)
    await one.close()

    assert ("background.crashed", {"task": "statistics", "error": "TypeError"}) == world.events[0]
