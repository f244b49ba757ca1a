"""The live sessions, looked up and listed page by page: what operators see, and never a token."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bff.crypto.key_ring import CannotOpenError
from bff.session.records import Store, StoredSession
from bff.session.session import Summary
from bff.session.vault import Vault

BATCH = 200  # records read at once
SCAN = 2_000  # records looked at for one page, at most: what matches rarely is found over several pages

RolesNow = Callable[[Summary, float], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which live sessions: every criterion that is given must hold. None given: all.

    Attributes:
        handle: the session's public name.
        subject: the user's, at `issuer` or, without one, at the configured issuer.
        role: one that is held now.
        client: the client id that it began with.
        issuer: whose user it is.
        before: it began before this, in epoch seconds.
    """

    handle: str | None = None
    subject: str | None = None
    role: str | None = None
    client: str | None = None
    issuer: str | None = None
    before: float | None = None

    @property
    def is_scan(self) -> bool:
        """Whether records must be looked into to see which fit."""
        return any(value is not None for value in (self.role, self.client, self.issuer, self.before))


@dataclass(frozen=True, slots=True)
class Listed:
    """A live session as lists show it. `roles` are those of this moment."""

    record: StoredSession
    summary: Summary
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the sessions. `position` is where to go on; None when there are no more."""

    items: tuple[Listed, ...]
    position: bytes | None


def roles_of(summary: Summary, _now: float) -> frozenset[str]:
    """Return the roles that the tokens gave."""
    return frozenset(summary.roles)


class Directory:
    """Reads the store. Every method raises `SessionStoreUnavailable`."""

    def __init__(self, store: Store, vault: Vault, issuer: str, roles_now: RolesNow = roles_of) -> None:
        self._store = store
        self._vault = vault
        self._issuer = issuer
        self._roles_now = roles_now

    async def get(self, handle: str, now: float) -> Listed | None:
        """Return one session by its handle."""
        found = await self._store.find(now=now, handle=handle, limit=1)
        return self._read(found[0], now) if found else None

    async def page(self, selection: Selection, now: float, *, after: bytes = b"", limit: int = 50) -> Page:
        """Return what fits among the next records, `limit` at most. May be empty and yet have a position."""
        items: list[Listed] = []
        looked = 0
        size = BATCH if selection.is_scan else limit + 1
        while looked < SCAN:
            batch = await self._batch(selection, now, after, size)
            for record in batch:
                if len(items) == limit:
                    return Page(tuple(items), after)
                after = record.key
                listed = self._read(record, now)
                if self._fits(listed, selection):
                    items.append(listed)
            looked += len(batch)
            if len(batch) < size:
                return Page(tuple(items), None)
        return Page(tuple(items), after)

    async def batches(self, selection: Selection, clock: Callable[[], float]) -> AsyncIterator[list[Listed]]:
        """Yield all that fit, a batch of records at a time: a million of them cost no memory."""
        after = b""
        while True:
            now = clock()
            batch = await self._batch(selection, now, after, BATCH)
            listed = (self._read(record, now) for record in batch)
            yield [item for item in listed if self._fits(item, selection)]
            if len(batch) < BATCH:
                return
            after = batch[-1].key

    def subject_hashes(self, selection: Selection) -> Sequence[bytes]:
        """Return the keyed hashes of the selected user."""
        if selection.subject is None:
            return ()
        return self._vault.subject_hashes(selection.issuer or self._issuer, selection.subject)

    async def _batch(self, selection: Selection, now: float, after: bytes, limit: int) -> list[StoredSession]:
        # The store finds what meets any criterion, we want what meets all: a handle, where given, names one alone.
        subjects = self.subject_hashes(selection) if selection.handle is None else ()
        return await self._store.find(now=now, subjects=subjects, handle=selection.handle, after=after, limit=limit)

    def _read(self, record: StoredSession, now: float) -> Listed:
        try:
            summary = self._vault.open_summary(record)
        except CannotOpenError:  # sealed with a key that is gone, as its tokens are: nobody can use it any more
            summary = Summary("", "?", "", [], "")
            return Listed(record, summary, frozenset())
        return Listed(record, summary, self._roles_now(summary, now))

    def _fits(self, listed: Listed, selection: Selection) -> bool:
        summary = listed.summary
        return (
            (selection.subject is None or listed.record.subject in self.subject_hashes(selection))
            and (selection.role is None or selection.role in listed.roles)
            and (selection.client is None or selection.client == summary.client)
            and (selection.issuer is None or selection.issuer == summary.issuer)
            and (selection.before is None or listed.record.created_at < selection.before)
        )
