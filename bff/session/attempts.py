"""Login attempts in the browser: one sealed, short-lived cookie each, so that several tabs can log in at once."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bff.crypto.envelope import Envelope
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.http.cookies import CookieWriter, read_cookie, read_prefixed
from bff.oidc.attempt import LoginAttempt

LIFETIME = 600  # seconds from the login's start to its callback
_MOST = 5  # attempts a browser may have under way
_BUDGET = 6 * 1024  # bytes of Cookie header that they may take together (RFC 6265bis §6.1)
_PURPOSE = b"login-attempt"


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """An attempt, and what else must be known when it ends."""

    attempt: LoginAttempt
    silent: bool = False  # prompt=none: the issuer's "no" is an answer, not an error
    replaces: bytes | None = (
        None  # store key of the session that the browser had; its cookie is not sent back to us
    )
    # on the issuer's redirect, for it is SameSite=Strict
    remember: bool = False  # the user asked for it
    is_elsewhere: bool = False  # the session to replace is bound to another browser than this one


class _Payload(msgspec.Struct, array_like=True):
    state: str
    nonce: str
    code_verifier: str
    return_to: str
    issuer: str
    started_at: float
    max_age: int | None
    acr_values: str | None
    silent: bool
    replaces: bytes | None
    remember: bool = False
    is_elsewhere: bool = False


_DECODER = msgspec.msgpack.Decoder(_Payload)


class AttemptCookies:
    """Writes and reads them. The name is derived from `state`, so each callback finds its own."""

    def __init__(self, ring: KeyRing, session_cookie_name: str) -> None:
        self._envelope = Envelope(ring, _PURPOSE)
        self._base = session_cookie_name + "-login-"
        self._prefix = self._base.encode("ascii")

    def begin(self, pending: PendingLogin, cookies: Sequence[bytes], now: float) -> list[bytes]:
        """Return the Set-Cookie values that start this attempt and drop the oldest beyond the limits."""
        attempt = pending.attempt
        payload = _Payload(
            attempt.state,
            attempt.nonce,
            attempt.code_verifier,
            attempt.return_to,
            attempt.issuer,
            attempt.started_at,
            attempt.max_age,
            attempt.acr_values,
            pending.silent,
            pending.replaces,
            pending.remember,
            pending.is_elsewhere,
        )
        value = self._envelope.seal(msgspec.msgpack.encode(payload), now)
        # Lax: the issuer's redirect is a cross-site navigation, and must bring it.
        writer = self._writer(attempt.state)
        return [*self._make_room(cookies, len(value), now), writer.set(value, max_age=LIFETIME)]

    def find(self, state: str | None, cookies: Sequence[bytes], now: float) -> PendingLogin | None:
        """Return the attempt that began with this `state` in this browser; None for any other."""
        if not state:
            return None
        value = read_cookie(cookies, self._writer(state).name)
        payload = self._open(value, now) if value is not None else None
        if payload is None or payload.state != state:
            return None
        attempt = LoginAttempt(
            state=payload.state,
            nonce=payload.nonce,
            code_verifier=payload.code_verifier,
            return_to=payload.return_to,
            issuer=payload.issuer,
            started_at=payload.started_at,
            max_age=payload.max_age,
            acr_values=payload.acr_values,
        )
        return PendingLogin(
            attempt,
            silent=payload.silent,
            replaces=payload.replaces,
            remember=payload.remember,
            is_elsewhere=payload.is_elsewhere,
        )

    def deletion(self, state: str) -> bytes:
        """Return the Set-Cookie value that ends this attempt."""
        return self._writer(state).deletion

    def _make_room(self, cookies: Sequence[bytes], needed: int, now: float) -> list[bytes]:
        held: list[tuple[float, int, bytes]] = []
        dropped: list[bytes] = []
        for name, value in read_prefixed(cookies, self._prefix, 4 * _MOST):
            payload = self._open(value, now)
            if payload is None:
                dropped.append(name)
            else:
                held.append((payload.started_at, len(value), name))
        held.sort()
        while held and (len(held) >= _MOST or needed + sum(size for _, size, _ in held) > _BUDGET):
            dropped.append(held.pop(0)[2])
        return [
            CookieWriter(name.decode("latin-1"), same_site="lax").deletion for name in dropped if _is_token(name)
        ]

    def _open(self, value: bytes, now: float) -> _Payload | None:
        try:
            payload, _ = self._envelope.open(value, now, max_age=LIFETIME)
            return _DECODER.decode(payload)
        except (CannotOpenError, msgspec.DecodeError):
            return None

    def _writer(self, state: str) -> CookieWriter:
        digest = hashlib.sha256(state.encode("utf-8", "surrogateescape")).digest()[:9]
        return CookieWriter(self._base + base64.urlsafe_b64encode(digest).decode("ascii"), same_site="lax")


def _is_token(name: bytes) -> bool:
    return all(byte in _TOKEN for byte in name)


_TOKEN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
