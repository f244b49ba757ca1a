"""What the token endpoint's answer means (RFC 6749 §5). Pure."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bff.errors import GrantRejected, IssuerUnavailable, TokenRejected
from bff.oidc.access_token import is_bearer_token
from bff.oidc.token_set import TokenSet
from bff.oidc.transport import Answer

UNKNOWN_LIFETIME = 300.0  # seconds, when nobody says: short enough to be safe, long enough not to be a storm
LIFETIMES = (1.0, 366 * 86400.0)  # seconds; less, or a date in the past, would have us renew without a pause

_TRANSIENT = frozenset({"temporarily_unavailable", "server_error"})
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VISIBLE = re.compile(r"[\x20-\x7e]{1,65536}")  # RFC 6749 appendix A.17
_SCOPE = re.compile(r"[\x20-\x7e]{0,8192}")


@dataclass(frozen=True, slots=True, repr=False)
class TokenResponse:
    """A successful answer of which every field has been looked at. `expires_in` is clamped; None when not given."""

    access_token: str
    expires_in: float | None
    refresh_token: str | None
    id_token: str | None
    scope: str | None
    refresh_expires_in: float | None = None  # as some providers tell it; 0: without an end


class ClientRefused(IssuerUnavailable):
    """The issuer refuses us, not the person: a fault of configuration, which must not end anyone's session."""

    def __init__(self, status: int, error: str, retry_after: int) -> None:
        super().__init__(
            f"The identity provider refuses this application ({error}, status {status}). "
            "Check client_id, client_auth, its secret or key, scopes and redirect URI.",
            retry_after=retry_after,
        )
        self.http_status = status
        self.error = error


def parse_token_response(answer: Answer, fatal_errors: Collection[str]) -> TokenResponse:
    """Return what the issuer granted.

    Raises `GrantRejected` only for an error that is fatal to the grant itself (`invalid_grant`), `ClientRefused`
    for one that is about us, `IssuerUnavailable` for everything that may be otherwise the next time, and
    `TokenRejected` for a token that can never be used.
    """
    document = answer.json_object()
    if answer.status != 200:
        raise refusal(answer, document, fatal_errors)
    if document is None:
        raise IssuerUnavailable("The token endpoint's answer is not a JSON object.")
    access_token = document.get("access_token")
    if not access_token or not isinstance(access_token, str):
        raise IssuerUnavailable("The token endpoint's answer has no access_token.")
    token_type = document.get("token_type")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":  # RFC 6749 §7.1
        raise rejected("access_token", "token_type_unknown")
    if not is_bearer_token(access_token):
        raise rejected("access_token", "malformed")
    id_token = document.get("id_token")
    if id_token and not (isinstance(id_token, str) and _VISIBLE.fullmatch(id_token)):
        raise rejected("id_token", "malformed")
    return TokenResponse(
        access_token=access_token,
        expires_in=_expires_in(document.get("expires_in")),
        refresh_token=_text(document, "refresh_token", _VISIBLE),
        id_token=id_token or None,
        scope=_text(document, "scope", _SCOPE),
        refresh_expires_in=_refresh_expires_in(document),
    )


def build_token_set(
    response: TokenResponse,
    access_claims: Mapping[str, Any] | None,
    received_at: float,
    *,
    id_token: str | None,
    scope: str,
    refresh_token: str | None = None,
) -> TokenSet:
    """Return the tokens with their times. `scope` and `refresh_token` stand in where the answer leaves them out.

    The end is the earlier of `expires_in` and a checked token's `exp`, but never now: that would be a storm.
    """
    exp = None if access_claims is None else float(access_claims["exp"])
    by_answer = None if response.expires_in is None else received_at + response.expires_in
    ends = min((end for end in (exp, by_answer) if end is not None), default=received_at + UNKNOWN_LIFETIME)
    return TokenSet(
        access_token=response.access_token,
        issued_at=received_at,
        expires_at=max(ends, received_at + LIFETIMES[0]),
        refresh_token=response.refresh_token or refresh_token,
        id_token=id_token,
        scope=scope if response.scope is None else response.scope,
    )


def refusal(
    answer: Answer, document: Mapping[str, Any] | None, fatal_errors: Collection[str] = ()
) -> GrantRejected | IssuerUnavailable:
    """Return what an answer other than 200 means (RFC 6749 §5.2)."""
    retry_after = answer.retry_after or 5
    status, error = answer.status, (document or {}).get("error")
    if not isinstance(error, str) or not _ERROR_CODE.fullmatch(error):
        error = "no_error_code"
    if status in {408, 425, 429} or not 400 <= status < 500 or error in _TRANSIENT:
        return IssuerUnavailable(f"The identity provider answered with status {status}.", retry_after=retry_after)
    if error in fatal_errors:
        return GrantRejected(error)
    if document is None:  # a proxy's page, not the issuer's word
        return IssuerUnavailable(f"The identity provider answered with status {status}.", retry_after=retry_after)
    return ClientRefused(status, error, retry_after)


def rejected(token: str, reason: str) -> TokenRejected:
    """Return the error for a token that breaks a rule; `token` and `reason` are stable words."""
    return TokenRejected(f"The identity provider's {token} was rejected: {reason}.", token=token, reason=reason)


def _expires_in(value: object) -> float | None:
    """Read `expires_in`, a number or a string of one. Nonsense counts as not given (RFC 6749 §5.1: optional)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, LIFETIMES[0]), LIFETIMES[1])


def _refresh_expires_in(document: Mapping[str, Any]) -> float | None:
    value = document.get("refresh_expires_in", document.get("refresh_token_expires_in"))
    return 0.0 if str(value) == "0" else _expires_in(value)


def _text(document: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str | None:
    """Return a text field. What is none counts as not given: it must not cost what else the answer brings.

    The grant is spent by now, so an answer thrown away for a bad `scope` would take the rotated token along.
    """
    value = document.get(name)
    return value if isinstance(value, str) and value and form.fullmatch(value) else None
