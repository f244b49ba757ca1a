"""How we prove at the issuer's endpoints that we are its client (RFC 6749 §2.3.1, OIDC Core §9). Pure."""

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote_plus

from bff.oidc.client import Client
from bff.oidc.jose import SigningKey, build_signed_token, load_signing_key
from bff.oidc.metadata import Metadata

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFETIME = 60  # seconds


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What goes on one request: headers, form fields, or some of both, but of one method only (RFC 6749 §2.3)."""

    form: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class ClientAuthenticator:
    """Builds credentials. Raises `ValueError` at once when the private key cannot be used."""

    def __init__(self, client: Client, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._client = client
        self._random = random
        self._key = load_signing_key(client.private_key or "") if client.auth_method == "private_key_jwt" else None

    def credentials(self, metadata: Metadata, now: float) -> Credentials:
        """Return credentials for one request; an assertion is new for each (RFC 7523 §3, `jti`)."""
        client = self._client
        if self._key is not None:
            return self._assertion(self._key, metadata, now)
        secret = client.client_secret or ""
        if client.auth_method == "client_secret_post":
            return Credentials(form=(("client_id", client.client_id), ("client_secret", secret)))
        # RFC 6749 §2.3.1: both are form-urlencoded before they are joined, so that a colon cannot be misread.
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}".encode("ascii")
        return Credentials(headers={"authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"})

    def _assertion(self, key: SigningKey, metadata: Metadata, now: float) -> Credentials:
        client_id = self._client.client_id
        claims = {
            "iss": client_id,
            "sub": client_id,
            # The issuer as one string, never the endpoint: an assertion for one server is no good at another
            # (FAPI 2.0 §5.3.3.1).
            "aud": metadata.issuer,
            "jti": self._random(16).hex(),
            "iat": int(now),
            "exp": int(now) + ASSERTION_LIFETIME,
        }
        spoken = metadata.client_assertion_algorithms
        alg = next((name for name in key.algorithms if name in spoken), key.algorithms[0])
        assertion = build_signed_token(claims, key, alg, self._client.private_key_id)
        return Credentials(
            form=(
                ("client_id", client_id),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", assertion),
            )
        )
