"""Tokens of sessions that were ended without their cookie: revoked once, by whoever can open the record."""

from collections.abc import Callable

from bff.crypto.key_ring import CannotOpenError
from bff.session.records import Ended, Store
from bff.session.revocation import Revocations
from bff.session.ticket import Ticket
from bff.session.vault import Vault

_NO_TICKET = Ticket(b"", b"")


class Leftovers:
    """Opens what is left of ended sessions. Every method raises `SessionStoreUnavailable`."""

    def __init__(self, store: Store, vault: Vault, revocations: Revocations, clock: Callable[[], float]) -> None:
        self._store = store
        self._vault = vault
        self._revocations = revocations
        self._clock = clock

    async def revoke(self, key: bytes, sealed: bytes, ticket: Ticket) -> None:
        """Revoke the tokens in a sealed record, unless somebody has; nothing happens when it does not open."""
        try:
            session = self._vault.open(key, sealed, ticket)
        except CannotOpenError:
            return
        if await self._store.remember(b"revoked:" + key, self._clock(), session.expires_at):
            await self._revocations.revoke(session.tokens, session.handle)

    async def revoke_without_cookie(self, key: bytes) -> None:
        """Do the same by the key alone: for records that are not bound to their cookie."""
        record = await self._store.load(key, self._clock())
        if isinstance(record, Ended) and record.sealed is not None:
            await self.revoke(key, record.sealed, _NO_TICKET)
