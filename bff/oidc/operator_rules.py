"""What the operator's `[tokens]` ask of a token beyond the specifications. Pure: tokens in, reasons out."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from bff.oidc.jose import UnverifiedToken, VerificationKey, is_strong, peek_claims
from bff.oidc.rules import TokenRules


def broken_by_id_token(token: UnverifiedToken, key: VerificationKey, rules: TokenRules) -> Iterator[str]:
    """Yield the reasons for which a valid ID token breaks the rules."""
    yield from broken_by_key(key, rules)
    if any(name not in token.claims for name in rules.required_id_token_claims):
        yield "claim_missing"
    lives_for = float(token.claims["exp"]) - float(token.claims["iat"])
    if lives_for > rules.max_id_token_lifetime + rules.clock_skew:
        yield "lifetime_exceeded"


def broken_by_access_token(token: UnverifiedToken, key: VerificationKey, rules: TokenRules) -> Iterator[str]:
    """Do the same for an access token that is a valid JWT; how long it lives is looked at for opaque ones too."""
    yield from broken_by_key(key, rules)
    if rules.access_token_type == "at+jwt" and token.typ != "at+jwt":
        yield "not_at_jwt"
    if any(name not in token.claims for name in rules.required_access_token_claims):
        yield "claim_missing"


def broken_by_key(key: VerificationKey, rules: TokenRules) -> Iterator[str]:
    """Yield the reason for which a key is too weak (RFC 8725 §3.5)."""
    if not is_strong(key, rules.min_rsa_bits, rules.curves):
        yield "weak_key"


def refresh_token_lives_for(refresh_token: str | None, told: float | None, now: float) -> float | None:
    """Return for how many seconds a refresh token is good, as far as the issuer says; 0 told means without an end.

    A refresh token is the issuer's own business and cannot be checked: where it is a JWT, its word is used to
    refuse, never to believe.
    """
    if refresh_token is None:
        return None
    if told is not None:
        return told or math.inf
    claims: Mapping[str, Any] = peek_claims(refresh_token) or {}
    exp = claims.get("exp")
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not 0 < exp < 1e12:
        return None
    return float(exp) - now
