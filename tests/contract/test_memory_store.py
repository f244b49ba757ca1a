"""What only the store in memory has: a bound."""

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.stores.memory import MemoryStore
from tests.contract.test_session_store import KEY, NOW, build_record


async def test_a_full_store_refuses_new_sessions_and_keeps_the_others() -> None:
    """Nobody is signed out to make room."""
    store = MemoryStore(limit=3)
    for number in range(3):
        await store.create(build_record(number))

    with pytest.raises(SessionStoreUnavailable, match="full"):
        await store.create(build_record(3))

    assert [build_record(number) for number in range(3)] == await store.find(now=NOW)


async def test_a_full_store_makes_room_from_what_has_expired() -> None:
    """A new session brings its time, and what is past its end by then goes."""
    store = MemoryStore(limit=3)
    for number in range(3):
        await store.create(build_record(number, idle_expires_at=NOW + 60 + number))
    await store.touch(build_record(0).key, NOW + 9000)

    for number in range(3, 5):
        await store.create(build_record(number, created_at=NOW + 70))

    assert [0, 3, 4] == [int.from_bytes(record.key[:4], "big") for record in await store.find(now=NOW)]


async def test_leases_and_names_are_bounded_too() -> None:
    """Each kind by itself; those whose time is over make room."""
    store = MemoryStore(limit=2)
    for number in range(2):
        await store.acquire(b"%d" % number, b"one", NOW, 10)
        await store.remember(b"%d" % number, NOW, NOW + 10)

    with pytest.raises(SessionStoreUnavailable, match="full"):
        await store.acquire(KEY, b"one", NOW, 10)
    with pytest.raises(SessionStoreUnavailable, match="full"):
        await store.remember(KEY, NOW, NOW + 10)
    assert await store.acquire(KEY, b"one", NOW + 10, 10) is not None
    assert await store.remember(KEY, NOW + 10, NOW + 20)


async def test_the_bookkeeping_of_expiry_does_not_grow_with_use() -> None:
    """Thousands of renewals of one session leave a bounded heap behind."""
    store = MemoryStore()
    for number in range(5000):
        await store.acquire(KEY, b"one", NOW + number, 10)
        await store.release(KEY, b"one")

    assert 20 > len(store._leases._ends)
