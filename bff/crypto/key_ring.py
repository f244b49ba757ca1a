"""The server's keys: newest first, one derived key for each purpose, so that no two uses ever share one.

Sealing is AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D §8.2.2: below 2^32 messages a key; a purpose's
key seals one message a login, a record's key a few hundred in its life). Derivation is HKDF-SHA256 (RFC 5869).
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_KEY_ID = 4
_NONCE = 12
_TAG = 16
_HEADER = len(_VERSION) + _KEY_ID
MIN_KEY_BYTES = 32


class CannotOpenError(Exception):
    """What was to be opened is damaged, foreign, or sealed with a key we do not hold (any more)."""


class _Key:
    """One configured key and what is derived from it."""

    def __init__(self, material: bytes) -> None:
        self.material = material
        self.key_id = derive(material, b"key-id", length=_KEY_ID)
        self._ciphers: dict[bytes, AESGCM] = {}
        self._hash_keys: dict[bytes, bytes] = {}

    def cipher(self, purpose: bytes, bound_to: bytes) -> AESGCM:
        if bound_to:
            return AESGCM(derive(self.material + bound_to, b"seal:" + purpose))
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            cipher = self._ciphers[purpose] = AESGCM(derive(self.material, b"seal:" + purpose))
        return cipher

    def hash_key(self, purpose: bytes) -> bytes:
        key = self._hash_keys.get(purpose)
        if key is None:
            key = self._hash_keys[purpose] = derive(self.material, b"hash:" + purpose)
        return key


class KeyRing:
    """Seals with the newest key and opens with any.

    `secrets`: at least one string of at least 32 random bytes in base64url, newest first.
    """

    def __init__(self, secrets: Sequence[str], *, random: Callable[[int], bytes] = os.urandom) -> None:
        if not secrets:
            raise ValueError("a key ring needs at least one key")
        self._keys = [_Key(decode_key(secret)) for secret in secrets]
        self._by_id = {key.key_id: key for key in reversed(self._keys)}
        self._sealing = self._keys[0]
        self._random = random
        self.generation = 0  # grows whenever the keys change
        # Asked when something was sealed with an unknown key: are there others by now? Another process may have
        # taken on a key that this one has not seen yet.
        self.look_again: Callable[[], bool] = lambda: False

    @property
    def key_ids(self) -> list[str]:
        """Public names of the keys, newest first, in hexadecimal."""
        return [key.key_id.hex() for key in self._keys]

    @property
    def sealing_id(self) -> str:
        """The name of the key that seals."""
        return self._sealing.key_id.hex()

    def adopt(self, secrets: Sequence[str], *, seal_with_newest: bool) -> bool:
        """Go by other keys from now on; tell whether anything changed.

        Without `seal_with_newest` they all open at once, while the key that has sealed so far goes on doing so if
        it is still among them.

        Raises:
            ValueError: one of them is no key, or there is none; nothing has changed then.
        """
        if not secrets:
            raise ValueError("a key ring needs at least one key")
        fresh = [_Key(decode_key(secret)) for secret in secrets]
        keys = [self._by_id.get(key.key_id, key) for key in fresh]
        sealing = keys[0] if seal_with_newest or self._sealing not in keys else self._sealing
        if keys == self._keys and sealing is self._sealing:
            return False
        self._keys, self._sealing = keys, sealing
        self._by_id = {key.key_id: key for key in reversed(keys)}
        self.generation += 1
        return True

    def seal(self, purpose: bytes, plaintext: bytes, *, associated: bytes = b"", bound_to: bytes = b"") -> bytes:
        """Seal for one purpose. `bound_to` is a further secret without which it never opens again."""
        key = self._sealing
        header = _VERSION + key.key_id
        nonce = self._random(_NONCE)
        sealed = key.cipher(purpose, bound_to).encrypt(nonce, plaintext, header + purpose + b"\0" + associated)
        return header + nonce + sealed

    def open(self, purpose: bytes, sealed: bytes, *, associated: bytes = b"", bound_to: bytes = b"") -> bytes:
        """Open what `seal` sealed with the same purpose, associated data and bound secret.

        Raises:
            CannotOpenError: for anything else.
        """
        header = sealed[:_HEADER]
        key = self._by_id.get(header[1:])
        if key is None and self.look_again():
            key = self._by_id.get(header[1:])
        if key is None or header[:1] != _VERSION or len(sealed) < _HEADER + _NONCE + _TAG:
            raise CannotOpenError
        nonce, ciphertext = sealed[_HEADER : _HEADER + _NONCE], sealed[_HEADER + _NONCE :]
        try:
            return key.cipher(purpose, bound_to).decrypt(nonce, ciphertext, header + purpose + b"\0" + associated)
        except InvalidTag as error:
            raise CannotOpenError from error

    def is_newest(self, sealed: bytes) -> bool:
        """Tell whether this was sealed with the key that seals now."""
        return sealed[1:_HEADER] == self._sealing.key_id

    def keyed_hash(self, purpose: bytes, value: bytes) -> bytes:
        """32 bytes: HMAC-SHA256 under the key that seals."""
        return hmac.digest(self._sealing.hash_key(purpose), value, "sha256")

    def keyed_hashes(self, purpose: bytes, value: bytes) -> list[bytes]:
        """The hash under each key, newest first: what another key wrote is still found."""
        return [hmac.digest(key.hash_key(purpose), value, "sha256") for key in self._keys]

    def tag(self, purpose: bytes, value: bytes, key_id: str) -> bytes:
        """32 bytes: HMAC-SHA256 under the key of that name.

        Raises:
            CannotOpenError: no key has that name.
        """
        try:
            key = self._by_id[bytes.fromhex(key_id)]
        except (KeyError, ValueError) as error:
            raise CannotOpenError from error
        return hmac.digest(key.hash_key(b"tag:" + purpose), value, "sha256")

    def signing_keys(self, purpose: bytes) -> list[bytes]:
        """Derived keys for signatures, the one that signs last (as itsdangerous wants them)."""
        others = [key for key in reversed(self._keys) if key is not self._sealing]
        return [derive(key.material, b"sign:" + purpose) for key in (*others, self._sealing)]


def derive(material: bytes, info: bytes, *, length: int = 32) -> bytes:
    """HKDF-SHA256 without salt; `info` names the use."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=b"bff/v1/" + info).derive(material)


def decode_key(secret: str) -> bytes:
    """Return the bytes of a configured key.

    Raises:
        ValueError: when it is not base64url of at least 32 bytes.
    """
    text = secret.strip()
    try:
        material = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a key is base64url text, as `bff keys new` prints it") from error
    if len(material) < MIN_KEY_BYTES:
        raise ValueError(f"a key holds at least {MIN_KEY_BYTES} bytes; this one holds {len(material)}")
    return material


def new_key(random: Callable[[int], bytes] = os.urandom) -> str:
    """Return a fresh key: 32 random bytes in base64url without padding."""
    return base64.urlsafe_b64encode(random(MIN_KEY_BYTES)).rstrip(b"=").decode("ascii")


def fingerprint(value: bytes) -> str:
    """A short public name for a secret value, for logs; 12 hexadecimal digits of SHA-256."""
    return hashlib.sha256(value).hexdigest()[:12]
