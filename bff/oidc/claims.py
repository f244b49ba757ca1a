"""Rules that every kind of token shares. Pure; each raises `TokenFault` with a stable reason."""

from collections.abc import Mapping
from typing import Any

from bff.oidc.jose import TokenFault

MAX_SUBJECT = 255  # characters (OIDC Core §2)
_MAX_AUDIENCES = 100
_LAST_SECOND = 253402300800  # year 10000: no honest token lives longer


def check_type(typ: str | None, *accepted: str) -> None:
    """Keep kinds of tokens apart by `typ`: absent, `JWT`, or one that is accepted by name (RFC 8725 §3.11)."""
    if typ is not None and typ != "jwt" and typ not in accepted:
        raise TokenFault("wrong_type")


def check_markers(claims: Mapping[str, Any], markers: Mapping[str, str]) -> None:
    """Hold a token to the provider's own mark of its kind, such as `token_use`, if it has one (RFC 8725 §3.12)."""
    if any(name in claims and claims[name] != value for name, value in markers.items()):
        raise TokenFault("wrong_type")


def check_issuer(claims: Mapping[str, Any], issuer: str) -> None:
    """`iss` is the issuer, character by character (OIDC Core §3.1.3.7 rule 2)."""
    if "iss" not in claims:
        raise TokenFault("iss_missing")
    if claims["iss"] != issuer:
        raise TokenFault("iss_mismatch")


def audiences(claims: Mapping[str, Any], name: str = "aud") -> tuple[str, ...]:
    """Return `aud` as a tuple, whether it came as one string or as a list of them (RFC 7519 §4.1.3)."""
    value = claims.get(name)
    if value is None:
        raise TokenFault(f"{name}_missing")
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or not 0 < len(several) <= _MAX_AUDIENCES:
        raise TokenFault(f"{name}_malformed")
    if not all(isinstance(audience, str) for audience in several):
        raise TokenFault(f"{name}_malformed")
    return tuple(several)


def check_client_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """The token is for us (OIDC Core §3.1.3.7 rules 3 to 5).

    Further audiences are trusted only when `azp` says that the token was issued to us; an `azp` that names
    somebody else is refused in any case.
    """
    intended = audiences(claims)
    if client_id not in intended:
        raise TokenFault("aud_mismatch")
    azp = claims.get("azp")
    if "azp" in claims and azp != client_id:
        raise TokenFault("azp_mismatch")
    if azp is None and any(audience != client_id for audience in intended):
        raise TokenFault("aud_untrusted")


def numeric_date(claims: Mapping[str, Any], name: str) -> float:
    """Return a time claim in epoch seconds: a finite, sane number and no boolean (RFC 7519 §2)."""
    if name not in claims:
        raise TokenFault(f"{name}_missing")
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenFault(f"{name}_malformed")
    # Compared before it is converted: an integer may be too large for a float. NaN compares false.
    if not 0 <= value < _LAST_SECOND:
        raise TokenFault(f"{name}_malformed")
    return float(value)


def check_not_expired(claims: Mapping[str, Any], now: float, skew: float) -> float:
    """`exp` is ahead (OIDC Core §3.1.3.7 rule 9). Returns it."""
    exp = numeric_date(claims, "exp")
    if now >= exp + skew:
        raise TokenFault("expired")
    return exp


def check_issued(claims: Mapping[str, Any], now: float, skew: float, max_age: float | None) -> float:
    """`iat` is not ahead of us nor, in seconds, more than `max_age` behind (rule 10). Returns it."""
    iat = numeric_date(claims, "iat")
    if iat > now + skew:
        raise TokenFault("iat_in_future")
    if max_age is not None and iat < now - max_age - skew:
        raise TokenFault("iat_too_old")
    return iat


def check_not_before(claims: Mapping[str, Any], now: float, skew: float) -> None:
    """`nbf`, where there is one, has come (RFC 7519 §4.1.5)."""
    if "nbf" in claims and numeric_date(claims, "nbf") > now + skew:
        raise TokenFault("not_yet_valid")


def subject(claims: Mapping[str, Any]) -> str:
    """Return `sub`: 1 to 255 printable ASCII characters (OIDC Core §2)."""
    if "sub" not in claims:
        raise TokenFault("sub_missing")
    sub = claims["sub"]
    if not isinstance(sub, str) or not 0 < len(sub) <= MAX_SUBJECT or not (sub.isascii() and sub.isprintable()):
        raise TokenFault("sub_malformed")
    return sub
