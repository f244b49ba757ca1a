"""A session store that is timed, and whose sessions are counted as they begin and end."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from time import perf_counter
from typing import TypeVar

from bff.errors import SessionStoreUnavailable
from bff.observe import metrics_catalog as catalog
from bff.observe.metrics import Metrics
from bff.session.facts import HasFacts
from bff.session.records import Change, Ended, Lost, Restored, Store, StoredSession
from bff.session.stores import audit_of, documents_of, tally_of

T = TypeVar("T")
# Why sessions end. A label is one of these, whatever else may be stored as a reason some day.
REASONS = frozenset(
    {
        "logout",
        "backchannel_logout",
        "replaced",
        "revoked",
        "renewal_refused",
        "token_rejected",
        "tokens_expired",
        "too_many_sessions",
    }
)


class MeasuredStore:
    """Implements `Store`, and keeps what the store within keeps beside the sessions."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self.documents = documents_of(store)
        self.audit = audit_of(store)
        self.tally = tally_of(store)
        if isinstance(store, HasFacts):
            self.facts = store.facts

    async def create(self, record: StoredSession) -> None:
        """See `SessionStore.create`."""
        await self._timed("create", self._store.create(record))
        self._metrics.count(catalog.SESSIONS_CREATED)

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """See `SessionStore.load`."""
        return await self._timed("load", self._store.load(key, now))

    async def replace(self, record: StoredSession, expected_version: int) -> bool:
        """See `SessionStore.replace`."""
        return await self._timed("replace", self._store.replace(record, expected_version))

    async def touch(self, key: bytes, idle_expires_at: float) -> bool:
        """See `SessionStore.touch`."""
        return await self._timed("touch", self._store.touch(key, idle_expires_at))

    async def end(self, key: bytes, reason: str, now: float, *, keep_sealed: bool) -> bool:
        """See `SessionStore.end`."""
        ended = await self._timed("end", self._store.end(key, reason, now, keep_sealed=keep_sealed))
        if ended:
            self._ended(reason, 1)
        return ended

    async def find(
        self,
        *,
        now: float,
        subjects: Sequence[bytes] = (),
        issuer_sids: Sequence[bytes] = (),
        handle: str | None = None,
        after: bytes = b"",
        limit: int = 100,
    ) -> list[StoredSession]:
        """See `SessionStore.find`."""
        finding = self._store.find(
            now=now, subjects=subjects, issuer_sids=issuer_sids, handle=handle, after=after, limit=limit
        )
        return await self._timed("find", finding)

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """See `Coordination.acquire`."""
        return await self._timed("acquire", self._store.acquire(key, owner, now, ttl))

    async def release(self, key: bytes, owner: bytes) -> None:
        """See `Coordination.release`."""
        await self._timed("release", self._store.release(key, owner))

    async def remember(self, name: bytes, now: float, until: float, value: float = 0.0) -> bool:
        """See `Coordination.remember`."""
        return await self._timed("remember", self._store.remember(name, now, until, value))

    async def recall(self, name: bytes, now: float) -> float | None:
        """See `Coordination.recall`."""
        return await self._timed("recall", self._store.recall(name, now))

    def changes(self) -> AsyncIterator[Change | Lost | Restored]:
        """See `Coordination.changes`."""
        return self._store.changes()

    async def open(self) -> None:
        """See `Store.open`."""
        await self._timed("open", self._store.open())

    async def close(self) -> None:
        """See `Store.close`."""
        await self._store.close()

    async def ping(self) -> None:
        """See `Store.ping`."""
        await self._timed("ping", self._store.ping())

    async def purge(self, now: float, limit: int = 1000) -> int:
        """See `Store.purge`."""
        return await self._timed("purge", self._store.purge(now, limit))

    async def end_many(self, keys: Sequence[bytes], reason: str, now: float) -> set[bytes]:
        """See `Store.end_many`."""
        ended = await self._timed("end_many", self._store.end_many(keys, reason, now))
        if ended:
            self._ended(reason, len(ended))
        return ended

    async def count(self, now: float) -> int:
        """See `Store.count`."""
        return await self._timed("count", self._store.count(now))

    async def _timed(self, operation: str, call: Awaitable[T]) -> T:
        began = perf_counter()
        try:
            return await call
        except SessionStoreUnavailable:
            self._metrics.count(catalog.STORE_ERRORS, operation)
            raise
        finally:
            self._metrics.observe(catalog.STORE_SECONDS, perf_counter() - began, operation)

    def _ended(self, reason: str, sessions: int) -> None:
        self._metrics.count(catalog.SESSIONS_ENDED, reason if reason in REASONS else "other", by=sessions)
