"""The admin API of running processes: two workers, a real issuer, both listeners, and the command line beside."""

import asyncio
import json
import subprocess
import time
from typing import Any

import httpx
import pytest

from tests.product import Bff, Browser
from tests.servers import start_valkey
from tests.world import AT_ONCE, World

pytestmark = pytest.mark.integration

TOKEN = "operators-token-0123456789abcdefghijklmnop"
ADMIN = f"""
[admin]
token = "{TOKEN}"
roles = ["admin"]
"""


def administered(world: World, **options: Any) -> Bff:
    """A server that has operators, whose API tells who calls."""
    return world.build(world.issuer, api=world.api, port=world.port(), extra=ADMIN, **options)


def operator(bff) -> httpx.AsyncClient:
    """Somebody with the token, on the management listener; each call may reach another worker."""
    return httpx.AsyncClient(
        base_url=f"{bff.management_url}/admin",
        headers={"Authorization": f"Bearer {TOKEN}", "Connection": "close"},
        trust_env=False,
        verify=False,
    )


def revoke(bff: Bff, *selection: str) -> subprocess.CompletedProcess[str]:
    return bff.command("sessions", "revoke", *selection)


async def refused_everywhere(browser: Browser) -> None:
    """Wait until twelve calls in a row, each over its own connection, are refused: whichever worker takes them."""
    async with asyncio.timeout(AT_ONCE):
        in_a_row = 0
        while in_a_row < 12:
            answer = await browser.get("/api/whoami", headers={"Connection": "close"})
            in_a_row = in_a_row + 1 if answer.status_code == 401 else 0
    assert "revoked" == answer.json()["reason"]


@pytest.mark.parametrize("kind", ["sqlite", "valkey"])
async def test_revocation_through_the_admin_api_is_heard_by_every_worker_and_by_the_page(world: World, kind: str):
    """Alice ends bob's sessions; both workers refuse him at once, and his open page is told why."""
    with (
        start_valkey() as valkey,
        administered(world, workers=2, store=valkey.url if kind == "valkey" else None) as bff,
    ):
        async with Browser(bff) as alice, Browser(bff) as bob, operator(bff) as managed:
            await alice.log_in("alice")
            await bob.log_in("bob")
            for _ in range(12):  # both workers have him in memory
                assert 200 == (await bob.get("/api/whoami", headers={"Connection": "close"})).status_code
            handle = (await bob.user())["session"]["id"]

            found = (await alice.get("/bff/admin/sessions?subject=bob")).json()
            assert [handle] == [item["session"] for item in found["items"]]
            assert 403 == (await bob.get("/bff/admin/sessions")).status_code

            async with bob.stream("GET", "/bff/events") as stream:
                lines = stream.aiter_lines()
                assert "retry: 2000" == await anext(lines)
                counts = (await alice.post("/bff/admin/revocations", json={"subject": "bob"})).json()
                assert {"matched": 1, "ended": 1, "partial": False} == counts
                async with asyncio.timeout(AT_ONCE):
                    heard = [line async for line in lines if line.startswith(("event:", "data:"))]
            assert ["event: session-ended", 'data: {"reason":"revoked"}'] == heard
            await refused_everywhere(bob)
            assert 200 == (await alice.get("/api/whoami")).status_code

            async with asyncio.timeout(30):  # the line is written beside the request
                while True:
                    lines_found = (await managed.get("/audit?event=session.revoked")).json()["items"]
                    if lines_found:
                        break
            assert [(handle, "bob", "alice")] == [
                tuple(line[name] for name in ("session", "subject", "by")) for line in lines_found
            ]
            assert (await managed.post("/audit/verification")).json()["ok"] is True


async def test_command_line_ends_sessions_by_what_they_have_in_common_and_says_so_to_the_audit_log(world: World):
    """By role, client, issuer and time; what it does stands in the same audit log as what the server does."""
    issuer = world.issuer
    with administered(world, workers=2) as bff:
        async with Browser(bff) as alice, Browser(bff) as bob:
            await alice.log_in("alice")
            await bob.log_in("bob")
            listed = bff.command("sessions", "list", "--role", "admin", "--json").stdout.splitlines()
            assert ["alice"] == [json.loads(line)["subject"] for line in listed]
            assert "would end 2 sessions\n" == revoke(bff, "--role", "reader", "--dry-run").stdout
            assert "ended 0 sessions\n" == revoke(bff, "--client", "another").stdout
            assert "ended 0 sessions\n" == revoke(bff, "--before", "2020-01-01T00:00:00Z").stdout

            assert "ended 1 session\n" == revoke(bff, "--role", "admin").stdout
            await refused_everywhere(alice)
            assert 200 == (await bob.get("/api/whoami")).status_code
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time()))
            late = revoke(bff, "--before", "2999-01-01T00:00:00Z")
            assert 2 == late.returncode
            assert "future" in late.stderr
            assert "ended 1 session\n" == revoke(bff, "--issuer", issuer.url).stdout
            await refused_everywhere(bob)
            assert revoke(bff, "--before", moment).stdout.startswith("ended 0")

            async with operator(bff) as managed:
                acts = (await managed.get("/audit?event=admin.act&q=cli:")).json()["items"]
                assert ["revocation"] * 5 + ["revocation.preview"] == sorted(act["act"] for act in acts)
                assert {"role:admin", "role:reader", "client:another", f"issuer:{issuer.url}"} <= {
                    act["target"] for act in acts
                }
                assert (await managed.post("/audit/verification")).json()["ok"] is True


async def test_console_and_api_are_closed_unless_configured(bff):
    """A server without `[admin]` serves neither, on neither listener."""
    async with operator(bff) as managed, Browser(bff) as alice:
        await alice.log_in("alice")
        assert 404 == (await managed.get("/me")).status_code
        assert 404 == (await alice.get("/bff/admin/me")).status_code
        assert 404 == (await alice.get("/bff/console/")).status_code


async def test_command_line_revokes_refresh_tokens_itself_where_the_servers_key_opens_them(world: World):
    """With `at_rest = "server"`, ending all reaches the issuer though no server runs and no browser comes."""
    with administered(world, session='at_rest = "server"') as bff:
        async with Browser(bff) as alice:
            await alice.log_in("alice")
            bff.stop()

            done = revoke(bff, "--all")

            assert (0, "ended 1 session\n") == (done.returncode, done.stdout), done.stderr
            events = [json.loads(line)["event"] for line in bff.audit.read_text().splitlines()]
            assert ["session.revoked", "tokens.revoked", "admin.act"] == events[-3:]
