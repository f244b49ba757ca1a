"""Sealed text for cookies and URLs: AES-256-GCM inside an itsdangerous envelope that is signed, timed and rotated.

The signature is checked before anything is decrypted, and the time can be read by whoever holds the keys only.
"""

import base64
import binascii
import hashlib
from datetime import datetime

from itsdangerous import BadData, TimestampSigner

from bff.crypto.key_ring import CannotOpenError, KeyRing

MAX_ENVELOPE = 4096  # bytes; a browser keeps no larger cookie


class TooOldError(CannotOpenError):
    """It is ours and whole, and its time is over."""


class _ClockedSigner(TimestampSigner):
    """itsdangerous reads the wall clock itself; this one is told the time."""

    now: float = 0.0

    def get_timestamp(self) -> int:
        return int(self.now)


class Envelope:
    """Seals small payloads for one purpose into URL-safe text."""

    def __init__(self, ring: KeyRing, purpose: bytes) -> None:
        self._ring = ring
        self._purpose = purpose
        self._signing_keys = ring.signing_keys(purpose)
        self._generation = ring.generation

    def seal(self, payload: bytes, now: float) -> bytes:
        """Return the text; `now` is epoch seconds and is readable on opening."""
        sealed = self._ring.seal(self._purpose, payload)
        return self._signer(now).sign(base64.urlsafe_b64encode(sealed).rstrip(b"="))

    def open(self, text: bytes, now: float, *, max_age: float | None = None) -> tuple[bytes, float]:
        """Return the payload and when it was sealed.

        Raises:
            TooOldError: it is older than `max_age` seconds.
            CannotOpenError: it is not ours, damaged or from the future.
        """
        if len(text) > MAX_ENVELOPE:
            raise CannotOpenError
        try:
            value, at = self._unsign(text, now)
            sealed = base64.b64decode(value + b"=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except (BadData, binascii.Error, ValueError) as error:
            raise CannotOpenError from error
        sealed_at = _epoch(at)
        if max_age is not None and not -60 <= now - sealed_at <= max_age:
            raise TooOldError if now > sealed_at else CannotOpenError
        return self._ring.open(self._purpose, sealed), sealed_at

    def is_newest(self, text: bytes) -> bool:
        """Tell whether this text was sealed with the newest key; for text that `open` has accepted."""
        value = text.split(b".", 1)[0]
        return self._ring.is_newest(base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4)))

    def _unsign(self, text: bytes, now: float) -> tuple[bytes, datetime]:
        try:
            return self._signer(now).unsign(text, return_timestamp=True)
        except BadData:
            if not self._ring.look_again():
                raise
        return self._signer(now).unsign(text, return_timestamp=True)

    def _signer(self, now: float) -> _ClockedSigner:
        if self._generation != self._ring.generation:
            self._signing_keys, self._generation = self._ring.signing_keys(self._purpose), self._ring.generation
        signer = _ClockedSigner(
            self._signing_keys,
            salt=b"bff." + self._purpose,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        signer.now = now
        return signer


def _epoch(at: datetime) -> float:
    return at.timestamp()
