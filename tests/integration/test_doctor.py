"""`bff doctor` beside a running server, a real issuer and a real store: what is well, and what is not."""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bff.cli.checks.line import Way, check_line
from bff.cli.checks.outcome import Status
from bff.cli.doctor import walk
from bff.crypto.key_ring import KeyRing, new_key
from bff.oidc.transport import IssuerTransport
from bff.session.stores.redis import RedisStore
from bff.web.doctor import HEADER, seal_question
from tests.processes import ROOT, reserve_port
from tests.product import Bff
from tests.servers import Valkey, start_valkey
from tests.unit.cli.test_check_reach import self_signed
from tests.world import NegIssuer, World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


async def examined(bff: Bff, *arguments: str, **environ: str) -> tuple[int, list[dict[str, str]], str]:
    """Exit status, outcomes, and everything that was printed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bff", "doctor", "--json", "-c", str(bff.config), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, **bff._env, **environ},
    )
    return done.returncode, json.loads(done.stdout), done.stdout + done.stderr


def failures(outcomes: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(outcome["check"], outcome["message"]) for outcome in outcomes if outcome["status"] == "FAIL"]


def messages(outcomes: list[dict[str, str]], check: str) -> str:
    return "\n".join(outcome["message"] for outcome in outcomes if outcome["check"] == check)


async def test_deployment_that_works_gets_no_failure(world: World, neg: NegIssuer, echo):
    """Every step is taken: issuer and registration, store, upstream, and the way of browsers, to our own server."""
    apis = f'[[api]]\npath = "/api"\nupstream = "{world.echo.url}"\n'
    with world.build(neg, apis=apis) as bff:
        status, outcomes, printed = await examined(bff)

    assert [] == failures(outcomes), printed
    assert status == max(int(outcome["status"] == "WARN") for outcome in outcomes)
    assert f"the issuer knows the client {neg.client_id}" in messages(outcomes, "registration")
    assert f"the issuer sends logins back to {bff.url}/bff/callback" in messages(outcomes, "registration")
    assert f"{bff.url} leads to this server" in messages(outcomes, "public url")
    assert "path and query arrive as they were sent" in messages(outcomes, "public url")
    secrets = [neg.client_secret, *bff._env.values(), *bff.keys.read_text().split()] if bff.keys.exists() else []
    assert [] == [secret for secret in secrets if secret in printed]


async def test_wrong_secret_and_an_unregistered_address_are_found(world: World, echo):
    """By a code that never was, and by a login that shows no page, at a certified provider."""
    with Bff(world.issuer, world.echo) as bff:  # its port is not among those that the issuer knows
        status, outcomes, printed = await examined(bff, TEST_CLIENT_SECRET="not-the-secret-of-this-client")

    assert 2 == status
    found = dict(failures(outcomes))
    assert "registration" in found, printed
    assert "the issuer does not accept the client demo-bff with client_secret_basic" in printed
    assert "the issuer refuses a login with status 400" in printed
    assert f"register {bff.url}/bff/callback to the letter" in printed
    assert "not-the-secret-of-this-client" not in printed


async def test_question_about_arrival_is_answered_to_holders_of_the_keys_alone(bff: Bff):
    """To everybody else the path does not exist: it tells of proxies and addresses."""
    own, other = KeyRing(bff.keys.read_text().split()), KeyRing([new_key()])
    questions = {
        "ours": seal_question(own, time.time()),
        "a stranger's": seal_question(other, time.time()),
        "an old one": seal_question(own, time.time() - 3600),
        "none": "",
    }
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bff.port}", verify=False) as client:
        answers = {
            name: await client.get(
                "/bff/doctor", headers={"Host": f"localhost:{bff.port}", HEADER: question, "Cookie": "a=private"}
            )
            for name, question in questions.items()
        }

    assert {"ours": 200, "a stranger's": 404, "an old one": 404, "none": 404} == {
        name: answer.status_code for name, answer in answers.items()
    }
    assert "private" not in answers["ours"].text
    assert {"host": f"localhost:{bff.port}"} == answers["ours"].json()["headers"]


@pytest.fixture
def evicting() -> Valkey:
    with start_valkey("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru") as valkey:
        yield valkey


async def test_store_that_forgets_is_found(world: World, neg: NegIssuer, echo, evicting: Valkey):
    """It evicts sessions when it is full, and loses all of them with a restart."""
    apis = f'[[api]]\npath = "/api"\nupstream = "{world.echo.url}"\n'
    with world.build(neg, store=evicting.url, apis=apis) as bff:
        status, outcomes, _ = await examined(bff)

    assert 2 == status
    assert [("store", "the store evicts when it is full (allkeys-lru)")] == failures(outcomes)
    assert "every session ends with the store's restart" in messages(outcomes, "store")
    assert "valkey " in messages(outcomes, "store")
    assert "the store's clock and ours agree" in messages(outcomes, "clock")


async def test_facts_are_read_of_who_may_not_see_the_configuration(evicting: Valkey):
    """Managed services hide CONFIG: what INFO tells is still told."""
    admin = RedisStore(evicting.url)
    await admin._client.acl_setuser("plain", enabled=True, nopass=True, commands=["+@all", "-config"], keys=["*"])
    await admin.close()
    store = RedisStore(f"redis://plain:x@127.0.0.1:{evicting.port}/0")
    facts = await store.facts.read()
    await store.close()

    assert (None, "allkeys-lru", False, "master", 64 * 1024 * 1024) == (
        facts.snapshots,
        facts.evicts,
        facts.appends,
        facts.role,
        facts.memory_limit,
    )
    assert abs(facts.seconds_ahead) < 60


# ── the line ─────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def https_server(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """A server whose certificate nobody knows, and that certificate."""
    context, file = self_signed(tmp_path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], file


async def test_each_step_of_the_way_is_told_when_it_fails(tmp_path):
    """The name, the connection, TLS, the chain, the name in the certificate; the first that fails ends the walk."""

    async def told(url: str, trusted: Path | None = None) -> tuple[str, str]:
        way = Way(url, "issuer", "oidc.issuer", 15.0)
        trust = ssl.create_default_context(cafile=trusted) if trusted is not None else None
        outcome = (await check_line(way, *([lambda: trust] if trust is not None else [])))[0]
        assert outcome.status is Status.OK or outcome.advice
        return outcome.message, outcome.why

    async with https_server(tmp_path) as (port, file):
        assert ("no-such-host.invalid has no address", "the name cannot be resolved here") == await told(
            "https://no-such-host.invalid"
        )
        gone = reserve_port()
        assert (f"127.0.0.1:{gone} cannot be reached", "connection refused") == await told(
            f"http://127.0.0.1:{gone}"
        )
        message, why = await told(f"https://localhost:{port}")
        assert f"the certificate of localhost:{port} is not trusted" == message
        assert why.startswith("it is signed by itself; OpenSSL says: ")
        message, why = await told(f"https://127.0.0.1:{port}", file)
        assert why.startswith("it is for another")
        message, _ = await told(f"https://localhost:{port}", file)
        assert message.startswith("localhost is 127.0.0.1")
        async with asyncio.timeout(15):
            plain = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
        async with plain:
            message, _ = await told(f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}")
        assert "cannot be reached" in message or "does not speak TLS" in message


async def test_authority_of_ones_own_is_believed_where_the_system_is_told_of_it(tmp_path, monkeypatch):
    """As upstreams do: an issuer inside a company is signed by the company (SSL_CERT_FILE, the system's store)."""
    async with https_server(tmp_path) as (port, file):
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        transport = IssuerTransport(timeout=15.0)
        answer = await transport.get(f"https://localhost:{port}/x")
        await transport.close()

    assert 200 == answer.status


async def test_check_that_hangs_or_breaks_is_told_and_hides_no_other():
    """In the order of the list, each within its time."""
    told = []

    async def hangs():
        await asyncio.Event().wait()

    async def breaks():
        raise RuntimeError("with a secret in its message")

    async def works():
        return []

    groups = [("hanging", hangs), ("breaking", breaks), ("working", works)]
    await walk(groups, told.append, lambda _doing: None, longest=0.05)

    assert [
        [("FAIL", "hanging", "not done within 0.05 s", "")],
        [("FAIL", "breaking", "this check broke", "RuntimeError")],
        [],
    ] == [[(one.status.value, one.check, one.message, one.why) for one in outcomes] for outcomes in told]


async def test_what_takes_long_is_named_meanwhile():
    """A person who waits learns what for."""
    hinted = asyncio.Event()
    hints = []

    async def slow():
        await hinted.wait()
        return []

    def hint(doing):
        hints.append(doing)
        hinted.set()

    await walk([("waiting for the issuer", slow)], lambda _outcomes: None, hint, longest=100, patience=0.01)

    assert ["waiting for the issuer"] == hints
