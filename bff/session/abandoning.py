"""A session that began and is nobody's: its login could not be finished, and its cookie was handed to no one."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from bff.errors import SessionStoreUnavailable
from bff.session.live import LiveSession
from bff.session.sessions import Sessions

_PAUSES = (0.1, 1.0, 2.0, 5.0, 10.0, 20.0)  # seconds


async def abandon(sessions: Sessions, live: LiveSession, clock: Callable[[], float]) -> None:
    """End it as soon as the store is back: it would take a place of its user's until it is idle."""
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        with suppress(SessionStoreUnavailable):
            await sessions.end(live, "replaced", clock())
            return
