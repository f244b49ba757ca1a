"""What a logout token must say (OIDC Back-Channel Logout §2.4, §2.6). Pure; the signature is checked elsewhere."""

from dataclasses import dataclass

from bff.oidc.claims import (
    check_client_audience,
    check_issued,
    check_issuer,
    check_not_before,
    check_not_expired,
    check_type,
    subject,
)
from bff.oidc.client import Client
from bff.oidc.jose import TokenFault, UnverifiedToken
from bff.oidc.rules import TokenRules

MAX_SIZE = 16 * 1024  # characters: it comes from anyone
REQUIRED = ("iss", "aud", "iat", "exp", "jti", "events")
EVENT = "http://schemas.openid.net/event/backchannel-logout"

_MAX_NAME = 255  # characters of `jti` and `sid`
_MAX_AGE = 600.0  # seconds: it is sent at once, so an older one is a replay


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """The issuer says: this session, or every session of this person, is over. `sub` or `sid` is there."""

    issuer: str
    sub: str | None
    sid: str | None
    jti: str
    iat: float  # epoch seconds
    exp: float  # epoch seconds


def check_logout_token(token: UnverifiedToken, *, client: Client, rules: TokenRules, now: float) -> LogoutNotice:
    """Return what the token asks for. Raises `TokenFault`. Whether its `jti` was seen before is not known here.

    Claims and header parameters that we do not know are ignored (§2.5).
    """
    claims = token.claims
    check_type(token.typ, "logout+jwt")
    check_issuer(claims, client.issuer)
    check_client_audience(claims, client.client_id)
    if "nonce" in claims:
        raise TokenFault("nonce_present")
    _check_event(claims.get("events"))
    exp = check_not_expired(claims, now, rules.clock_skew)
    iat = check_issued(claims, now, rules.clock_skew, _MAX_AGE)
    check_not_before(claims, now, rules.clock_skew)
    jti, sid = _name(claims.get("jti"), "jti"), _name(claims.get("sid"), "sid")
    sub = subject(claims) if "sub" in claims else None
    if jti is None:
        raise TokenFault("jti_missing")
    if sub is None and sid is None:
        raise TokenFault("sub_and_sid_missing")
    return LogoutNotice(client.issuer, sub, sid, jti, iat, exp)


def _check_event(events: object) -> None:
    if not isinstance(events, dict):
        raise TokenFault("events_missing" if events is None else "events_malformed")
    if EVENT not in events:
        raise TokenFault("event_missing")
    if not isinstance(events[EVENT], dict):
        raise TokenFault("events_malformed")


def _name(value: object, claim: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME:
        raise TokenFault(f"{claim}_malformed")
    return value
