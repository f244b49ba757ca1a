"""One login between /login and /callback: the request that starts it, the answer that ends it. Pure."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from bff.errors import CallbackRejected
from bff.oidc.client import Client
from bff.oidc.login_parameters import LoginParameters, parse_login_parameters

__all__ = [
    "CallbackParameters",
    "LoginAttempt",
    "LoginParameters",
    "build_authorization_url",
    "check_callback",
    "code_challenge",
    "new_attempt",
    "parse_callback",
    "parse_login_parameters",
]

ENTROPY = 32  # bytes: 256 bits for each of state, nonce and verifier (RFC 7636 §7.1; OIDC Core §15.5.2)
MAX_AGE_OF_ATTEMPT = 600.0  # seconds that a person has for logging in

# Bounds on what the callback may carry, in characters after decoding. Some issuers' codes run to 2 KB.
_LIMITS = {"code": 8192, "state": 512, "iss": 2048, "error": 256}
_MAX_QUERY = 16384
_MAX_FIELDS = 64
_ERROR_CODE = re.compile(r"[a-z_]{1,64}")
_CANNOT_BE_ADDED = frozenset({"request", "request_uri", "response_mode"})  # they would replace what we fix


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What must come back from the issuer, and what we need then. Sealed in the browser, used once."""

    state: str
    nonce: str
    code_verifier: str
    return_to: str
    issuer: str  # RFC 9700 §4.4.2: bound to the request, so that mixed-up answers are seen
    started_at: float  # epoch seconds
    max_age: int | None = None  # seconds, as asked of the issuer
    acr_values: str | None = None  # space separated, as asked of the issuer

    def __repr__(self) -> str:
        return f"LoginAttempt(issuer={self.issuer!r}, started_at={self.started_at})"


@dataclass(frozen=True, slots=True, repr=False)
class CallbackParameters:
    """The parameters of an authorization response that mean something to us (RFC 6749 §4.1.2, RFC 9207)."""

    code: str | None = None
    state: str | None = None
    iss: str | None = None
    error: str | None = None


def new_attempt(
    *,
    return_to: str,
    issuer: str,
    now: float,
    random: Callable[[int], bytes] = secrets.token_bytes,
    max_age: int | None = None,
    acr_values: str | None = None,
) -> LoginAttempt:
    """Return a fresh attempt: every secret in it is its own draw of 256 bits."""
    return LoginAttempt(
        state=_b64url(random(ENTROPY)),
        nonce=_b64url(random(ENTROPY)),
        code_verifier=_b64url(random(ENTROPY)),
        return_to=return_to,
        issuer=issuer,
        started_at=now,
        max_age=max_age,
        acr_values=acr_values,
    )


def build_authorization_url(endpoint: str, client: Client, attempt: LoginAttempt, extras: Mapping[str, str]) -> str:
    """Return where to send the browser: an authorization code request with PKCE S256, state and nonce.

    `extras` are `LoginParameters.extras`; any other name in it is dropped. Later groups win over earlier ones, so
    nothing that an operator or a page adds can change what the protocol fixes, and no name appears twice
    (RFC 6749 §3.1), except `resource` (RFC 8707 §2).
    """
    scheme, netloc, path, query, _ = urlsplit(endpoint)
    asked = {
        "prompt": extras.get("prompt"),
        "login_hint": extras.get("login_hint"),
        "ui_locales": extras.get("ui_locales"),
        "max_age": None if attempt.max_age is None else str(attempt.max_age),
        "acr_values": attempt.acr_values,
    }
    parameters = {
        **dict(parse_qsl(query, keep_blank_values=True)),  # RFC 6749 §3.1: the endpoint's own query is kept
        **{name: value for name, value in client.extra_parameters.items() if name not in _CANNOT_BE_ADDED},
        **({"prompt": client.prompt} if client.prompt else {}),
        **{name: value for name, value in asked.items() if value is not None},
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": " ".join(client.scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": code_challenge(attempt.code_verifier),
        "code_challenge_method": "S256",
    }
    if client.resource:
        parameters.pop("resource", None)
    pairs = [*parameters.items(), *(("resource", resource) for resource in client.resource)]
    return urlunsplit((scheme, netloc, path, urlencode(pairs), ""))


def code_challenge(code_verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 §4.2)."""
    return _b64url(hashlib.sha256(code_verifier.encode("ascii")).digest())


def parse_callback(query: str | bytes) -> CallbackParameters:
    """Read an authorization response. Parameters that we do not know are ignored (RFC 6749 §4.1.2).

    Raises `CallbackRejected`: `repeated_parameter` (RFC 6749 §3.1) or `malformed`.
    """
    found: dict[str, str] = {}
    for name, value in _query_fields(query):
        if name not in _LIMITS:
            continue
        if name in found:
            raise CallbackRejected("repeated_parameter")
        if len(value) > _LIMITS[name]:
            raise CallbackRejected("malformed")
        found[name] = value
    return CallbackParameters(**{name: value for name, value in found.items() if value})


def check_callback(
    params: CallbackParameters,
    attempt: LoginAttempt | None,
    *,
    iss_required: bool,
    now: float,
    max_age_of_attempt: float = MAX_AGE_OF_ATTEMPT,
) -> str:
    """Return the authorization code of an answer that belongs to this browser's attempt.

    Raises `CallbackRejected` with the reason `no_attempt`, `state_mismatch`, `expired`, `issuer_missing`,
    `issuer_mismatch`, `no_code`, `provider_error`, or `provider_` and the issuer's own error code. What the issuer
    said counts only after state and `iss` have shown that it is the issuer who says it (RFC 9207 §2.4).
    """
    if attempt is None:
        raise CallbackRejected("no_attempt")
    if params.state is None or not hmac.compare_digest(params.state.encode(), attempt.state.encode()):
        raise CallbackRejected("state_mismatch")
    if now - attempt.started_at > max_age_of_attempt:
        raise CallbackRejected("expired")
    if params.iss is None and iss_required:
        raise CallbackRejected("issuer_missing")
    if params.iss is not None and params.iss != attempt.issuer:
        raise CallbackRejected("issuer_mismatch")
    if params.error is not None:
        raise _provider_error(params.error)
    if params.code is None:
        raise CallbackRejected("no_code")
    return params.code


def _provider_error(error: str) -> CallbackRejected:
    if not _ERROR_CODE.fullmatch(error):  # it is shown and logged: nothing but a plain word passes
        return CallbackRejected("provider_error")
    status = 503 if error in {"temporarily_unavailable", "server_error"} else None
    return CallbackRejected(f"provider_{error}", status=status)


def _query_fields(query: str | bytes) -> list[tuple[str, str]]:
    try:
        text = query.decode("ascii") if isinstance(query, bytes) else query
        if len(text) > _MAX_QUERY:
            raise CallbackRejected("malformed")
        fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        "".join(value for _, value in fields).encode()  # a lone surrogate cannot be compared, stored or sent
    except ValueError:
        raise CallbackRejected("malformed") from None
    return fields


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
