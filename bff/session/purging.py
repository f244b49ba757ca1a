"""Clearing what has expired out of the store."""

import asyncio
from collections.abc import Callable

from bff.errors import SessionStoreUnavailable
from bff.events import Emit
from bff.session.records import Store

_EVERY = 60.0  # seconds


async def purge_for_ever(store: Store, clock: Callable[[], float], emit: Emit) -> None:
    """Clear once a minute, until cancelled."""
    while True:
        await asyncio.sleep(_EVERY)
        try:
            while await store.purge(clock()):
                pass  # until nothing is left: what expires faster than one look removes must not come together
        except SessionStoreUnavailable as error:
            emit("store.unavailable", {"detail": error.detail})
