"""What a JWT access token must say when the configuration names an audience (RFC 9068 §4). Pure."""

import re
from collections.abc import Mapping
from typing import Any

from bff.oidc.claims import (
    audiences,
    check_issued,
    check_issuer,
    check_markers,
    check_not_before,
    check_not_expired,
    check_type,
)
from bff.oidc.client import Client
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.quirks import Quirks
from bff.oidc.rules import TokenRules

MAX_SIZE = 64 * 1024  # characters
REQUIRED = ("iss", "exp")

_OF_OTHER_KINDS = frozenset({"at_hash", "c_hash", "nonce", "events"})
_B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1


def is_bearer_token(value: object) -> bool:
    """Whether it can go into an Authorization header as it is, and can never end or split one."""
    return isinstance(value, str) and len(value) <= MAX_SIZE and _B64TOKEN.fullmatch(value) is not None


def check_access_token(
    token: UnverifiedToken, *, client: Client, rules: TokenRules, quirks: Quirks, now: float
) -> Mapping[str, Any]:
    """Return the claims of an access token that is meant for one of the configured audiences.

    Raises `TokenFault`. How long it lives is not looked at here: see `lifetime`.
    """
    claims = token.claims
    check_type(token.typ, "at+jwt")
    check_markers(claims, quirks.access_token_markers)
    if not _says_what_it_is(token, quirks) and not _OF_OTHER_KINDS.isdisjoint(claims):
        raise TokenFault("wrong_type")  # an ID token or a logout token (RFC 8725 §3.12)
    if rules.trusted_issuers and claims.get("iss") in rules.trusted_issuers:
        pass  # the issuer's own keys signed it, and the operator says that it also goes by this name
    else:
        check_issuer(claims, client.issuer)
    intended = audiences(claims, next((name for name in quirks.audience_claims if name in claims), "aud"))
    if set(rules.access_token_audience).isdisjoint(intended):
        raise TokenFault("aud_mismatch")
    check_not_expired(claims, now, rules.clock_skew)
    check_not_before(claims, now, rules.clock_skew)
    if "iat" in claims:
        check_issued(claims, now, rules.clock_skew, None)
    return claims


def _says_what_it_is(token: UnverifiedToken, quirks: Quirks) -> bool:
    if token.typ == "at+jwt":
        return True
    marks = quirks.access_token_markers
    return bool(marks) and all(token.claims.get(name) == value for name, value in marks.items())


def lifetime(claims: Mapping[str, Any], now: float) -> float:
    """Return for how many seconds a checked token was issued; without `iat`, for how many it still lives."""
    return float(claims["exp"]) - float(claims.get("iat", now))
