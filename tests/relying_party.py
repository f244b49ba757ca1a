"""A plain OpenID Connect relying party over httpx, for tests of what stands on either side of the BFF."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from tests.servers import Issuer
from tests.sign_in import sign_in

CALLBACK = "http://127.0.0.1:9/callback"  # nothing listens there: the browser's last redirect is read, not followed
SCOPE = "openid profile offline_access"


def _challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class RelyingParty:
    """One confidential client and the browser in front of it.

    Args:
        issuer: the provider, started with `redirect_uris=[CALLBACK]`.
        http: plays both the browser and the client's back channel.
    """

    def __init__(self, issuer: Issuer, http: httpx.AsyncClient) -> None:
        self.issuer = issuer
        self.http = http
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(16)
        self.nonce = secrets.token_urlsafe(16)

    def authorization_url(self, **more: str) -> str:
        """The URL to send the browser to; `more` are further parameters, an empty one leaves a parameter out."""
        query = {
            "client_id": self.issuer.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": SCOPE,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": _challenge(self.verifier),
            "code_challenge_method": "S256",
            **more,
        }
        return f"{self.issuer.url}/auth?{urlencode({name: value for name, value in query.items() if value})}"

    async def post(self, path: str, **form: str) -> httpx.Response:
        """A form to one of the provider's endpoints, with the client's credentials."""
        credentials = (self.issuer.client_id, self.issuer.client_secret)
        return await self.http.post(f"{self.issuer.url}{path}", data=form, auth=credentials)

    async def redeem(self, callback_url: str) -> httpx.Response:
        """The authorization_code grant for what the callback brought."""
        code = parse_qs(urlsplit(callback_url).query)["code"][0]
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": self.verifier}
        return await self.post("/token", grant_type="authorization_code", **form)

    async def log_in(self, login: str = "alice", **more: str) -> dict[str, Any]:
        """The token response after a whole login."""
        answer = await self.redeem(await sign_in(self.http, self.authorization_url(**more), login))
        answer.raise_for_status()
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def refresh(self, refresh_token: str) -> httpx.Response:
        """The refresh_token grant."""
        return await self.post("/token", grant_type="refresh_token", refresh_token=refresh_token)

    async def revoke(self, token: str) -> httpx.Response:
        """RFC 7009."""
        return await self.post("/token/revocation", token=token)
