"""`bff sessions` against the store of a running server."""

import asyncio
import json
import subprocess
import sys

import httpx
import pytest

from tests.product import Browser
from tests.servers import start_valkey
from tests.world import AT_ONCE, World

pytestmark = pytest.mark.integration


async def refused(browser: Browser) -> httpx.Response:
    """The first refusal; it is pushed to the worker."""
    async with asyncio.timeout(AT_ONCE):
        while (answer := await browser.get("/api/whoami")).status_code == 200:
            continue
    return answer


@pytest.mark.parametrize("kind", ["sqlite", "valkey"])
async def test_operator_sees_and_ends_sessions_from_the_command_line(world: World, kind: str):
    """OWASP ASVS 7.4.5: a user's sessions are listed and ended, at once, by somebody without their cookies."""
    with (
        start_valkey() as valkey,
        world.build(
            world.issuer, api=world.api, port=world.port(), store=valkey.url if kind == "valkey" else None
        ) as bff,
    ):
        async with Browser(bff) as alice, Browser(bff) as bob:
            await alice.log_in("alice")
            await bob.log_in("bob")
            handle = (await bob.user())["session"]["id"]

            listed = [json.loads(line) for line in bff.command("sessions", "list", "--json").stdout.splitlines()]
            assert {("alice", ("admin", "reader")), ("bob", ("reader",))} == {
                (row["subject"], tuple(row["roles"])) for row in listed
            }
            shown = bff.command("sessions", "show", handle).stdout
            assert handle in shown
            assert "bob" in shown

            assert "ended 1 session\n" == bff.command("sessions", "revoke", "--sub", "bob").stdout
            answer = await refused(bob)
            assert (401, "session_expired", "revoked") == (
                answer.status_code,
                answer.json()["code"],
                answer.json()["reason"],
            )
            assert 200 == (await alice.get("/api/whoami")).status_code

            gone = bff.command("sessions", "revoke", handle)
            assert (1, "ended 0 sessions\n") == (gone.returncode, gone.stdout)
            assert 0 == bff.command("sessions", "revoke", "--all").returncode
            assert 401 == (await refused(alice)).status_code


def test_exactly_one_way_of_naming_sessions_is_asked_for(tmp_path):
    """A forgotten option ends nobody's session."""
    for arguments in ([], ["--all", "--sub", "alice"], ["handle", "--all"]):
        done = subprocess.run(
            [sys.executable, "-m", "bff", "sessions", "revoke", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert 2 == done.returncode, done.stderr
