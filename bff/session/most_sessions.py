"""The most sessions that a user may have: held at each login, over all workers and machines.

A login writes its session first and looks then. Logins of one user look one after the other, by a lease in the
store; the session's cookie is handed out only afterwards, so none that is one too many is ever of use to anybody.
Should the lease not be had in time, each of two logins sees the other one's session: too few may be left, never
too many.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from bff.errors import CallbackRejected, SessionStoreUnavailable
from bff.events import Emit
from bff.session.background import Background
from bff.session.live import LiveSession
from bff.session.principal import Principal
from bff.session.records import Store, StoredSession
from bff.session.sessions import Sessions
from bff.session.vault import Vault

REASON = "too_many_sessions"
_TURN = b"login-turn"
_LEASE = 10.0  # seconds: a few questions to a slow store
_PATIENCE = 10.0  # seconds that a login waits for its turn
_LOOK_AGAIN = 1.0  # seconds after which the lease is asked for again, should its release not be heard
_PAGE = 200


class MostSessions:
    """Admits sessions that have just begun."""

    def __init__(
        self,
        most: int,
        *,
        ends_oldest: bool,
        sessions: Sessions,
        store: Store,
        vault: Vault,
        background: Background,
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._most = most
        self._ends_oldest = ends_oldest
        self._sessions = sessions
        self._store = store
        self._vault = vault
        self._background = background
        self._clock = clock
        self._emit = emit

    async def admit(self, live: LiveSession, *, besides: bytes | None) -> None:
        """Make room for a session, or end it; `besides` is one that is about to be replaced by it.

        Raises:
            CallbackRejected: there are as many as there may be; the new session has ended.
            SessionStoreUnavailable: it cannot be known now.
        """
        async with self._turn(live.principal):
            if not isinstance(await self._store.load(live.key, self._clock()), StoredSession):
                raise CallbackRejected(REASON, "Another sign-in of yours has just ended this one.", status=403)
            others = await self._others(live, besides)
            surplus = len(others) - (self._most - 1)
            if surplus > 0 and self._ends_oldest:
                for record in others[:surplus]:
                    await self._displace(record, live)
            elif surplus > 0:
                await self._sessions.end(live, REASON, self._clock())
                raise CallbackRejected(
                    REASON,
                    "You are signed in in as many places as you may be. Sign out in one of them, then try again.",
                    status=403,
                )

    async def _others(self, live: LiveSession, besides: bytes | None) -> list[StoredSession]:
        """Return the user's other sessions, the oldest first."""
        subjects = self._vault.subject_hashes(live.principal.issuer, live.principal.subject)
        found: list[StoredSession] = []
        after, now = b"", self._clock()
        while True:
            page = await self._store.find(now=now, subjects=subjects, after=after, limit=_PAGE)
            found += [record for record in page if record.key not in {live.key, besides}]
            if len(page) < _PAGE:
                return sorted(found, key=lambda record: (record.created_at, record.key))
            after = page[-1].key

    async def _displace(self, record: StoredSession, by: LiveSession) -> None:
        if not await self._sessions.end_key(record.key, REASON, self._clock()):
            return
        if not self._vault.bind_to_cookie:
            work = self._sessions.leftovers.revoke_without_cookie(record.key)
            self._background.start(work, "revoke-leftover")
        self._emit(
            "session.displaced",
            {
                "subject": by.principal.subject,
                "session": record.handle,
                "reason": REASON,
                "displaced_by": by.session.handle,
            },
        )

    @asynccontextmanager
    async def _turn(self, principal: Principal) -> AsyncIterator[None]:
        key = self._vault.ring.keyed_hash(_TURN, self._vault.subject_hashes(principal.issuer, principal.subject)[0])
        owner = os.urandom(16)
        await self._wait_for_turn(key, owner)
        try:
            yield
        finally:
            with suppress(SessionStoreUnavailable):  # it runs out by itself
                await self._store.release(key, owner)

    async def _wait_for_turn(self, key: bytes, owner: bytes) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while loop.time() < deadline:
            with self._sessions.feed.waiter(key) as waiter:
                if await self._store.acquire(key, owner, self._clock(), _LEASE) is not None:
                    return
                await waiter.wait(_LOOK_AGAIN)
