"""An OpenID provider that costs next to nothing: it knows every user, asks nobody, and signs by ES256.

    granian --interface asgi benchmarks.scale.stub_issuer:app

Whoever plays the browser makes the code itself: the subject and the login's nonce, with a dot between. Every grant
takes as long as SCALE_ISSUER_DELAY says (milliseconds). `/seen` tells what was asked.
"""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from benchmarks.scale.tokens import CLIENT_ID, SCOPE, build_head, claims_of, encode, write_token

_ES256 = ec.ECDSA(hashes.SHA256())
_SIGNATURE = 64  # bytes
_KEY_ID = "stub"
_HEAD = build_head("ES256", _KEY_ID)
_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class StubIssuer:
    """The application. `url` is its own address and the issuer identifier."""

    def __init__(self, url: str, delay: float, lifetime: float) -> None:
        self._url = url
        self._delay = delay
        self._lifetime = lifetime
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._seen: Counter[str] = Counter()
        self._at_once = 0
        self._spent: set[str] = set()
        public = self._key.public_key().public_numbers()
        coordinates = {name: _number(getattr(public, name)) for name in ("x", "y")}
        key = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": _KEY_ID, **coordinates}
        self._fixed = {
            "/.well-known/openid-configuration": self._metadata(),
            "/jwks": {"keys": [key]},
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/token":
            await _answer(send, *await self._grant(await _read(receive)))
        elif path == "/seen":
            await _answer(send, 200, {**self._seen})
        elif path in self._fixed:
            await _answer(send, 200, self._fixed[path])
        else:
            await _read(receive)
            await _answer(send, 200, {})  # revocation

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self._url,
            "authorization_endpoint": f"{self._url}/authorize",
            "token_endpoint": f"{self._url}/token",
            "revocation_endpoint": f"{self._url}/revoke",
            "jwks_uri": f"{self._url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    async def _grant(self, body: bytes) -> tuple[int, dict[str, Any]]:
        asked = dict(parse_qsl(body.decode()))
        kind = asked["grant_type"]
        self._seen[kind] += 1
        self._at_once += 1
        self._seen["at_once"] = max(self._seen["at_once"], self._at_once)
        try:
            if self._delay:
                await asyncio.sleep(self._delay)
        finally:
            self._at_once -= 1
        given = asked["code"] if kind == "authorization_code" else asked["refresh_token"]
        if given in self._spent:  # RFC 9700 §4.14.2
            self._seen["reuse"] += 1
            return 400, {"error": "invalid_grant"}
        self._spent.add(given)
        subject, nonce, *_ = given.split(".")
        now = time.time()
        access, claims = claims_of(subject, now, self._lifetime, issuer=self._url)
        return 200, {
            "access_token": self._sign(access),
            "token_type": "Bearer",
            "expires_in": int(self._lifetime),
            "refresh_token": f"{subject}.{nonce}.{encode(os.urandom(12)).decode()}",
            "id_token": self._sign({**claims, "nonce": nonce}),
            "scope": SCOPE,
        }

    def _sign(self, claims: dict[str, Any]) -> str:
        return write_token(claims, _HEAD, self._signature, _SIGNATURE)

    def _signature(self, signed: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(signed, _ES256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _answer(send: Send, status: int, document: object) -> None:
    body = json.dumps(document).encode()
    headers = [*_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _number(value: int) -> str:
    return encode(value.to_bytes(32, "big")).decode()


app = StubIssuer(
    os.environ.get("SCALE_ISSUER_URL", ""),
    float(os.environ.get("SCALE_ISSUER_DELAY", "0")) / 1e3,
    float(os.environ.get("SCALE_ISSUER_LIFETIME", "3600")),
)
__all__ = ["CLIENT_ID", "StubIssuer", "app"]
