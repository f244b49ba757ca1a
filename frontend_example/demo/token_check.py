"""How an API checks the access token of a call: a JWT of the configured issuer, meant for this API (RFC 9068 §4).

The API trusts nothing that stands before it. Keys come from the issuer's JWKS, are kept, and are fetched again
when a token names one that is not there, but never more often than once in `REFETCH_AFTER` seconds.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")  # signatures only: no HS256, no "none"
TOKEN_TYPES = ("at+jwt", "application/at+jwt")
REFETCH_AFTER = 2.0  # seconds
KEEP_FOR = 600.0
MAX_DOCUMENT_BYTES = 256 * 1024
MAX_TOKEN_CHARACTERS = 16 * 1024


class TokenRejected(Exception):
    """The token does not open this API. The message may be told to the caller."""


class IssuerUnreachable(Exception):
    """The issuer's keys cannot be had now, so no token can be judged."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the token says.

    Attributes:
        subject: `sub`.
        name: None when the token has none.
        roles: never None.
        scope: words separated by blanks.
        issued_at, expires_at: epoch seconds.
    """

    subject: str
    name: str | None
    roles: tuple[str, ...]
    scope: str
    issued_at: int
    expires_at: int


def build_caller(claims: Mapping[str, Any]) -> Caller:
    """The caller from validated claims; roles that are not a list of strings count as none."""
    roles = claims.get("roles")
    return Caller(
        subject=claims["sub"],
        name=claims["name"] if isinstance(claims.get("name"), str) else None,
        roles=tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else (),
        scope=claims["scope"] if isinstance(claims.get("scope"), str) else "",
        issued_at=int(claims["iat"]),
        expires_at=int(claims["exp"]),
    )


class IssuerKeys:
    """The issuer's public keys by key id.

    Args:
        issuer: the issuer identifier.
        http: the client to fetch with.
        monotonic: seconds that only grow.
    """

    def __init__(
        self, issuer: str, http: httpx.AsyncClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._http = http
        self._monotonic = monotonic
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key, after a look at the issuer if it is not known or what we know is old.

        Raises:
            IssuerUnreachable: there are no keys at all, and the issuer does not give any.
        """
        if not self._is_known(key_id):
            async with self._fetching:
                now = self._monotonic()
                if not self._is_known(key_id) and now - self._tried_at >= REFETCH_AFTER:
                    is_first = not self._keys
                    self._tried_at = now
                    await self._fetch(now)
                    if is_first:  # it was no answer to a strange key id, so the next of those may look again
                        self._tried_at = float("-inf")
        if not self._keys:
            raise IssuerUnreachable(self._issuer)
        return self._keys.get(key_id)

    def _is_known(self, key_id: str) -> bool:
        return key_id in self._keys and self._monotonic() - self._fetched_at < KEEP_FOR

    async def _fetch(self, now: float) -> None:
        try:
            metadata = await self._get_json(f"{self._issuer}/.well-known/openid-configuration")
            if metadata.get("issuer") != self._issuer:
                raise IssuerUnreachable(f"{self._issuer} calls itself by another name")
            keys = (await self._get_json(metadata["jwks_uri"]))["keys"]
            self._keys = {key["kid"]: jwt.PyJWK(key) for key in keys if key.get("use", "sig") == "sig"}
            self._fetched_at = now
        except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            if not self._keys:  # with keys in hand an unreachable issuer is no reason to turn callers away
                raise IssuerUnreachable(self._issuer) from error

    async def _get_json(self, url: str) -> dict[str, Any]:
        answer = await self._http.get(url)
        answer.raise_for_status()
        if len(answer.content) > MAX_DOCUMENT_BYTES:
            raise ValueError("the document is too large")
        document = answer.json()
        if not isinstance(document, dict):
            raise TypeError("the document is not an object")
        return document


class TokenCheck:
    """Validates access tokens of one issuer for one audience.

    Args:
        issuer: the issuer identifier, compared exactly.
        audience: this API.
        keys: the issuer's keys.
    """

    def __init__(self, issuer: str, audience: str, keys: IssuerKeys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys

    async def check(self, token: str) -> Caller:
        """Who calls with this token.

        Raises:
            TokenRejected: RFC 9068 §4 fails in any point.
            IssuerUnreachable: no keys to check with.
        """
        key = await self._keys.find(self._key_id(token))
        if key is None:
            raise TokenRejected("the token is signed with a key that the issuer does not publish")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenRejected("the token has expired") from error
        except jwt.PyJWTError as error:
            raise TokenRejected("the token is not valid for this API") from error
        return build_caller(claims)

    def _key_id(self, token: str) -> str:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenRejected("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenRejected("the token is not a JWT") from error
        if str(header.get("typ", "")).lower() not in TOKEN_TYPES:  # RFC 9068 §4: an ID token is no access token
            raise TokenRejected("the token is not an access token")
        if header.get("alg") not in ALGORITHMS:
            raise TokenRejected("the token's algorithm is not accepted")
        key_id = header.get("kid")
        if not isinstance(key_id, str):
            raise TokenRejected("the token does not name its key")
        return key_id
