"""Keys and tokens for tests that need a provider to lie: every byte of a token can be chosen.

Nothing here goes through the library under test, so that a fault in it cannot hide.
"""

import base64
import datetime as dt
import functools
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID


class Removed:
    """Says in a mapping of changes that a member is to be left out."""

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED: Any = Removed()

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {
    "ES256": (ec.SECP256R1(), "P-256", 32),
    "ES384": (ec.SECP384R1(), "P-384", 48),
    "ES512": (ec.SECP521R1(), "P-521", 66),
}


def b64url(data: bytes) -> str:
    """Encode without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Decode what came without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def changed(mapping: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `mapping` with `changes`; a value of REMOVED takes the member away."""
    return {name: value for name, value in {**mapping, **changes}.items() if value is not REMOVED}


@dataclass(frozen=True)
class Key:
    """A signing key with the name and the algorithm under which it is published."""

    private: Any
    alg: str
    kid: str | None

    def named(self, kid: str | None) -> "Key":
        """Return the same key under another name."""
        return replace(self, kid=kid)

    def using(self, alg: str) -> "Key":
        """Return the same key for another algorithm."""
        return replace(self, alg=alg)

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Return the public JWK."""
        return changed(
            {**_public_members(self), "kid": self.kid or REMOVED, "alg": self.alg, "use": "sig"}, changes
        )

    def pem(self) -> str:
        """Return the private key in PEM."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    def public_pem(self) -> bytes:
        """Return the public key in PEM."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def public_der(self) -> bytes:
        """Return the public key in DER."""
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        """Return a JWS signature."""
        return _sign(self, message)


def rsa_key(number: int = 0, bits: int = 2048) -> Key:
    """Return an RSA key, the same for the same number: making one takes a tenth of a second."""
    return _key("RS256", number, bits)


def ec_key(number: int = 0, alg: str = "ES256") -> Key:
    """Return an elliptic curve key, the same for the same number."""
    return _key(alg, number, 0)


def ed_key(number: int = 0) -> Key:
    """Return an Ed25519 key, the same for the same number."""
    return _key("EdDSA", number, 0)


def forge(header: Mapping[str, Any] | bytes, claims: Mapping[str, Any] | bytes, key: Key) -> str:
    """Sign whatever is given, raw bytes included, with a real key; the header says what it likes."""
    message = f"{b64url(_json(header))}.{b64url(_json(claims))}"
    return f"{message}.{b64url(key.sign(message.encode('ascii')))}"


def signed(claims: Mapping[str, Any] | bytes, key: Key, **header: Any) -> str:
    """Sign claims with an honest header, but for the changes in `header`."""
    return forge(changed({"alg": key.alg, "kid": key.kid or REMOVED, "typ": "JWT"}, header), claims, key)


def unsigned(claims: Mapping[str, Any], alg: Any = "none", signature: bytes = b"", **header: Any) -> str:
    """Return a token without a real signature."""
    fields = changed({"alg": alg, "typ": "JWT"}, header)
    return f"{b64url(_json(fields))}.{b64url(_json(claims))}.{b64url(signature)}"


def mac(claims: Mapping[str, Any], secret: bytes, alg: str = "HS256", **header: Any) -> str:
    """Return a token under a shared secret: what algorithm confusion is made of."""
    message = f"{b64url(_json(changed({'alg': alg, 'typ': 'JWT'}, header)))}.{b64url(_json(claims))}"
    digest = hmac.new(secret, message.encode("ascii"), getattr(hashlib, f"sha{alg[2:]}")).digest()
    return f"{message}.{b64url(digest)}"


def read_claims(token: str) -> dict[str, Any]:
    """Return the claims of a token, unchecked."""
    return json.loads(b64url_decode(token.split(".")[1]))


def at_hash(access_token: str, alg: str) -> str:
    """Return the `at_hash` for an access token."""
    name = "sha512" if alg == "EdDSA" else f"sha{alg[-3:]}"
    digest = hashlib.new(name, access_token.encode("ascii")).digest()
    return b64url(digest[: len(digest) // 2])


def self_signed_certificate(directory: Path, *names: str) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and these names that nobody vouches for, and its key; return the paths."""
    key, now = ec_key(), dt.datetime.now(dt.UTC)
    others = [x509.IPAddress(ip_address("127.0.0.1")), *(x509.DNSName(each) for each in names)]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.private.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(others), critical=False)
        .sign(key.private, hashes.SHA256())
    )
    where, whose = directory / "certificate.pem", directory / "key.pem"
    where.write_bytes(certificate.public_bytes(Encoding.PEM))
    whose.write_text(key.pem())
    return where, whose


@functools.cache
def _key(alg: str, number: int, bits: int) -> Key:
    kid = f"{alg.lower()}-{number}"
    if alg == "RS256":
        return Key(rsa.generate_private_key(public_exponent=65537, key_size=bits), alg, kid)
    if alg == "EdDSA":
        return Key(ed25519.Ed25519PrivateKey.generate(), alg, kid)
    return Key(ec.generate_private_key(_CURVES[alg][0]), alg, kid)


def _json(value: Mapping[str, Any] | bytes) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


def _number(value: int, size: int | None = None) -> str:
    return b64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def _public_members(key: Key) -> dict[str, Any]:
    public = key.private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64url(public.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    point = public.public_numbers()
    _, name, size = _CURVES[f"ES{'512' if public.curve.key_size == 521 else public.curve.key_size}"]
    return {"kty": "EC", "crv": name, "x": _number(point.x, size), "y": _number(point.y, size)}


def _sign(key: Key, message: bytes) -> bytes:
    digest = _HASHES.get(key.alg[-3:], hashes.SHA256())
    if isinstance(key.private, ed25519.Ed25519PrivateKey):
        return key.private.sign(message)
    if isinstance(key.private, rsa.RSAPrivateKey):
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        return key.private.sign(message, pss if key.alg.startswith("PS") else padding.PKCS1v15(), digest)
    r, s = decode_dss_signature(key.private.sign(message, ec.ECDSA(digest)))
    size = (key.private.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
