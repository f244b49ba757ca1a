"""What a session store keeps, and what it must be able to do.

A store sees only this: keyed hashes, times, sealed bytes. It never sees a token, a claim, a cookie or an HTTP
object, and it holds no key. All times are epoch seconds handed in by the caller.
"""

import enum
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One live session as it lies in the store."""

    key: bytes  # 32 bytes: keyed hash of the session id; the primary key
    version: int  # starts at 1; compare-and-set
    sealed: bytes  # tokens and claims; opens only with the server's key and the cookie's secret
    summary: bytes  # what lists show; opens with the server's key
    subject: bytes  # 32 bytes: keyed hash of (issuer, sub)
    issuer_sid: bytes | None  # 32 bytes: keyed hash of (issuer, sid)
    handle: str  # public name of the session; opens nothing
    created_at: float
    idle_expires_at: float  # slides
    expires_at: float  # absolute end


@dataclass(frozen=True, slots=True)
class Ended:
    """What is left of an ended session until its absolute end, so that nothing brings it back.

    `sealed` is kept where whoever ended the session could not open it: whoever next sees the cookie can, and
    revokes the refresh token at the issuer.
    """

    key: bytes
    reason: str
    ended_at: float
    sealed: bytes | None = None


class ChangeKind(enum.StrEnum):
    """What happened to a key of the store."""

    REPLACED = "replaced"
    ENDED = "ended"
    RELEASED = "released"  # a lease was given back


@dataclass(frozen=True, slots=True)
class Change:
    """Pushed to every worker. `version` is the new version for `replaced`, else 0."""

    kind: ChangeKind
    key: bytes
    version: int = 0


@dataclass(frozen=True, slots=True)
class Lost:
    """The push connection was interrupted: changes may have been missed; nothing cached can be trusted."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The push connection is whole again."""


class SessionStore(Protocol):
    """The records. Every method raises `SessionStoreUnavailable` on any fault of the store, and nothing else."""

    async def create(self, record: StoredSession) -> None:
        """Add a record with its indexes. A second call with the same record changes nothing."""
        ...

    async def load(self, key: bytes, now: float) -> StoredSession | Ended | None:
        """Return the live record, what is left of an ended one, or None. Records past either end are None."""
        ...

    async def replace(self, record: StoredSession, expected_version: int) -> bool:
        """Write the record if it lives and has the expected version; push `replaced`. Never brings one back."""
        ...

    async def touch(self, key: bytes, idle_expires_at: float) -> bool:
        """Slide the idle end forward (never back) without a new version. False when the record is gone."""
        ...

    async def end(self, key: bytes, reason: str, now: float, *, keep_sealed: bool) -> bool:
        """Turn a live record into `Ended` and push `ended`. False when there was none alive."""
        ...

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
        """List live records that match any given criterion (none given: all), ordered by key, after `after`."""
        ...


class Coordination(Protocol):
    """What workers and machines agree on through the store. Same faults as `SessionStore`."""

    async def acquire(self, key: bytes, owner: bytes, now: float, ttl: float) -> int | None:
        """Take the lease on `key` for `ttl` seconds. A fencing token that grows with each owner, or None.

        Taking it again with the same owner prolongs it and returns the same token.
        """
        ...

    async def release(self, key: bytes, owner: bytes) -> None:
        """Give the lease back if it is still ours; push `released`."""
        ...

    async def remember(self, name: bytes, now: float, until: float, value: float = 0.0) -> bool:
        """Record a name once. True for the first caller until `until`, False for every later one.

        One who brings a greater value counts as the first again: the greatest value is the one that is recalled.
        """
        ...

    async def recall(self, name: bytes, now: float) -> float | None:
        """Return the value under a remembered name, or None."""
        ...

    def changes(self) -> AsyncIterator[Change | Lost | Restored]:
        """Yield what other workers (and this one) changed, from now on. Yields `Restored` first when it stands."""
        ...


class Store(SessionStore, Coordination, Protocol):
    """A whole backend with its life cycle."""

    async def open(self) -> None:
        """Connect and prepare. Raises `SessionStoreUnavailable` when the store cannot be used now."""
        ...

    async def close(self) -> None:
        """Let go of every connection, task and thread."""
        ...

    async def ping(self) -> None:
        """Prove that the store answers; raises `SessionStoreUnavailable`."""
        ...

    async def purge(self, now: float, limit: int = 1000) -> int:
        """Remove what is past its end (records, ended ones, names, leases); the number removed."""
        ...

    async def end_many(self, keys: Sequence[bytes], reason: str, now: float) -> set[bytes]:
        """End a few hundred records at once, keeping what is sealed; return the keys of those that lived."""
        ...

    async def count(self, now: float) -> int:
        """Return how many records live. Cheap enough to be asked every few seconds, a million sessions or not."""
        ...
