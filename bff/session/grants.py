"""Grants, completed with what the userinfo endpoint knows beyond the ID token."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bff.errors import BffError, IssuerUnavailable, MetadataInvalid
from bff.events import Emit
from bff.oidc.attempt import LoginAttempt
from bff.oidc.grant import Grant
from bff.oidc.id_token import KEPT_WHEN_OMITTED
from bff.oidc.jose import peek_claims
from bff.oidc.relying_party import RelyingParty
from bff.oidc.token_set import TokenSet
from bff.session.revocation import Revocations


class Grants:
    """The relying party's grants; `with_userinfo` asks userinfo at each of them (OIDC Core §5.3)."""

    def __init__(
        self, relying_party: RelyingParty, emit: Emit, *, with_userinfo: bool, revocations: Revocations
    ) -> None:
        self._relying_party = relying_party
        self._emit = emit
        self._revocations = revocations
        self._with_userinfo = with_userinfo

    async def redeem(self, code: str, attempt: LoginAttempt) -> Grant:
        """Return the grant for an authorization code. Raises what the relying party raises."""
        grant = await self._relying_party.redeem(code, attempt)
        if not self._with_userinfo:
            return grant
        try:
            return _merged(grant, await self._ask(grant))
        except BffError:
            self._revocations.later(grant.tokens, None)  # no session comes of them
            raise

    async def renew(self, tokens: TokenSet, claims: Mapping[str, Any]) -> Grant:
        """Return the grant for a refresh token.

        By now the old refresh token is spent, so a userinfo endpoint that is away must not cost the new one: what
        it said the last time stands until the next renewal.
        """
        grant = await self._relying_party.renew(tokens, claims)
        if not self._with_userinfo:
            return grant
        try:
            extra = await self._ask(grant)
            return _merged(replace(grant, claims=_own(grant, claims)), extra)
        except (IssuerUnavailable, MetadataInvalid) as error:
            self._emit("renewal_unchecked", {"token": "userinfo", "reason": error.code})
            return _merged(grant, claims)

    async def _ask(self, grant: Grant) -> Mapping[str, Any]:
        return await self._relying_party.userinfo(grant.tokens.access_token, str(grant.claims["sub"]))


def _own(grant: Grant, previous: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ID token's claims; where a renewal brought no new one, those of the previous that it spoke of.

    Else what userinfo said the last time would win over what it says now, and a role taken away would stay.
    """
    spoken = peek_claims(grant.tokens.id_token or "") if grant.claims is previous else None
    if spoken is None:
        return grant.claims
    return {name: value for name, value in previous.items() if name in spoken or name in KEPT_WHEN_OMITTED}


def _merged(grant: Grant, extra: Mapping[str, Any]) -> Grant:
    """The ID token wins wherever both speak."""
    return replace(grant, claims={**extra, **grant.claims})
