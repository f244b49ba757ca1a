"""An OpenID provider that tells the truth until it is told not to.

Left alone it is honest: it signs with real keys, checks client authentication, PKCE, redirect URI and the single
use of codes and refresh tokens. Everything it says can be bent, each answer scripted, held back or cut off:

    op = NegOp()                                          # in process, behind httpx
    transport = IssuerTransport(op.transport())
    op.id_token["aud"] = "somebody-else"                  # change a claim; REMOVED takes it away
    op.script("token", Reply(503, headers={"retry-after": "7"}))   # the next answer of an endpoint
    callback = op.login(authorization_url)                # the browser's part, without a browser

    async with serve(NegOp(client_id="spa")) as op:       # the same over a real socket; op.issuer says where
        ...                                               # (tests.neg_op_server)
"""

import asyncio
import secrets
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from tests.forging import REMOVED, Key, changed, rsa_key, signed
from tests.neg_op_tokens import Login, TokenDesk
from tests.neg_op_wire import Reply, Seen, json_reply

__all__ = ["REMOVED", "NegOp", "Reply", "Seen", "json_reply"]

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass
class NegOp:
    """The provider. Its fields are its script; change them at any time."""

    issuer: str = "https://op.test"
    client_id: str = "spa"
    client_secret: str = "a:secret/with %25 and é"
    clock: Callable[[], float] = time.time
    sub: str = "alice"  # who is signed in at the provider; "" for nobody
    keys: list[Key] = field(default_factory=lambda: [rsa_key(0)])  # published; the first one signs
    signing_key: Key | None = None  # signs instead of keys[0]
    client_public_key: Key | None = None  # for private_key_jwt
    access_token_lifetime: int = 300  # seconds
    jwt_access_tokens: bool = True
    access_token_audience: str = "https://api.test"
    rotate_refresh_tokens: bool = True
    detect_reuse: bool = True  # a spent refresh token ends the whole login
    id_token_on_refresh: bool = True
    check_pkce: bool = True
    down: bool = False  # nobody answers

    # Changes to what it says; REMOVED takes a member away.
    metadata: dict[str, Any] = field(default_factory=dict)
    jwks: dict[str, Any] = field(default_factory=dict)
    callback: dict[str, Any] = field(default_factory=dict)
    token_response: dict[str, Any] = field(default_factory=dict)
    id_token: dict[str, Any] = field(default_factory=dict)
    id_token_header: dict[str, Any] = field(default_factory=dict)
    access_token: dict[str, Any] = field(default_factory=dict)
    access_token_header: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)

    # What happened.
    seen: list[Seen] = field(default_factory=list)
    strangers: list[str] = field(
        default_factory=list
    )  # URLs on other hosts that somebody tried to reach through us
    assertions: list[dict[str, Any]] = field(default_factory=list)  # checked client assertions

    def __post_init__(self) -> None:
        self._desk = TokenDesk(self)
        self._scripts: dict[str, deque[Reply | Exception]] = defaultdict(deque)
        self._always: dict[str, Reply | Exception] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._logins = 0

    # ── the script ───────────────────────────────────────────────────────────────────────────────────────

    def script(self, endpoint: str, *replies: Reply | Exception) -> None:
        """Answer the next requests of an endpoint so, one each, instead of honestly. An exception cuts them off."""
        self._scripts[endpoint].extend(replies)

    def always(self, endpoint: str, reply: Reply | Exception | None) -> None:
        """Answer every request of an endpoint so, until called with None."""
        if reply is None:
            self._always.pop(endpoint, None)
        else:
            self._always[endpoint] = reply

    def hold(self, endpoint: str) -> asyncio.Event:
        """Hold back the answers of an endpoint until the event is set. Requests are seen before they are held."""
        self._gates[endpoint] = asyncio.Event()
        return self._gates[endpoint]

    def rotate_keys(self, *keys: Key) -> None:
        """Publish and sign with these keys alone."""
        self.keys = list(keys)

    def count(self, endpoint: str, **fields: str) -> int:
        """Return how many requests an endpoint has seen, with these form fields where any are given."""
        return len(self.requests(endpoint, **fields))

    def requests(self, endpoint: str, **fields: str) -> list[Seen]:
        """Return the requests that an endpoint has seen, with these form fields where any are given."""
        return [
            seen
            for seen in self.seen
            if seen.endpoint == endpoint and all(seen.form.get(name) == value for name, value in fields.items())
        ]

    def is_revoked(self, token: str) -> bool:
        """Whether a token was revoked, by the client or by the detection of reuse."""
        return token in self._desk.revoked

    # ── the browser's part ───────────────────────────────────────────────────────────────────────────────

    def login(self, authorization_url: str) -> str:
        """Sign `sub` in and return the URL that the browser is sent to."""
        query = dict(parse_qsl(urlsplit(authorization_url).query))
        answer: dict[str, Any] = {"state": query.get("state", REMOVED), "iss": self.issuer}
        if not self.sub:
            answer["error"] = "login_required"
        else:
            self._logins += 1
            code = secrets.token_urlsafe(16)
            self._desk.codes[code] = Login(
                sub=self.sub,
                sid=f"sid-{self._logins}",
                nonce=query.get("nonce"),
                scope=query["scope"],
                auth_time=int(self.clock()),
                code_challenge=query["code_challenge"],
                redirect_uri=query["redirect_uri"],
                client_id=query["client_id"],
                acr=query.get("acr_values", "").split(" ")[0] or None,
            )
            answer["code"] = code
        return f"{query['redirect_uri']}?{urlencode(changed(answer, self.callback))}"

    def logout_token(
        self, *, key: Key | None = None, header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """Return a logout token about `sub`, with these claims changed."""
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "sub": self.sub,
            "events": {LOGOUT_EVENT: {}},
        }
        return signed(changed(claims, changes), key or self.key, **{"typ": "logout+jwt", **(header or {})})

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────────────

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return the provider as an httpx transport: no socket, no other host."""
        return _Transport(self)

    async def answer(self, seen: Seen) -> Reply:
        """Answer one request. Raises an exception where the connection is to be cut."""
        self.seen.append(seen)
        if self.down:
            raise httpx.ConnectError("the provider is down")
        if gate := self._gates.get(seen.endpoint):
            await gate.wait()
        scripted: Reply | Exception | None
        scripted = self._scripts[seen.endpoint].popleft() if self._scripts[seen.endpoint] else None
        scripted = scripted or self._always.get(seen.endpoint)
        if isinstance(scripted, Exception):
            raise scripted
        return scripted or self._honest(seen)

    def _honest(self, seen: Seen) -> Reply:
        match seen.endpoint:
            case "discovery":
                return json_reply(changed(self._metadata(), self.metadata))
            case "jwks":
                return json_reply(changed({"keys": [key.jwk() for key in self.keys]}, self.jwks))
            case "authorize":
                return Reply(302, headers={"location": self.login(seen.url)})
            case "token":
                return self._desk.token(seen)
            case "userinfo":
                return self._desk.userinfo(seen)
            case "revoke":
                return self._desk.revoke(seen)
            case "logout":
                return Reply(302, headers={"location": seen.query.get("post_logout_redirect_uri", self.issuer)})
            case _:
                return Reply(404)

    def _metadata(self) -> dict[str, Any]:
        base = self.issuer.removesuffix("/")
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "userinfo_endpoint": f"{base}/userinfo",
            "revocation_endpoint": f"{base}/revoke",
            "end_session_endpoint": f"{base}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    @property
    def key(self) -> Key:
        """The key that signs."""
        return self.signing_key or self.keys[0]


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, op: NegOp) -> None:
        self._op = op

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if str(request.url.copy_with(raw_path=b"/")).rstrip("/") != _origin(self._op.issuer):
            self._op.strangers.append(str(request.url))
            raise httpx.ConnectError("no such host")
        reply = await self._op.answer(
            Seen.of(
                request.method,
                str(request.url),
                [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                await request.aread(),
                _path(self._op.issuer),
            )
        )
        return httpx.Response(reply.status, headers=reply.all_headers(), content=_pieces(reply.body))


async def _pieces(body: bytes | Sequence[tuple[float, bytes]]) -> AsyncIterator[bytes]:
    for pause, piece in [(0.0, body)] if isinstance(body, bytes) else body:
        if pause:
            await asyncio.sleep(pause)
        yield piece


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _path(url: str) -> str:
    return urlsplit(url).path.removesuffix("/")
