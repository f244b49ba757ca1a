"""One request under way, however many wait for it."""

import asyncio

import pytest

from bff.oidc.single_flight import SingleFlight


class Work:
    """Counts how often it was begun, and ends when told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.gate = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return self.begun


async def test_all_who_join_share_one_run():
    """Thirty waiters, one request."""
    work = Work()
    flight = SingleFlight(work)
    waiters = [asyncio.create_task(flight.join()) for _ in range(30)]
    await asyncio.sleep(0)
    work.gate.set()

    assert [1] * 30 == await asyncio.gather(*waiters)
    assert not flight.running


async def test_the_next_one_begins_anew():
    """A result is not kept."""
    work = Work()
    work.gate.set()
    flight = SingleFlight(work)

    assert [1, 2] == [await flight.join(), await flight.join()]


async def test_a_waiter_that_leaves_does_not_stop_the_others():
    """A browser that goes away must not tear down what others wait for."""
    work = Work()
    flight = SingleFlight(work)
    leaving, staying = asyncio.create_task(flight.join()), asyncio.create_task(flight.join())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    work.gate.set()

    assert 1 == await staying


async def test_a_failure_reaches_all_who_wait():
    """And nobody who does not: a failure that nobody waited for is no warning either."""
    work = Work()
    work.failure = ValueError("no")
    flight = SingleFlight(work)
    waiters = [asyncio.create_task(flight.join()) for _ in range(3)]
    await asyncio.sleep(0)
    work.gate.set()

    assert [ValueError] * 3 == [type(r) for r in await asyncio.gather(*waiters, return_exceptions=True)]


async def test_it_can_be_stopped():
    """At shutdown nothing is left running."""
    work = Work()
    flight = SingleFlight(work)
    waiter = asyncio.create_task(flight.join())
    await asyncio.sleep(0)
    await flight.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not flight.running
    await flight.cancel()
