"""A store that is away for a moment makes callers wait; one that stays away makes them fail, and fast."""

import asyncio

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.records import Store
from bff.session.stores.memory import MemoryStore
from bff.session.stores.patient import patient
from tests.chaos.stores import NOW, build_record, every_read, every_write
from tests.scripted_store import ScriptedStore

KEY = build_record().key
REPEATED = ["create", "load", "acquire", "release", "recall"]


@pytest.fixture
async def scripted():
    inner = MemoryStore()
    await inner.open()
    yield ScriptedStore(inner)
    await inner.close()


def calls(store: Store):
    """Each call by its name."""
    return {**every_write(store), **every_read(store)}


@pytest.mark.parametrize("name", REPEATED)
async def test_call_that_may_be_repeated_outlives_a_moment_without_the_store(scripted, name):
    """It is carried out as soon as the store is back."""
    scripted.fail(name, times=2)

    await calls(patient(scripted, timeout=15.0))[name]()

    assert 3 == scripted.times(name)


@pytest.mark.parametrize("name", ["replace", "end", "remember"])
async def test_call_that_may_not_be_repeated_fails_at_once(scripted, name):
    """What was carried out and not answered would be taken for another's the second time."""
    scripted.fail(name, done=True)

    with pytest.raises(SessionStoreUnavailable):
        await calls(patient(scripted, timeout=15.0))[name]()

    assert 1 == scripted.times(name)


async def test_lost_answer_to_a_lease_costs_nothing(scripted):
    """The same owner gets the same fencing token again."""
    store = patient(scripted, timeout=15.0)
    scripted.fail("acquire", done=True)

    fence = await store.acquire(KEY, b"one", NOW, 10)

    assert fence == await store.acquire(KEY, b"one", NOW, 10)
    assert await store.acquire(KEY, b"two", NOW, 10) is None


async def test_patience_is_for_an_outage_and_not_for_a_call(scripted):
    """Once the store has been away for so long, calls fail as fast as it does, until it has answered again."""
    store = patient(scripted, timeout=0.5)
    scripted.down = True
    with pytest.raises(SessionStoreUnavailable):
        await store.load(KEY, NOW)
    tried = scripted.times("load")

    failed = await asyncio.gather(*(store.load(KEY, NOW) for _ in range(20)), return_exceptions=True)

    assert {SessionStoreUnavailable} == {type(error) for error in failed}
    assert (True, 20) == (tried > 1, scripted.times("load") - tried)
    scripted.down = False
    assert await store.load(KEY, NOW) is None
    scripted.fail("recall")
    assert await store.recall(b"name", NOW) is None


async def test_patient_store_keeps_what_the_store_keeps_beside_the_sessions(scripted):
    """And whatever else can be asked of it."""
    store = patient(scripted, timeout=1.0)

    assert scripted.tally is store.tally
    assert 0 == await store.count(NOW)
