"""The overview while the store has its bad days: nobody waits for numbers, and none is lost."""

import pytest

from bff.access import statistics
from tests.administered import administered, managed, signed_in
from tests.internet import World
from tests.world import eventually


@pytest.fixture
async def world(monkeypatch):
    """Two workers of a product that is administered, which write what they count as soon as they can."""
    monkeypatch.setattr(statistics, "FLUSH_EVERY", 0.001)
    async with World(settings=administered(), workers=2) as world:
        yield world


async def totals(world):
    answer = await managed(world, "GET", "/admin/overview?window=3600", worker=1)
    assert 200 == answer.status, answer
    return {name: sum(number for _, number in points) for name, points in answer.document["series"].items()}


async def test_calls_go_on_while_the_tally_does_not_answer(world):
    """A store that holds a write of numbers back holds no call up; they are there when it has answered."""
    browser = await signed_in(world, "bob")
    gate = world.store.hold("tally.add")
    assert 200 == (await browser.get("/api/x")).status
    await gate.reached.wait()

    assert [200, 403] == [(await browser.get("/api/x")).status, (await browser.post("/api/x")).status]

    gate.open()
    await eventually_counted(world, calls=3, denials=1)


async def test_numbers_of_an_outage_come_when_it_is_over(world):
    """The overview says that the store is away; calls with a warm session go on, and count afterwards."""
    browser = await signed_in(world, "bob")
    assert 200 == (await browser.get("/api/x")).status
    await eventually_counted(world, calls=1)

    world.store.down = True
    away = await managed(world, "GET", "/admin/overview")
    assert (503, "session_store_unavailable") == (away.status, away.document["code"])
    assert 200 == (await browser.get("/api/x")).status
    await eventually(lambda: world.told("statistics.waiting"))
    world.store.down = False

    await eventually_counted(world, calls=2)


async def test_a_write_that_was_refused_is_written_once(world):
    """Neither lost nor doubled."""
    world.store.fail("tally.add", times=3)
    await signed_in(world, "alice")

    await eventually_counted(world, logins=1)


async def eventually_counted(world, **expected):
    """Wait until the other worker shows these numbers, and see that they stay."""

    async def is_shown():
        seen = await totals(world)
        return expected == {name: seen[name] for name in expected}

    await eventually(is_shown)
    assert await is_shown()
