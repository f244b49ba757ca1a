"""The demo API judges access tokens by itself, and shows what reaches it."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.relying_party import CALLBACK, RelyingParty
from tests.servers import DemoApi, start_demo_api, start_issuer

pytestmark = pytest.mark.integration

AUDIENCE = "https://api.demo.example"


class KeyHolder:
    """An issuer whose private key the test holds: publishes metadata and one key, and counts how often."""

    audience = AUDIENCE

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.jwks_fetches = 0
        holder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_jwks = self.path == "/jwks"
                holder.jwks_fetches += is_jwks
                body = json.dumps(holder.jwks() if is_jwks else holder.metadata()).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def public_jwk(self) -> dict[str, Any]:
        return json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self.public_jwk(), "kid": "k1", "alg": "ES256", "use": "sig"}]}

    def metadata(self) -> dict[str, str]:
        return {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """A good token's claims with some changed; None leaves one out."""
        now = int(time.time())
        good = {"iss": self.url, "sub": "alice", "aud": AUDIENCE, "iat": now, "exp": now + 60, "roles": ["admin"]}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, header: dict[str, str] | None = None, **changes: Any) -> str:
        return jwt.encode(
            self.claims(**changes), self.key, "ES256", {"typ": "at+jwt", "kid": "k1", **(header or {})}
        )


def encode(part: dict[str, Any] | bytes) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(holder: KeyHolder) -> str:
    return f"{encode({'alg': 'none', 'typ': 'at+jwt', 'kid': 'k1'})}.{encode(holder.claims())}."


def signed_with_the_public_key(holder: KeyHolder) -> str:
    """RFC 8725 §2.1: the published key taken for an HMAC secret."""
    content = f"{encode({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'k1'})}.{encode(holder.claims())}"
    secret = json.dumps(holder.public_jwk()).encode()
    return f"{content}.{encode(hmac.digest(secret, content.encode(), hashlib.sha256))}"


def altered(holder: KeyHolder) -> str:
    head, _, signature = holder.token().split(".")
    return f"{head}.{encode(holder.claims(sub='mallory'))}.{signature}"


BAD_TOKENS = {
    "expired": lambda holder: holder.token(exp=int(time.time()) - 1),
    "for another audience": lambda holder: holder.token(aud="https://other.example"),
    "of another issuer": lambda holder: holder.token(iss="https://other.example"),
    "an ID token": lambda holder: holder.token({"typ": "JWT"}),
    "without a type": lambda holder: holder.token({"typ": ""}),
    "without expiry": lambda holder: holder.token(exp=None),
    "without a subject": lambda holder: holder.token(sub=None),
    "without an audience": lambda holder: holder.token(aud=None),
    "of a strange key": lambda holder: holder.token({"kid": "k2"}),
    "unsigned": unsigned,
    "HS256": signed_with_the_public_key,
    "altered": altered,
    "not a JWT": lambda _: "a.b",
}


@pytest.fixture(scope="module")
def holder() -> Iterator[KeyHolder]:
    key_holder = KeyHolder()
    yield key_holder
    key_holder.server.shutdown()
    key_holder.server.server_close()


@pytest.fixture(scope="module")
def api(holder: KeyHolder) -> Iterator[DemoApi]:
    with start_demo_api(holder, DEMO_API_TICK="0.01") as running:
        yield running


@pytest.fixture
async def http(api: DemoApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False, verify=False, timeout=30) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_good_token_tells_who_calls(http, holder):
    """RFC 9068 §4: signature, issuer, audience, type and time are right."""
    answer = await http.get("/whoami", headers=bearer(holder.token(name="Alice", scope="openid")))

    body = answer.json()
    assert (200, "alice", "Alice", ["admin"], "openid") == (
        answer.status_code, body["subject"], body["name"], body["roles"], body["scope"],
    )  # fmt: skip
    assert body["token"]["expires_at"] - body["server_time"] == body["token"]["expires_in"] > 50


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_bad_token_is_refused_with_a_challenge(http, holder, kind):
    """RFC 6750 §3.1, RFC 8725 §3: 401 invalid_token, whatever is wrong with it."""
    answer = await http.get("/whoami", headers=bearer(BAD_TOKENS[kind](holder)))

    assert (401, "token_invalid") == (answer.status_code, answer.json()["code"])
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_call_without_a_token_is_told_so(http):
    """RFC 6750 §3.1: no error code when no token came."""
    answer = await http.get("/tasks")

    assert (401, "token_required", 'Bearer realm="demo-api"') == (
        answer.status_code, answer.json()["code"], answer.headers["www-authenticate"],
    )  # fmt: skip


async def test_two_authorization_headers_are_no_choice(http, holder):
    """Nobody may pick the better one of two."""
    pair = ("authorization", f"Bearer {holder.token()}")

    assert 401 == (await http.get("/whoami", headers=[pair, pair])).status_code


async def test_strange_key_ids_do_not_make_the_api_fetch_again_and_again(http, holder):
    """Ten tokens that name unknown keys cost the issuer one look at most."""
    await http.get("/whoami", headers=bearer(holder.token()))
    before = holder.jwks_fetches
    for number in range(10):
        await http.get("/whoami", headers=bearer(holder.token({"kid": f"strange-{number}"})))

    assert holder.jwks_fetches - before <= 1


async def test_only_admins_change_tasks(http, holder):
    """Reading takes a token, writing takes the role."""
    reader = bearer(holder.token(roles=["reader"]))
    answers = [
        await http.get("/tasks", headers=reader),
        await http.post("/tasks", headers=reader, json={"title": "x"}),
        await http.delete("/tasks/1", headers=reader),
    ]

    assert [200, 403, 403] == [answer.status_code for answer in answers]
    assert "access_denied" == answers[1].json()["code"]


async def test_created_task_is_listed_and_can_be_deleted_once(http, holder):
    """201 with the item, in the list, 204, then 404."""
    admin = bearer(holder.token())
    created = await http.post("/tasks", headers=admin, json={"title": "  Water the plants "})
    listed = (await http.get("/tasks", headers=admin)).json()["items"]
    path = f"/tasks/{created.json()['id']}"
    deletions = [(await http.delete(path, headers=admin)).status_code for _ in range(2)]

    assert (201, "Water the plants", "alice") == (
        created.status_code, created.json()["title"], created.json()["created_by"],
    )  # fmt: skip
    assert created.json() in listed
    assert [204, 404] == deletions


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, {"title": " "}), (400, {"title": "x" * 201}), (400, {}), (400, []), (413, {"title": "x" * 20_000})],
)
async def test_bad_task_is_refused(http, holder, status, body):
    """Titles are text of 1 to 200 characters, bodies are bounded."""
    assert status == (await http.post("/tasks", headers=bearer(holder.token()), json=body)).status_code


async def test_task_list_is_bounded(http, holder):
    """The oldest task makes room."""
    admin = bearer(holder.token())
    for number in range(205):
        await http.post("/tasks", headers=admin, json={"title": f"task {number}"})

    assert 200 == len((await http.get("/tasks", headers=admin)).json()["items"])


async def test_stream_counts_up(http, holder):
    """Server-sent events, one a tick."""
    answer = await http.get("/stream?count=3", headers=bearer(holder.token()))

    assert "text/event-stream" == answer.headers["content-type"]
    assert "".join(f'data: {{"count": {count}}}\n\n' for count in (1, 2, 3)) == answer.text


async def test_echo_shows_what_arrived_and_hides_the_token(http):
    """Method, raw path, query, headers, body; the token only as the start of its hash."""
    url = "/echo/a%2Fb?x=%20"
    answer = (await http.put(url, headers={**bearer("secret"), "x-probe": "1"}, content=b"body")).json()

    assert ("PUT", "/echo/a%2Fb", "x=%20", 4, hashlib.sha256(b"body").hexdigest()) == (
        answer["method"], answer["raw_path"], answer["query"], answer["body_length"], answer["body_sha256"],
    )  # fmt: skip
    assert ["authorization", f"Bearer sha256:{hashlib.sha256(b'secret').hexdigest()[:16]}"] in answer["headers"]
    assert ["x-probe", "1"] in answer["headers"]
    assert "secret" not in json.dumps(answer)


async def test_api_without_its_issuer_asks_for_patience():
    """No keys to be had: 503, not 401, for nothing is known against the token."""
    holder = KeyHolder()
    token = holder.token()
    holder.server.shutdown()
    holder.server.server_close()
    async with start_demo_api(holder) as lonely, httpx.AsyncClient(trust_env=False, verify=False) as http:
        answer = await http.get(f"{lonely.url}/whoami", headers=bearer(token))

    assert (503, "issuer_unavailable") == (answer.status_code, answer.json()["code"])


async def test_tokens_of_the_real_issuer_work_across_a_key_rotation():
    """Login, call, new signing key, refresh, call; and the ID token opens nothing."""
    async with (
        start_issuer(redirect_uris=[CALLBACK]) as issuer,
        start_demo_api(issuer) as real_api,
        httpx.AsyncClient(trust_env=False, verify=False, timeout=30) as http,
    ):
        party = RelyingParty(issuer, http)
        tokens = await party.log_in("alice")
        await http.get(f"{real_api.url}/whoami", headers=bearer(tokens["access_token"]))
        await issuer.rotate_keys(keep=False)
        renewed = (await party.refresh(tokens["refresh_token"])).json()
        answer = await http.get(f"{real_api.url}/whoami", headers=bearer(renewed["access_token"]))
        refused = await http.get(f"{real_api.url}/whoami", headers=bearer(renewed["id_token"]))

    assert ("alice", ["admin", "reader"]) == (answer.json()["subject"], answer.json()["roles"])
    assert 401 == refused.status_code
