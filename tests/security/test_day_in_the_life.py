"""A day in the life of the product at debug level, with everything going well and badly, and no secret told."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidHandshake

from tests.echo import CUT
from tests.leaks import forms, leaks
from tests.neg_op import Reply
from tests.product import Bff, Browser
from tests.servers import Valkey, start_valkey
from tests.socket_upstream import SocketUpstream
from tests.sockets import socket_of
from tests.world import NegIssuer, World, eventually, routes, until

pytestmark = [pytest.mark.integration, pytest.mark.security, pytest.mark.timeout(600)]

PERSON = {
    "name": "Zenobia Quillfeather",
    "given_name": "Zenobia",
    "family_name": "Quillfeather",
    "preferred_username": "zenobia.q",
    "email": "zenobia@quillfeather.example",
}
ADMIN_TOKEN = "operators-token-kQ3vX8bN1mZ5cL7hJ2gF9dS4aP6oI0u"
STORE_PASSWORD = "pass-word-of-the-store-7Hq2"
BROWSERS_OWN = "a-token-that-the-browser-brought-along"
POLICY = """
def explode(facts, principal):
    raise RuntimeError(f"{principal!r} {principal.claims!r}")
"""
MORE_ROUTES = """
[[api]]
path = "/ws"
upstream = "{sockets}"
websocket = true

[[api]]
path = "/exploding"
upstream = "{sockets}"
policy = "exploding_policy:explode"
"""


class Ear:
    """Hears what the issuer gives out and is sent."""

    def __init__(self, neg: NegIssuer) -> None:
        self.tokens: set[str] = set()
        self.attempts: set[str] = set()  # state, nonce, code, verifier
        self.credentials: set[str] = set()
        self._op = neg.op
        self._answer = neg.op.answer

    def __enter__(self) -> Self:
        async def answer(seen):
            reply = await self._answer(seen)
            self._hear(seen, reply)
            return reply

        self._op.answer = answer  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        del self._op.__dict__["answer"]

    def _hear(self, seen, reply: Reply) -> None:
        form = seen.form
        self.tokens |= {form[name] for name in ("token", "refresh_token", "logout_token") if name in form}
        self.attempts |= {form[name] for name in ("code", "code_verifier") if name in form}
        _, _, credentials = seen.headers.get("authorization", "").partition(" ")
        (self.tokens if seen.endpoint == "userinfo" else self.credentials).add(credentials)
        if seen.endpoint == "token" and reply.status == 200 and isinstance(reply.body, bytes):
            said = json.loads(reply.body)
            names = ("access_token", "refresh_token", "id_token")
            self.tokens |= {said[name] for name in names if isinstance(said.get(name), str)}


def heard_by_the_browser(*browsers: Browser) -> set[str]:
    """Cookies, and what is in the addresses that it is sent to."""
    secrets = set()
    for answer in (answer for browser in browsers for answer in browser.answers):
        secrets |= {line.split("=", 1)[1].partition(";")[0] for line in answer.headers.get_list("set-cookie")}
        query = dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query))
        kept = ("state", "nonce", "code", "id_token_hint", "continue", "code_challenge")
        secrets |= {query[name] for name in kept if name in query}
    return secrets


class Commands:
    """The command line beside the server, with all that it prints."""

    def __init__(self, bff: Bff, folder: Path) -> None:
        self._bff = bff
        self._env = {**bff._env, "PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}:{Path(__file__).parents[2]}"}
        self.printed = b""

    async def run(self, *arguments: str) -> int:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bff", *arguments, "-c", str(self._bff.config)],
            capture_output=True,
            timeout=300,
            check=False,
            env=self._env,
            cwd=self._bff.folder,
        )
        self.printed += done.stdout + done.stderr
        return done.returncode


@pytest.fixture
def sockets():
    with SocketUpstream() as upstream:
        yield upstream


@pytest.fixture
def valkey():
    with start_valkey("--requirepass", STORE_PASSWORD) as valkey:
        yield valkey


@pytest.fixture
def product(world: World, neg: NegIssuer, echo, sockets, valkey: Valkey, tmp_path, monkeypatch):
    """Two workers at debug level with everything switched on, on a store with a password."""
    (tmp_path / "exploding_policy.py").write_text(POLICY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    store = f"redis://:{STORE_PASSWORD}@127.0.0.1:{valkey.port}/0"
    with world.build(
        neg,
        workers=2,
        store=store,
        apis=routes(world.echo.url, world.echo.url) + MORE_ROUTES.format(sockets=sockets.url),
        session='renew_ahead = "0s"',
        oidc="userinfo = true",
        log='level = "debug"\naccess = true',
        extra=f'[admin]\ntoken = "{ADMIN_TOKEN}"\nroles = ["admin"]\n[limits]\nlogins_per_address = "50/1m"',
    ) as bff:
        yield bff


@asynccontextmanager
async def operator(bff: Bff, token: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=bff.management_url, headers=headers, verify=False) as client:
        yield client


async def signs_in(neg: NegIssuer, browser: Browser) -> None:
    callback = neg.op.login(await browser.begin_login("/x"))
    answer = await browser.navigate(callback, cross_site=True)
    assert (303, True) == (answer.status_code, browser.session_cookie is not None), answer.text[-500:]


async def morning(neg: NegIssuer, echo, alice: Browser) -> None:
    """Logins good and bad, calls, uploads, refusals, and an API that fails."""
    op = neg.op
    op.id_token = {"nonce": "wrong-nonce-of-the-issuer"}
    await alice.navigate(op.login(await alice.begin_login("/x")), cross_site=True)
    op.id_token = dict(PERSON)
    op.script("token", Reply(503), Reply(400, b'{"error": "invalid_grant"}'))
    for _ in range(2):
        await alice.navigate(op.login(await alice.begin_login("/x")), cross_site=True)
    await alice.navigate("/bff/callback?state=made-up-state-0000000000&code=made-up-code-000000", cross_site=True)
    await alice.navigate("/bff/login?return_to=https://evil.example/")
    op.script("userinfo", Reply(500))
    await alice.navigate(op.login(await alice.begin_login("/x")), cross_site=True)
    await signs_in(neg, alice)
    assert PERSON["email"] == (await alice.user() or {})["email"]
    await alice.get("/echo/x?q=1")
    await alice.post("/echo/upload", content=b"u" * 300_000)
    await alice.get("/guarded/x")
    await alice.get("/exploding/x")
    await alice.get("/echo/x", csrf=False)
    await alice.get("/down/x", headers={"Authorization": f"Bearer {BROWSERS_OWN}"})
    await alice.get("/echo/../x")
    await alice.get("/small/x", headers={"X-Long": "x" * 40_000})
    echo.script(CUT)
    await alice.post("/echo/x", content=b"x")
    echo.script(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CUT)
    with pytest.raises(httpx.HTTPError):
        await alice.get("/echo/half")
    echo.script(b"nonsense\r\n\r\n")
    await alice.get("/echo/x")


async def noon(neg: NegIssuer, alice: Browser, valkey: Valkey, sockets: SocketUpstream) -> None:
    """WebSockets, renewals that fail and succeed, a store that stands still."""
    async with socket_of(alice, "/ws/echo") as socket:
        await socket.send("hello")
        assert "hello" == await socket.recv()
    for options in ({"origin": "https://evil.example"}, {"headers": {"Cookie": "__Host-bff=forged-cookie"}}):
        with pytest.raises(InvalidHandshake):
            await socket_of(alice, "/ws/echo", **options)
    op = neg.op
    op.access_token_lifetime = 1
    await signs_in(neg, alice)
    await until(time.time() + 1.5)
    op.script("token", Reply(503), Reply(200, b'{"access_token": 7}'))
    for _ in range(3):
        await alice.get("/echo/x")
    op.access_token_lifetime = 300
    await eventually(lambda: _is_answered(alice), "a renewal", within=60)
    callback = op.login(await alice.begin_login("/x"))
    valkey.pause()
    try:
        await asyncio.gather(
            alice.twin().navigate(callback, cross_site=True), alice.twin().navigate("/bff/login?return_to=/x")
        )
    finally:
        valkey.resume()
    await eventually(lambda: _is_answered(alice), "the store's return", within=60)


async def _is_answered(browser: Browser) -> bool:
    return (await browser.get("/echo/x")).status_code == 200


async def evening(neg: NegIssuer, bff: Bff, alice: Browser, commands: Commands) -> None:
    """Operators, commands, a reload, and every kind of end."""
    op = neg.op
    user = await alice.user()
    assert user is not None
    handle = user["session"]["id"]
    async with operator(bff, ADMIN_TOKEN) as right, operator(bff, ADMIN_TOKEN[:-1] + "x") as wrong:
        for path in ("/admin/sessions", "/admin/findings", "/admin/nothing", "/health/ready", "/metrics"):
            await right.get(path)
            await wrong.get(path)
        await right.get(f"/admin/sessions/{handle}")
    looking = (
        ("check",),
        ("doctor",),
        ("sessions", "list"),
        ("sessions", "show", handle),
        ("access", "explain", "GET", "/guarded/x", "--session", handle),
        ("access", "lint"),
        ("audit", "search"),
        ("audit", "verify"),
    )
    await asyncio.gather(*(commands.run(*arguments) for arguments in looking))
    before = set(bff.worker_pids())
    bff.process.signal(signal.SIGHUP)
    await eventually(
        lambda: len(now := set(bff.worker_pids())) == 2 and before.isdisjoint(now), "the new workers", within=90
    )
    await eventually(lambda: _reaches(alice), "them", within=60)
    alice.cookies["__Host-bff"], cookie = (alice.session_cookie or "")[:-3], alice.session_cookie or ""
    await alice.get("/echo/x")
    alice.cookies["__Host-bff"] = cookie
    await alice.navigate("/bff/logout?sid=wrong-handle")
    await alice.post("/bff/backchannel-logout", data={"logout_token": op.logout_token(aud="somebody-else")})
    await alice.post("/bff/backchannel-logout", data={"logout_token": op.logout_token()})
    await alice.get("/echo/x")
    await until(time.time() + 1.1)  # a login of the same second as the logout would be ended by it
    await signs_in(neg, alice)
    await commands.run("sessions", "revoke", "--sub", op.sub)
    await eventually(lambda: _is_signed_out(alice), "the revocation", within=60)
    await until(time.time() + 1.1)
    await signs_in(neg, alice)
    await alice.post("/bff/logout")
    op.script("revoke", Reply(503))
    await signs_in(neg, alice)
    leaving = (await alice.user() or {})["logout_url"]
    await alice.navigate(leaving)


async def _reaches(browser: Browser) -> bool:
    try:
        return (await browser.get("/bff/user")).status_code in {200, 401}
    except httpx.HTTPError:
        return False


async def _is_signed_out(browser: Browser) -> bool:
    return await browser.user() is None


async def test_a_whole_day_tells_no_secret_and_no_person(
    world: World, neg: NegIssuer, echo, sockets: SocketUpstream, valkey: Valkey, product: Bff, tmp_path
):
    """Log, audit log, commands: at debug level, with libraries speaking, in plain and in every encoding.

    OWASP ASVS 16.2.5, RFC 9700 §4.2.4, CWE-532. Tokens are those that issuer and API saw, cookies the browser's.
    """
    neg.op.userinfo = dict(PERSON)
    commands = Commands(product, tmp_path)
    with ExitStack() as stack:
        ear = stack.enter_context(Ear(neg))
        async with Browser(product) as alice:
            await morning(neg, echo, alice)
            await noon(neg, alice, valkey, sockets)
            await evening(neg, product, alice, commands)
            browsers = heard_by_the_browser(alice, *alice._twins)
    await eventually(lambda: product.audited("logout.done"), "the last audit line", within=60)
    product.process.signal(signal.SIGTERM)
    product.process.wait_for_exit(60)
    at_the_api = {
        value.decode().partition(" ")[2] for request in echo.requests for value in request.all("authorization")
    } | {value.partition(" ")[2] for opened in sockets.opened for value in opened.all("authorization")}
    secrets = {
        "a token": ear.tokens | at_the_api,
        "a login attempt's": ear.attempts,
        "a cookie or an address": browsers,
        "the client's credentials": ear.credentials | {neg.client_secret},
        "a key": set(product.keys.read_text().split()),
        "the operators' token": {ADMIN_TOKEN},
        "the store's password": {STORE_PASSWORD},
        "the browser's own": {BROWSERS_OWN, "wrong-nonce-of-the-issuer"},
    }
    output = product.output()
    places = {"log": output.encode(), "audit log": product.audit.read_bytes(), "commands": commands.printed}

    assert [] == leaks(secrets, places)
    commands_aside = {place: data for place, data in places.items() if place != "commands"}
    assert [] == leaks({"a person": PERSON.values()}, commands_aside)  # `bff sessions list` is asked who that is
    assert (True, True) == (len(ear.tokens) > 15, len(browsers) > 15)
    assert at_the_api <= ear.tokens
    assert "RuntimeError" not in output
    told = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    expected = {"login.done", "login.failed", "renewal.done", "access.denied", "request.done", "library"}
    assert set() == expected - {line["event"] for line in told}
    assert {"httpx", "_granian"} <= {line.get("logger", "").partition(".")[0] for line in told}
    served = output.partition("bff serves ")[2].splitlines()[1:]
    assert [] == [line for line in served if not line.startswith(("{", "bff: "))]
    assert all(line["request_id"] for line in told if line["event"] == "request.done")


@pytest.mark.parametrize("text", ["plain {}", "percent {}", "base64 {}"])
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_search_finds_what_it_looks_for(text, before):
    """A test that searches must not be blind: in every form, wherever it begins."""
    import base64
    from urllib.parse import quote

    secret = "a secret:/with+every kind&of=letter"
    as_written = {
        "plain": secret,
        "percent": quote(secret, safe=""),
        "base64": base64.b64encode(f"{before}{secret}{before}".encode()).decode(),
    }[text.split()[0]]

    assert ["it in there"] == leaks({"it": [secret]}, {"there": text.format(as_written).encode()})
    assert len(forms(secret)) >= 6
