"""The audit log of a running server with several workers."""

import json
import os
import signal

import pytest

from tests.product import Browser
from tests.world import World, eventually

pytestmark = pytest.mark.integration


def found(bff, *arguments: str) -> list[dict[str, object]]:
    searched = bff.command("audit", "search", "--json", *arguments)
    assert 0 == searched.returncode, searched.stderr
    return [json.loads(line) for line in searched.stdout.splitlines()]


@pytest.mark.parametrize("sink", ["file", "store"])
async def test_workers_write_one_chain_that_survives_their_death(world: World, sink: str):
    """Two workers, one killed, a stop and a start: every line is there, in one whole chain (OWASP ASVS 16.4.2)."""
    options = {"sink": "store"} if sink == "store" else {}
    with world.build(world.issuer, api=world.api, port=world.port(), workers=2, **options) as bff:
        async with Browser(bff) as alice:
            await alice.log_in("alice")
        # Lines are written beside the requests: what a worker still holds when it is killed is lost with it.
        await eventually(lambda: found(bff, "--event", "login.done"), "the line of the login", within=30)
        killed = bff.worker_pids()[0]
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: 2 == len({*bff.worker_pids()} - {killed}), "another worker", within=30)
        bff.wait_ready()  # the other one may only just have begun
        async with Browser(bff) as bob:
            await bob.log_in("bob")
            await bob.post("/bff/logout")
        bff.process.stop()
        bff.start()
        loaded = ("--event", "configuration.loaded")
        await eventually(lambda: len(found(bff, *loaded)) >= 4, "the second start", within=120)
        verified = bff.command("audit", "verify")

        assert 0 == verified.returncode, verified.stdout + verified.stderr
        assert ["bob", "alice"] == [line["subject"] for line in found(bff, "--event", "login.done")]
        (login,) = found(bff, "--event", "login.done", "--sub", "bob")
        (logout,) = found(bff, "--event", "logout.done", "--sub", "bob")
        assert login["session"] == logout["session"]
        assert "127.0.0.1" == login["address"]
        assert [] == found(bff, "--event", "keys.changed")
        if sink == "file":
            bff.audit.write_bytes(bff.audit.read_bytes().replace(b'"bob"', b'"eve"', 1))
            broken = bff.command("audit", "verify")
            assert (1, True) == (broken.returncode, f"BROKEN at line {login['seq']}" in broken.stdout)


async def test_lines_on_standard_output_can_be_captured_and_verified(world: World, tmp_path):
    """As a platform does that collects what containers print."""
    with world.build(world.issuer, port=world.port(), workers=2, sink="stdout") as bff:
        async with Browser(bff) as browser:
            await browser.log_in()
        await eventually(lambda: '"event":"login.done"' in bff.output(), "the login on the output")
        captured = tmp_path / "captured"
        captured.write_text(bff.output())
        verified = bff.command("audit", "verify", "--file", str(captured))

        assert 0 == verified.returncode, verified.stdout + verified.stderr
        assert "chain(s), one for each process" in verified.stdout
