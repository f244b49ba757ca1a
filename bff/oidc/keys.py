"""The issuer's keys: reading a key set (RFC 7517), choosing among its keys. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from bff.errors import MetadataInvalid
from bff.oidc.jose import VerificationKey, build_verification_key

MAX_DOCUMENT = 512 * 1024  # bytes
MAX_KEYS = 100


def parse_jwks(document: Mapping[str, Any]) -> tuple[VerificationKey, ...]:
    """Return the keys of a JWK Set that can check a signature; others are left out (RFC 7517 §5).

    Raises `MetadataInvalid` when it is not a key set, holds more than 100 keys, or none that we would use.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise MetadataInvalid("The issuer's key set has no list of keys.")
    if len(entries) > MAX_KEYS:
        raise MetadataInvalid(f"The issuer's key set holds more than {MAX_KEYS} keys.")
    keys = tuple(key for key in map(build_verification_key, entries) if key is not None)
    if not keys:
        raise MetadataInvalid("The issuer's key set holds no key that can check a signature.")
    return keys


def select_keys(keys: Collection[VerificationKey], alg: str, kid: str | None) -> tuple[VerificationKey, ...]:
    """Return the keys that may have made a signature (OIDC Core §10.1).

    A `kid` selects, and where several keys bear it, the algorithm does (FAPI 2.0 §5.4.3). Without one every fitting
    key is tried; so are keys that have no name themselves when none has the name asked for.
    """
    fitting = tuple(key for key in keys if alg in key.algorithms)
    if kid is None:
        return fitting
    return tuple(key for key in fitting if key.kid == kid) or tuple(key for key in fitting if key.kid is None)


def is_known(keys: Collection[VerificationKey], kid: str | None) -> bool:
    """Whether a key of that name is in the set, so that asking the issuer again would bring nothing new."""
    return kid is not None and any(key.kid == kid for key in keys)
