"""The token, userinfo and revocation endpoints of tests/neg_op.py."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import jwt

from tests.forging import REMOVED, at_hash, b64url, changed, signed
from tests.neg_op_wire import Reply, Seen, json_reply

if TYPE_CHECKING:
    from tests.neg_op import NegOp

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Login:
    """What one authorization remembers."""

    sub: str
    sid: str
    nonce: str | None
    scope: str
    auth_time: int
    code_challenge: str
    redirect_uri: str
    client_id: str
    acr: str | None


class Refusal(Exception):
    """An error answer of the token endpoint."""

    def __init__(self, error: str, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.status = error, status


class TokenDesk:
    """Remembers codes and tokens; what it says is bent by the provider's fields."""

    def __init__(self, op: "NegOp") -> None:
        self._op = op
        self.codes: dict[str, Login] = {}
        self.revoked: set[str] = set()
        self._refresh_tokens: dict[str, Login] = {}
        self._spent: dict[str, Login] = {}
        self._access_tokens: dict[str, Login] = {}
        self._jtis: set[str] = set()

    def token(self, seen: Seen) -> Reply:
        try:
            self._check_client(seen)
            match seen.form.get("grant_type"):
                case "authorization_code":
                    return self._tokens(self._redeem(seen), fresh=True)
                case "refresh_token":
                    return self._tokens(*self._refresh(seen))
                case _:
                    raise Refusal("unsupported_grant_type")
        except Refusal as refusal:
            return json_reply({"error": refusal.error}, refusal.status)

    def _check_client(self, seen: Seen) -> None:
        scheme, _, value = seen.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(value).decode("ascii").partition(":")
            given = (unquote_plus(name), unquote_plus(secret))
        elif "client_assertion" in seen.form:
            return self._check_assertion(seen)
        else:
            given = (seen.form.get("client_id", ""), seen.form.get("client_secret", ""))
        if given != (self._op.client_id, self._op.client_secret):
            raise Refusal("invalid_client", 401)
        return None

    def _check_assertion(self, seen: Seen) -> None:
        key = self._op.client_public_key
        if key is None or seen.form.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refusal("invalid_client", 401)
        claims = jwt.decode(
            seen.form["client_assertion"],
            key.private.public_key(),
            algorithms=[key.alg],
            audience=self._op.issuer,
            options={"require": ["iss", "sub", "aud", "jti", "exp"], "verify_exp": False, "verify_iat": False},
        )
        self._op.assertions.append(claims)
        if claims["jti"] in self._jtis or {claims["iss"], claims["sub"]} != {self._op.client_id}:
            raise Refusal("invalid_client", 401)
        self._jtis.add(claims["jti"])

    def _redeem(self, seen: Seen) -> Login:
        login = self.codes.pop(seen.form.get("code", ""), None)
        if login is None or login.redirect_uri != seen.form.get("redirect_uri"):
            raise Refusal("invalid_grant")
        challenge = b64url(_sha256(seen.form.get("code_verifier", "")))
        if self._op.check_pkce and challenge != login.code_challenge:
            raise Refusal("invalid_grant")
        return login

    def _refresh(self, seen: Seen) -> tuple[Login, bool]:
        token = seen.form.get("refresh_token", "")
        if token in self._spent and self._op.detect_reuse:
            for live, login in list(self._refresh_tokens.items()):
                if login is self._spent[token]:
                    self.revoked.add(live)
        if token in self.revoked or token not in self._refresh_tokens:
            raise Refusal("invalid_grant")
        login = self._refresh_tokens[token]
        if self._op.rotate_refresh_tokens:
            self._spent[token] = self._refresh_tokens.pop(token)
        return login, False

    def _tokens(self, login: Login, fresh: bool) -> Reply:
        access_token = self._access_token(login)
        self._access_tokens[access_token] = login
        response: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self._op.access_token_lifetime,
            "scope": login.scope,
        }
        if fresh or self._op.rotate_refresh_tokens:
            response["refresh_token"] = secrets.token_urlsafe(24)
            self._refresh_tokens[response["refresh_token"]] = login
        if fresh or self._op.id_token_on_refresh:
            response["id_token"] = self.make_id_token(login, access_token, fresh=fresh)
        return json_reply(changed(response, self._op.token_response))

    def make_id_token(self, login: Login, access_token: str, *, fresh: bool = True) -> str:
        """Return an ID token with the changes in `id_token` and `id_token_header`."""
        now, key = int(self._op.clock()), self._op.key
        claims = {
            "iss": self._op.issuer,
            "sub": login.sub,
            "aud": login.client_id,
            "exp": now + 300,
            "iat": now,
            "auth_time": login.auth_time,
            "nonce": login.nonce if fresh and login.nonce else REMOVED,
            "acr": login.acr or REMOVED,
            "sid": login.sid,
            "at_hash": at_hash(access_token, key.alg),
            "name": login.sub.title(),
        }
        return signed(changed(claims, self._op.id_token), key, **self._op.id_token_header)

    def _access_token(self, login: Login) -> str:
        if not self._op.jwt_access_tokens:
            return secrets.token_urlsafe(24)
        now = int(self._op.clock())
        claims = {
            "iss": self._op.issuer,
            "sub": login.sub,
            "aud": self._op.access_token_audience,
            "client_id": login.client_id,
            "exp": now + self._op.access_token_lifetime,
            "iat": now,
            "jti": secrets.token_hex(8),
            "scope": login.scope,
        }
        return signed(
            changed(claims, self._op.access_token),
            self._op.key,
            **{"typ": "at+jwt", **self._op.access_token_header},
        )

    def userinfo(self, seen: Seen) -> Reply:
        login = self._access_tokens.get(seen.headers.get("authorization", "").removeprefix("Bearer "))
        if login is None:
            return Reply(401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        claims = {"sub": login.sub, "email": f"{login.sub}@example.test"}
        return json_reply(changed(claims, self._op.userinfo))

    def revoke(self, seen: Seen) -> Reply:
        try:
            self._check_client(seen)
        except Refusal as refusal:
            return json_reply({"error": refusal.error}, refusal.status)
        token = seen.form.get("token", "")
        self.revoked.add(token)
        self._access_tokens.pop(token, None)
        return Reply(200)


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()
