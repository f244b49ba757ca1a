"""What an ID token must say (OIDC Core §3.1.3.7, §3.1.3.8, §12.2). Pure; the signature is checked elsewhere."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from bff.oidc.attempt import MAX_AGE_OF_ATTEMPT, LoginAttempt
from bff.oidc.claims import (
    audiences,
    check_client_audience,
    check_issued,
    check_issuer,
    check_markers,
    check_not_before,
    check_not_expired,
    check_type,
    numeric_date,
    subject,
)
from bff.oidc.client import Client
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.quirks import Quirks
from bff.oidc.rules import TokenRules

MAX_SIZE = 64 * 1024  # characters
REQUIRED = ("iss", "sub", "aud", "exp", "iat")  # OIDC Core §2

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
KEPT_WHEN_OMITTED = ("nonce", "auth_time", "sid")  # a renewal's ID token may leave them out, yet they stay true


def check_login_id_token(
    token: UnverifiedToken,
    attempt: LoginAttempt,
    access_token: str,
    *,
    client: Client,
    rules: TokenRules,
    quirks: Quirks,
    now: float,
) -> Mapping[str, Any]:
    """Return the claims of the ID token that ends this login attempt. Raises `TokenFault`."""
    claims = token.claims
    _check_id_token(token, access_token, client=client, rules=rules, quirks=quirks, now=now)
    nonce = claims.get("nonce")
    if "nonce" not in claims:
        raise TokenFault("nonce_missing")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), attempt.nonce.encode()):
        raise TokenFault("nonce_mismatch")
    _check_authentication(claims, attempt, rules.clock_skew)
    return claims


def check_renewed_id_token(
    token: UnverifiedToken,
    previous: Mapping[str, Any],
    access_token: str,
    *,
    client: Client,
    rules: TokenRules,
    quirks: Quirks,
    now: float,
) -> Mapping[str, Any]:
    """Return the claims after a renewal: still the same person's, from the same login (OIDC Core §12.2).

    Raises `TokenFault`.
    """
    claims = token.claims
    _check_id_token(token, access_token, client=client, rules=rules, quirks=quirks, now=now)
    if claims["sub"] != previous.get("sub"):
        raise TokenFault("sub_changed")
    if "aud" in previous and not set(audiences(previous)) <= set(audiences(claims)):
        raise TokenFault("aud_changed")
    for name in ("azp", "nonce"):
        if name in claims and name in previous and claims[name] != previous[name]:
            raise TokenFault(f"{name}_changed")
    if "nonce" in claims and "nonce" not in previous:
        raise TokenFault("nonce_changed")
    if "auth_time" in claims:
        _check_same_authentication(claims, previous, quirks, now + rules.clock_skew)
    return {**{name: previous[name] for name in KEPT_WHEN_OMITTED if name in previous}, **claims}


def hash_of_access_token(access_token: str, alg: str) -> str:
    """Return the `at_hash` that goes with an access token (OIDC Core §3.1.3.6). EdDSA with Ed25519 is SHA-512."""
    digest = _HASHES["512" if alg == "EdDSA" else alg[-3:]](access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")


def _check_id_token(
    token: UnverifiedToken, access_token: str, *, client: Client, rules: TokenRules, quirks: Quirks, now: float
) -> None:
    claims = token.claims
    check_type(token.typ)
    check_markers(claims, quirks.id_token_markers)
    check_issuer(claims, client.issuer)
    check_client_audience(claims, client.client_id)
    check_not_expired(claims, now, rules.clock_skew)
    check_issued(claims, now, rules.clock_skew, MAX_AGE_OF_ATTEMPT)
    check_not_before(claims, now, rules.clock_skew)
    subject(claims)
    if "events" in claims:  # a logout token or another security event (RFC 8417), whatever its header says
        raise TokenFault("wrong_type")
    at_hash = claims.get("at_hash")
    if "at_hash" in claims and at_hash != hash_of_access_token(access_token, token.alg):
        raise TokenFault("at_hash_mismatch")


def _check_authentication(claims: Mapping[str, Any], attempt: LoginAttempt, skew: float) -> None:
    """Hold `acr` and `auth_time` to what was asked for (OIDC Core §3.1.3.7 rules 12 and 13)."""
    if attempt.acr_values is not None and claims.get("acr") not in attempt.acr_values.split(" "):
        raise TokenFault("acr_mismatch")
    if attempt.max_age is None:
        return
    # The age is that at the time of asking: people may take a while between their password and the way back.
    if numeric_date(claims, "auth_time") < attempt.started_at - attempt.max_age - skew:
        raise TokenFault("auth_time_too_old")


def _check_same_authentication(
    claims: Mapping[str, Any], previous: Mapping[str, Any], quirks: Quirks, latest: float
) -> None:
    auth_time = numeric_date(claims, "auth_time")
    if auth_time > latest:
        raise TokenFault("auth_time_in_future")
    if "auth_time" not in previous or auth_time == previous["auth_time"]:
        return
    if auth_time < numeric_date(previous, "auth_time") or not quirks.auth_time_may_advance:
        raise TokenFault("auth_time_changed")
