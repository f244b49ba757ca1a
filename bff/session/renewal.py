"""Renewing tokens: once for each expiry, whatever the number of requests, workers and machines.

check → take the lease → reload → check again → refresh grant → write → release → push. RFC 9700 §4.14.2: rotation
makes a replayed refresh token fatal, so losers wait for the winner's push and never call the issuer.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from bff.crypto.key_ring import CannotOpenError
from bff.errors import (
    BffError,
    GrantRejected,
    IssuerUnavailable,
    RenewalUnchecked,
    SessionExpired,
    SessionFromNewerVersion,
    SessionStoreUnavailable,
    TokenRejected,
)
from bff.events import Emit
from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.session.background import Background
from bff.session.changes import ChangeFeed
from bff.session.freshness import Freshness
from bff.session.live import LiveSession
from bff.session.principal import Principal
from bff.session.records import Ended, Store, StoredSession
from bff.session.renewal_lease import PATIENCE, Leases, expired
from bff.session.renewal_turns import Turns
from bff.session.revocation import Revocations
from bff.session.session import Session
from bff.session.sessions import Sessions
from bff.session.vault import Vault

_WRITE_AGAIN = 0.25  # seconds at most between two tries to write a rotated token
_BACKOFF_MAX = 30.0
_USUAL_RETRY = 5  # what `IssuerUnavailable` says by itself; more than that, and the issuer has asked for it

Refresh = Callable[[TokenSet, Mapping[str, Any]], Awaitable[Grant]]
PrincipalOf = Callable[[Grant], Principal]


class Renewer:
    """One worker's renewals."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        store: Store,
        vault: Vault,
        feed: ChangeFeed,
        refresh: Refresh,
        principal_of: PrincipalOf,
        revocations: Revocations,
        background: Background,
        clock: Callable[[], float],
        emit: Emit,
        apart: Callable[[LiveSession, int | None], Awaitable[None]] | None = None,
    ) -> None:
        """`apart` has renewals done by another process; it raises `OSError` when that is not there."""
        self._apart = apart
        self._sessions = sessions
        self._store = store
        self._vault = vault
        self._refresh = refresh
        self._principal_of = principal_of
        self._revocations = revocations
        self._background = background
        self._clock = clock
        self._emit = emit
        self._leases = Leases(sessions, store, feed, clock, emit)
        self._turns = Turns(sessions.limits.renewals_at_once)
        self._running: dict[bytes, asyncio.Task[None]] = {}

    def renew_soon(self, live: LiveSession, now: float, *, refused: int | None = None) -> None:
        """Begin a renewal in the background unless one is under way or it failed a moment ago."""
        if live.key not in self._running and now >= live.retry_at:
            self._begin(live, refused)

    async def renewed(self, live: LiveSession, *, refused: int | None = None) -> None:
        """Wait for usable tokens. `refused` is the version of the session whose token an API would not take.

        Raises:
            SessionExpired: the issuer refused for good, or the session ended meanwhile.
            IssuerUnavailable: it could not be done now, or not in time; the session lives on.
            SessionStoreUnavailable: likewise.
        """
        task = self._running.get(live.key)
        if task is None:
            now = self._clock()
            if now < live.retry_at:
                raise IssuerUnavailable(retry_after=max(1, round(live.retry_at - now)))
            task = self._begin(live, refused)
        # Shielded: a browser that goes away must not tear down a renewal that others wait for, least of all
        # between the issuer's answer and the write.
        try:
            await asyncio.wait_for(asyncio.shield(task), PATIENCE)
        except TimeoutError as error:
            raise IssuerUnavailable(retry_after=2) from error
        if live.ended:  # logged out meanwhile: whoever waited may not go on with what came
            await self._raise_ended(live)

    def _begin(self, live: LiveSession, refused: int | None) -> asyncio.Task[None]:
        task = self._background.start(self._run(live, refused), "renew")
        self._running[live.key] = task
        task.add_done_callback(lambda _: self._running.pop(live.key, None))
        return task

    async def _run(self, live: LiveSession, refused: int | None) -> None:
        version = live.version
        try:
            async with self._turns.turn(live.tokens.expires_at):
                # Another worker may have renewed while we waited for our turn.
                if live.version == version or live.freshness(self._clock()) is not Freshness.FRESH:
                    await self._renew(live, refused)
        except (IssuerUnavailable, SessionStoreUnavailable) as error:
            self._postpone(live, error)
            if live.freshness(self._clock()) in {Freshness.EXPIRED, Freshness.DEAD}:
                raise
        except BffError:
            raise
        except Exception:  # a mistake of ours, which asking the issuer again with every request would not mend
            self._postpone(live, BffError())
            raise

    async def _renew(self, live: LiveSession, refused: int | None) -> None:
        if self._apart is not None:
            try:
                await self._apart(live, refused)
            except OSError as error:
                self._emit("renewal.process_away", {"error": type(error).__name__})  # the lease keeps us apart
            else:
                await self._reloaded(live)
                return
        if not await self._leases.take(live):
            return
        try:
            await self._reloaded(live)
            if live.freshness(self._clock()) is Freshness.FRESH and live.version != refused:
                return
            async with self._leases.prolonged(live.key):
                grant = await self._ask_issuer(live)
                if grant is not None:
                    await self._write(live, self._apply(live, grant))
        finally:
            await self._leases.release(live.key)

    async def _reloaded(self, live: LiveSession) -> None:
        record = await self._sessions.reload(live, self._clock())
        if not isinstance(record, StoredSession):
            raise expired(record)

    # ── the issuer ──────────────────────────────────────────────────────────────────────────────────────

    async def _ask_issuer(self, live: LiveSession) -> Grant | None:
        """Return the new grant; None when somebody else turns out to have renewed."""
        session, version = live.session, live.version
        try:
            return await self._refresh(session.tokens, session.claims)
        except GrantRejected as error:
            # A lease that ran out under us is the one way to have been overtaken: look before ending anything.
            record = await self._sessions.reload(live, self._clock())
            if not isinstance(record, StoredSession):
                raise expired(record) from error  # logged out meanwhile, which took the token back
            if live.version != version:
                return None
            await self._end(live, "renewal_refused", error.error)
            raise SessionExpired(reason="renewal_refused") from error
        except RenewalUnchecked as error:
            if error.refresh_token is not None and error.refresh_token != session.tokens.refresh_token:
                tokens = replace(session.tokens, refresh_token=error.refresh_token)
                await self._write(live, replace(live.session, tokens=tokens))
            raise
        except TokenRejected as error:
            await self._end(live, "token_rejected", error.code)
            raise SessionExpired(reason="token_rejected") from error

    async def _end(self, live: LiveSession, reason: str, cause: str) -> None:
        self._emit(
            "renewal.refused",
            {"session": live.session.handle, "subject": live.principal.subject, "reason": reason, "cause": cause},
        )
        await self._sessions.end(live, reason, self._clock())

    def _postpone(self, live: LiveSession, error: BffError) -> None:
        live.failures += 1
        doublings = min(live.failures - 1, 10)  # a day of failures would overflow
        delay = min(2.0**doublings, _BACKOFF_MAX) * random.uniform(0.75, 1.25)  # noqa: S311 -- jitter
        asked = error.retry_after or 0
        if asked > _USUAL_RETRY:
            delay = max(delay, min(asked, _BACKOFF_MAX))
        live.retry_at = self._clock() + delay
        self._emit(
            "renewal.postponed",
            {
                "session": live.session.handle,
                "code": error.code,
                "failures": live.failures,
                "retry_in": round(live.retry_at - self._clock(), 1),
            },
        )

    def _apply(self, live: LiveSession, grant: Grant) -> Session:
        try:
            principal = self._principal_of(grant)
        except Exception as error:  # noqa: BLE001 -- a mapping of the operator's own must not cost the refresh token
            self._emit("principal.failed", {"session": live.session.handle, "error": type(error).__name__})
            principal = live.principal
        return live.session.renewed(grant, principal)

    # ── the write ───────────────────────────────────────────────────────────────────────────────────────

    async def _write(self, live: LiveSession, renewed: Session) -> None:
        """Store the new tokens before anything else is done with them.

        A store that is away is waited for as long as the session lasts: what we hold is the only copy of the
        rotated refresh token.
        """
        delay = 0.01
        while True:
            try:
                if await self._write_once(live, renewed):
                    break
            except SessionStoreUnavailable:
                if self._clock() >= renewed.expires_at:
                    raise
            await asyncio.sleep(delay)
            delay = min(delay * 2, _WRITE_AGAIN)
        lifetime = renewed.tokens.lifetime
        told = {"session": renewed.handle, "subject": renewed.principal.subject, "access_token_lifetime": lifetime}
        self._emit("renewal.done", told)

    async def _write_once(self, live: LiveSession, renewed: Session) -> bool:
        record = self._vault.seal(
            renewed, live.ticket, version=live.version + 1, idle_expires_at=live.idle_expires_at
        )
        if await self._store.replace(record, live.version) and not live.ended:
            live.adopt(renewed, record.version)
            return True
        current = await self._store.load(live.key, self._clock())
        if isinstance(current, StoredSession):
            if self._is_ours(current, live, renewed):
                live.adopt(renewed, current.version)  # the first try was written and only its answer was lost
                return True
            live.version = current.version  # somebody else wrote; our tokens are the newer ones
            return False
        # The session ended while issuer or store answered: logout wins, and what it could not know is revoked.
        self._sessions.forget(live)
        self._revocations.later(renewed.tokens, renewed.handle)
        raise expired(current)

    async def _raise_ended(self, live: LiveSession) -> NoReturn:
        record = await self._store.load(live.key, self._clock())
        raise expired(record if isinstance(record, Ended) else None)

    def _is_ours(self, current: StoredSession, live: LiveSession, renewed: Session) -> bool:
        try:
            stored = self._vault.open(current.key, current.sealed, live.ticket)
        except (CannotOpenError, SessionFromNewerVersion):  # of a key or form that we do not have yet
            return False
        return bool(stored.tokens == renewed.tokens)
