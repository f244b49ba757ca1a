"""Signed tokens: taking them apart, checking and making signatures. The only module that knows PyJWT."""

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.types import Options

from bff.oidc.strict_json import parse_json_object

MAX_KID = 256  # characters
RSA_BITS = range(2048, 8193)
MAX_RSA_EXPONENT_BITS = 64

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")

# PyJWT checks the signature and that claims are there; what they must say is ours to check, with our clock.
_OPTIONS: Options = {
    "verify_signature": True,
    "enforce_minimum_key_length": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class TokenFault(Exception):
    """A token breaks a rule. `reason` is a stable word; each kind of token turns it into its own error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False)
class UnverifiedToken:
    """A token taken apart. Its claims are what somebody wrote: use them to refuse, never to believe."""

    raw: str
    alg: str
    kid: str | None
    typ: str | None  # lower case, without the `application/` that RFC 7515 §4.1.9 lets one leave out
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True, repr=False)
class VerificationKey:
    """One public key of the issuer and what it may be used with (RFC 8725 §3.1)."""

    kid: str | None
    algorithms: frozenset[str]
    public_key: Any


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """Our own private key for client assertions."""

    algorithms: tuple[str, ...]  # that it can sign with, the preferred one first
    private_key: Any


def looks_like_jwt(raw: str) -> bool:
    """Whether an access token is meant to be a signed JWT: three segments, of which the first is a JSON object."""
    segments = raw.split(".")
    try:
        return len(segments) == 3 and "alg" in parse_json_object(_b64url(segments[0]))
    except ValueError:
        return False


def peek_claims(raw: str) -> Mapping[str, Any] | None:
    """Return what a JWT claims, with nothing checked; None when it is none. Use it to refuse or to warn only."""
    segments = raw.split(".")
    try:
        return parse_json_object(_b64url(segments[1])) if len(segments) == 3 else None
    except ValueError:
        return None


def parse_token(raw: str, algorithms: Collection[str], max_size: int) -> UnverifiedToken:
    """Take a token apart without any cryptography.

    Raises `TokenFault`: `too_large`, `malformed`, `critical_extension` (RFC 7515 §4.1.11: we understand none) or
    `algorithm_not_allowed`. `jku`, `jwk`, `x5u` and `x5c` are ignored: keys come from the issuer's key set only.
    """
    if len(raw) > max_size:
        raise TokenFault("too_large")
    try:
        segments = raw.split(".", 3)
        header, claims, _ = (_b64url(segment) for segment in segments)
        fields = parse_json_object(header)
        parsed = parse_json_object(claims)
    except ValueError:
        raise TokenFault("malformed") from None
    alg, kid, typ = fields.get("alg"), fields.get("kid"), fields.get("typ")
    if "crit" in fields:
        raise TokenFault("critical_extension")
    if not isinstance(alg, str) or not isinstance(kid, str | None) or not isinstance(typ, str | None):
        raise TokenFault("malformed")
    if "b64" in fields or (kid is not None and len(kid) > MAX_KID):
        raise TokenFault("malformed")
    if alg not in algorithms:
        raise TokenFault("algorithm_not_allowed")
    return UnverifiedToken(raw, alg, kid, typ and typ.lower().removeprefix("application/"), parsed)


def check_signature(
    token: UnverifiedToken, keys: Collection[VerificationKey], require: Collection[str]
) -> VerificationKey:
    """Return the key that made the signature, when the claims named in `require` are there.

    The algorithm was held to the allow-list by `parse_token`; here it is held to the key as well, whatever the
    header says (RFC 8725 §3.1). Raises `TokenFault`: `bad_signature`, or the missing claim's name and `_missing`.
    """
    for key in keys:
        if token.alg not in key.algorithms:
            continue
        try:
            jwt.decode(
                token.raw,
                key.public_key,
                algorithms=[token.alg],
                options={**_OPTIONS, "require": list(require)},
            )
        except jwt.MissingRequiredClaimError as exc:
            raise TokenFault(f"{exc.claim}_missing") from None
        except jwt.PyJWTError:
            continue
        return key
    raise TokenFault("bad_signature")


def is_strong(key: VerificationKey, min_rsa_bits: int, curves: Collection[str]) -> bool:
    """Whether a key is as large as demanded, or on one of the curves (RFC 8725 §3.5)."""
    public_key = key.public_key
    if isinstance(public_key, RSAPublicKey):
        return public_key.key_size >= min_rsa_bits
    if isinstance(public_key, EllipticCurvePublicKey):
        return _CURVE_NAMES.get(public_key.curve.name) in curves
    return "Ed25519" in curves


def build_verification_key(jwk: object) -> VerificationKey | None:
    """Return the key in a JWK, or None when it is not a public signature key that we would use.

    Left out: symmetric and unknown kinds, keys for encryption, RSA outside 2048-8192 bits, broken ones.
    """
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    operations, kid, alg = jwk.get("key_ops", ["verify"]), jwk.get("kid"), jwk.get("alg")
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    if not isinstance(kid, str | None) or not isinstance(alg, str | None) or len(kid or "") > MAX_KID:
        return None
    try:
        algorithms, public_key = _public_key(jwk)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    fitting = algorithms if alg is None else algorithms & {alg}
    return VerificationKey(kid, fitting, public_key) if fitting else None


def load_signing_key(pem: str) -> SigningKey:
    """Load a PEM private key. Raises `ValueError` when it is none that can sign client assertions."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as exc:
        raise ValueError("the private key is not an unencrypted PEM private key") from exc
    match key:
        case RSAPrivateKey() if key.key_size in RSA_BITS:
            return SigningKey(("RS256", "PS256"), key)
        case EllipticCurvePrivateKey() if key.curve.name in {"secp256r1", "secp384r1", "secp521r1"}:
            alg = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}[key.curve.name]
            return SigningKey((alg,), key)
        case Ed25519PrivateKey():
            return SigningKey(("EdDSA",), key)
        case _:
            raise ValueError("the private key must be RSA of 2048 to 8192 bits, EC P-256, P-384, P-521 or Ed25519")


def build_signed_token(claims: Mapping[str, Any], key: SigningKey, alg: str, kid: str | None) -> str:
    """Sign claims with our own key."""
    return jwt.encode(dict(claims), key.private_key, algorithm=alg, headers={"kid": kid} if kid else None)


def _public_key(jwk: Mapping[str, Any]) -> tuple[frozenset[str], Any]:
    """Return what the key can be used with and the key, from its public members alone."""
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            n, e = (int.from_bytes(_b64url(jwk[name]), "big") for name in ("n", "e"))
            if n.bit_length() not in RSA_BITS or e.bit_length() > MAX_RSA_EXPONENT_BITS:
                raise ValueError("RSA key out of bounds")
            return _RSA, jwt.algorithms.RSAAlgorithm.from_jwk({name: jwk[name] for name in ("kty", "n", "e")})
        case "EC", str(curve) if curve in _CURVES:
            members = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
            return frozenset({_CURVES[curve]}), jwt.algorithms.ECAlgorithm.from_jwk(members)
        case "OKP", "Ed25519":
            members = {name: jwk[name] for name in ("kty", "crv", "x")}
            return frozenset({"EdDSA"}), jwt.algorithms.OKPAlgorithm.from_jwk(members)
        case _:
            raise ValueError("not a public signature key")


def _b64url(segment: object) -> bytes:
    """Decode base64url without padding (RFC 7515 §2). Raises `ValueError` for any other spelling."""
    if not isinstance(segment, str) or not _SEGMENT.fullmatch(segment):
        raise ValueError("not base64url")
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode("ascii") != segment:
        raise ValueError("not base64url in its one spelling")
    return decoded
