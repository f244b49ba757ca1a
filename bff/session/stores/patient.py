"""A store that is away for a moment (it restarts, fails over) makes requests wait a little instead of failing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from bff.errors import SessionStoreUnavailable
from bff.session.records import Ended, Store, StoredSession
from bff.session.stores import audit_of, documents_of, tally_of

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.2  # seconds between two tries
_T = TypeVar("_T")


def patient(store: Store, timeout: float) -> Store:
    """Return the store, whose calls that may be repeated are repeated for `timeout` seconds of an outage.

    Of an outage, not of a call: once it has lasted for so long, calls fail as fast as the store does.
    """
    return cast("Store", _PatientStore(store, timeout))


class _PatientStore:
    """What is not here is the store's own. A `replace` that is sent twice would take its success for another's."""

    def __init__(self, store: Store, timeout: float) -> None:
        self._store = store
        self._timeout = timeout
        self._away_since: float | None = None
        self.documents = documents_of(store)
        self.audit = audit_of(store)
        self.tally = tally_of(store)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def create(self, record: StoredSession) -> None:
        """See `SessionStore.create`: a second call with the same record changes nothing."""
        await self._patiently(lambda: self._store.create(record))

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """See `SessionStore.load`."""
        return await self._patiently(lambda: self._store.load(key, now))

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """See `Coordination.acquire`: the same owner gets the same lease again."""
        return await self._patiently(lambda: self._store.acquire(key, owner, now, ttl))

    async def release(self, key: bytes, owner: bytes) -> None:
        """See `Coordination.release`."""
        await self._patiently(lambda: self._store.release(key, owner))

    async def recall(self, name: bytes, now: float) -> float | None:
        """See `Coordination.recall`."""
        return await self._patiently(lambda: self._store.recall(name, now))

    async def _patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            try:
                answer = await call()
            except SessionStoreUnavailable:
                now = loop.time()
                if self._away_since is None:
                    self._away_since = now
                if now + pause >= self._away_since + self._timeout:
                    self._away_since = float("-inf")  # enough, until it answers again
                    raise
            else:
                self._away_since = None
                return answer
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
