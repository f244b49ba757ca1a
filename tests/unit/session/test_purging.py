"""What is said of a store that drops sessions when it is full."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.facts import StoreFacts
from bff.session.purging import warn_of_eviction
from bff.session.records import Store
from bff.session.stores.memory import MemoryStore


def store_that_tells(evicts: str | None, *, is_away: bool = False) -> Store:
    """A store that can be asked what it does."""

    async def read() -> StoreFacts:
        if is_away:
            raise SessionStoreUnavailable("away")
        return StoreFacts("valkey", "9.1", 0.0, 0.001, evicts=evicts)

    return cast("Store", SimpleNamespace(facts=SimpleNamespace(read=read)))


@pytest.mark.parametrize(
    ("evicts", "told"),
    [
        ("allkeys-lru", ["store.evicts"]),
        ("volatile-ttl", ["store.evicts"]),
        ("noeviction", []),
        (None, []),
    ],
)
async def test_a_store_that_evicts_is_warned_of_once(evicts: str | None, told: list[str]) -> None:
    """An evicted session is a user logged out; an evicted lease, a token used twice (RFC 9700 §4.14.2)."""
    events: list[tuple[str, Any]] = []

    is_known = await warn_of_eviction(store_that_tells(evicts), lambda name, fields: events.append((name, fields)))

    assert is_known
    assert told == [name for name, _ in events]
    assert [evicts] * len(told) == [fields["policy"] for _, fields in events]


async def test_a_store_that_is_away_is_asked_again() -> None:
    """Nothing is said until it is known."""
    events: list[str] = []

    assert not await warn_of_eviction(store_that_tells(None, is_away=True), lambda name, _: events.append(name))
    assert [] == events


async def test_a_store_in_memory_has_nothing_to_tell() -> None:
    """It evicts nothing."""
    assert await warn_of_eviction(MemoryStore(), lambda *_: None)
