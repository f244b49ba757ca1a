"""Clearing what has expired out of the store, which is to drop nothing else by itself."""

import asyncio
from collections.abc import Callable

from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.session.facts import HasFacts
from bff.session.records import Store

_EVERY = 60.0  # seconds


async def purge_for_ever(store: Store, clock: Callable[[], float], emit: Emit) -> None:
    """Clear once a minute, until cancelled. A store that drops sessions when it is full is warned of."""
    has_looked = False
    while True:
        has_looked = has_looked or await warn_of_eviction(store, emit)
        await asyncio.sleep(_EVERY)
        try:
            while await store.purge(clock()):
                pass  # until nothing is left: what expires faster than one look removes must not come together
        except SessionStoreUnavailable as error:
            emit("store.unavailable", {"detail": error.detail})


async def warn_of_eviction(store: Store, emit: Emit) -> bool:
    """Say so if the store drops what has not ended when it is full; False when it cannot be asked now."""
    if not isinstance(store, HasFacts):
        return True
    try:
        facts = await store.facts.read()
    except SessionStoreUnavailable:
        return False
    if facts.evicts is not None and facts.evicts != "noeviction":
        advice = "set maxmemory-policy noeviction: an evicted session is a user logged out"
        emit("store.evicts", {"policy": facts.evicts, "advice": advice})
    return True
