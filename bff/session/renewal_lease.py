"""The right to spend a session's refresh token: one worker's at a time, and not the next one's too soon."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bff.errors import IssuerUnavailable, SessionExpired, SessionStoreUnavailable
from bff.events import Emit
from bff.session.changes import ChangeFeed
from bff.session.live import LiveSession
from bff.session.records import Coordination, Ended, StoredSession
from bff.session.sessions import Sessions

LEASE = 5.0  # seconds; prolonged while the issuer is being asked, so that a dead worker frees it soon
_PROLONG = 1.5
PATIENCE = 15.0  # seconds that a request waits for a renewal, here or on another worker
# A lease that was not given back is respected after its end, for this long at first. Its holder may have been dead
# for a while; or the store was away, the holder could not prolong it, and now has a rotated token to write.
_OUTAGE = 3600.0
# Seconds in which a holder that lives has written once it can: more than one call to the store may take, and the
# pause between two.
_STRAGGLER = 2.5


class Leases:
    """The leases of one worker."""

    def __init__(
        self, sessions: Sessions, store: Coordination, feed: ChangeFeed, clock: Callable[[], float], emit: Emit
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._feed = feed
        self._clock = clock
        self._emit = emit
        self._owner = os.urandom(16)

    async def take(self, live: LiveSession) -> bool:
        """True when the lease is ours; False when another worker has renewed meanwhile.

        Raises:
            IssuerUnavailable: another worker has held it all the time.
            SessionExpired: the session ended meanwhile.
            SessionStoreUnavailable: the store cannot tell.
        """
        version = live.version
        deadline = self._clock() + PATIENCE
        respected = _OUTAGE
        while True:
            with self._feed.waiter(live.key) as waiter:
                now = self._clock()
                if await self._acquire(live.key, now, respected):
                    return True
                if now >= deadline:
                    raise IssuerUnavailable(retry_after=1)
                # Silence for so long, with a store that answered before it, and nobody is about to write.
                respected = _OUTAGE if await waiter.wait(_STRAGGLER) else 0.0
            record = await self._sessions.reload(live, self._clock())
            if not isinstance(record, StoredSession):
                raise expired(record)
            if live.version != version:
                return False

    @asynccontextmanager
    async def prolonged(self, key: bytes) -> AsyncIterator[None]:
        """Hold a lease for as long as this lasts."""
        task = asyncio.get_running_loop().create_task(self._prolong(key), name="prolong-lease")
        try:
            yield
        finally:
            task.cancel()

    async def release(self, key: bytes) -> None:
        """Give it back; one that cannot be given back runs out by itself."""
        try:
            await self._store.release(key, self._owner)
        except SessionStoreUnavailable:
            self._emit("renewal.lease_left", {})

    async def _acquire(self, key: bytes, now: float, respected: float) -> bool:
        # Stores forget a lease some time after its end, going by the times that they are given: so not before that.
        return await self._store.acquire(key, self._owner, now - respected, LEASE + respected) is not None

    async def _prolong(self, key: bytes) -> None:
        while True:
            await asyncio.sleep(_PROLONG)
            try:
                await self._acquire(key, self._clock(), _OUTAGE)
            except SessionStoreUnavailable:
                continue  # the write at the end decides; compare-and-set keeps it safe


def expired(record: Ended | None) -> SessionExpired:
    """Return what a request is told of a session that is over."""
    return SessionExpired(reason=record.reason if record is not None else "expired")
