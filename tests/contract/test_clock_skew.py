"""Machines whose clocks differ agree on who holds a lease."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bff.session.stores.redis import RedisStore
from tests.contract.conftest import empty_store

KEY = b"k" * 32


@dataclass(frozen=True)
class Machine:
    """A machine whose clock is wrong by so many seconds."""

    store: RedisStore
    wrong_by: float

    def now(self) -> float:
        """What its clock says."""
        return time.time() + self.wrong_by


@pytest.fixture(params=[(-30.0, 30.0), (30.0, -30.0)], ids=["holder behind", "holder ahead"])
async def machines(request: pytest.FixtureRequest, tmp_path: object) -> AsyncIterator[tuple[Machine, Machine]]:
    """Two of them, a minute apart, on one store."""
    url = empty_store("valkey", request, tmp_path)  # type: ignore[arg-type]
    found = []
    for wrong_by in request.param:
        store = RedisStore(url, clock=lambda wrong_by=wrong_by: time.time() + wrong_by)  # type: ignore[misc]
        await store.open()
        found.append(Machine(store, wrong_by))
    yield found[0], found[1]
    for machine in found:
        await machine.store.close()


async def test_lease_is_not_taken_by_a_machine_whose_clock_is_ahead(machines: tuple[Machine, Machine]) -> None:
    """Were each believed about the time, a machine ahead would spend a refresh token that is being spent."""
    holder, other = machines
    fence = await holder.store.acquire(KEY, b"holder", holder.now(), 50)

    assert fence is not None
    assert await other.store.acquire(KEY, b"other", other.now(), 50) is None
    assert fence == await holder.store.acquire(KEY, b"holder", holder.now(), 50)


async def test_lease_of_a_dead_holder_ends_in_time_for_every_machine(machines: tuple[Machine, Machine]) -> None:
    """It is free when it has run out, not a minute later."""
    holder, other = machines
    await holder.store.acquire(KEY, b"holder", holder.now(), 600)

    assert await other.store.acquire(KEY, b"other", other.now() + 590, 600) is None
    assert await other.store.acquire(KEY, b"other", other.now() + 610, 600) is not None
