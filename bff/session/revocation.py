"""Revoking tokens at the issuer (RFC 7009) after a session has ended: never on a request's path."""

import asyncio
from collections.abc import Awaitable, Callable

from bff.errors import IssuerUnavailable
from bff.events import Emit
from bff.oidc.token_set import TokenSet
from bff.session.background import Background

_DELAYS = (0.5, 2.0, 8.0, 30.0)  # seconds between tries; RFC 7009 §2.2.1 asks to try again after a 503

Revoke = Callable[[TokenSet], Awaitable[None]]


class Revocations:
    """Revokes in the background, and says so when it had to give up."""

    def __init__(self, revoke: Revoke, background: Background, emit: Emit) -> None:
        self._revoke = revoke
        self._background = background
        self._emit = emit

    def later(self, tokens: TokenSet, handle: str | None) -> None:
        """Begin to revoke; `handle` names the session in events, None where none came of the tokens."""
        self._background.start(self.revoke(tokens, handle), "revoke-tokens")

    async def revoke(self, tokens: TokenSet, handle: str | None) -> None:
        """Revoke, and try again for a while when the issuer does not answer."""
        for delay in (*_DELAYS, None):
            try:
                await self._revoke(tokens)
            except IssuerUnavailable:
                if delay is None:
                    self._emit("tokens.revocation_failed", {"session": handle})
                    return
                await asyncio.sleep(delay)
            else:
                self._emit("tokens.revoked", {"session": handle})
                return
