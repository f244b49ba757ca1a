"""Tokens as an issuer writes them: JWTs of a kilobyte, with all that varies from user to user varying."""

import base64
import json
import os
import random
from collections.abc import Callable, Mapping
from typing import Any

from bff.oidc.grant import Grant
from bff.oidc.token_set import TokenSet
from bff.session.principal import Principal

ISSUER = "https://id.example.com/realms/acme"
AUDIENCE = "https://api.example.com"
CLIENT_ID = "spa"
SCOPE = "openid profile email offline_access"
SIZE = 1024  # characters that a token has at least
_RSA = 256  # bytes of an RS256 signature
_REFRESH = 32  # bytes: 43 characters
_FIRST = ("Alice", "Bogdan", "Chiara", "Dmitri", "Esther", "Farid", "Grace", "Hiroshi", "Ines", "Jonas")
_LAST = ("Arden", "Birch", "Costa", "Dahl", "Eriksen", "Fontaine", "Garcia", "Haddad", "Ito", "Jansen")
_ROLES = tuple(
    f"{area}:{right}"
    for area in ("orders", "billing", "stock", "reports", "users", "audit", "prices", "returns", "contracts")
    for right in ("read", "write", "approve", "delete", "export")
)


def claims_of(
    subject: str, now: float, lifetime: float, *, issuer: str = ISSUER, client_id: str = CLIENT_ID
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the access token and the ID token of a new login say, but for the nonce."""
    number = hash(subject)
    given, family = _FIRST[number % 10], _LAST[number // 10 % 10]
    user = f"{given}.{family}.{number % 10**6}".lower()
    common = {
        "exp": int(now + lifetime),
        "iat": int(now),
        "jti": random_uuid(),
        "iss": issuer,
        "sub": subject,
        "sid": random_uuid(),
        "preferred_username": user,
        "email": f"{user}@example.com",
    }
    access = {**common, "jti": random_uuid(), "aud": [AUDIENCE], "azp": client_id, "scope": SCOPE}
    return access, {**common, "aud": client_id, "name": f"{given} {family}"}


def write_token(claims: Mapping[str, Any], head: bytes, sign: Callable[[bytes], bytes], signature: int) -> str:
    """Return a JWT of `SIZE`: roles are added until it is as long. `signature` is how many bytes `sign` gives."""
    payload = _json(claims)
    at_least = (SIZE - 2 - len(head)) * 3 // 4 - signature
    if len(payload) < at_least:
        roles, missing, at = [], at_least - len(payload) - len(',"roles":[]'), hash(claims["sub"])
        while missing > 0 or not roles:
            role = _ROLES[(at + len(roles)) % len(_ROLES)]
            roles.append(role if len(role) + 3 < missing else role[: max(1, missing - 3)])
            missing -= len(roles[-1]) + 3
        payload = _json({**claims, "roles": roles})
    signed = head + b"." + encode(payload)
    return (signed + b"." + encode(sign(signed))).decode("ascii")


def make_grant(
    subject: str, now: float, *, lifetime: float = 3600.0, issuer: str = ISSUER
) -> tuple[Grant, Principal]:
    """Return what a login of this subject gives, from an issuer that signs by RS256.

    The signatures are random bytes, as long as RSA's and no more compressible: nothing here checks them.
    """
    access, claims = claims_of(subject, now, lifetime, issuer=issuer)
    nonce = encode(os.urandom(32)).decode()
    claims |= {"nonce": nonce, "at_hash": encode(os.urandom(16)).decode()}
    access_token, id_token = (write_token(each, _HEAD, _sign, _RSA) for each in (access, claims))
    # The stub issuer knows by it whose it is; no other reads it.
    refresh = encode(os.urandom(_REFRESH)).decode() if issuer == ISSUER else f"{subject}.{nonce}.first"
    tokens = TokenSet(access_token, now, now + lifetime, refresh, id_token, SCOPE)
    said = json.loads(base64.urlsafe_b64decode(id_token.split(".")[1] + "=="))
    return Grant(tokens, said), Principal(issuer, subject, frozenset(said.get("roles", ())), said)


def encode(part: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def build_head(alg: str, key_id: str) -> bytes:
    """The first segment of a JWT."""
    return encode(_json({"alg": alg, "typ": "JWT", "kid": key_id}))


def random_uuid() -> str:
    """36 characters, 122 bits of them random."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def _sign(_signed: bytes) -> bytes:
    return os.urandom(_RSA)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_HEAD = build_head("RS256", encode(bytes(range(32))).decode())
