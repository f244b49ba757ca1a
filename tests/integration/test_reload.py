"""A running server goes on with a new configuration, and with new keys."""

import asyncio
import secrets
import signal

import httpx
import pytest

from tests.product import Bff, Browser
from tests.world import World, eventually

pytestmark = pytest.mark.integration


async def ask(browser: Browser, path: str) -> int:
    return (await browser.get(path)).status_code


async def test_new_configuration_is_taken_on_without_a_restart(world: World):
    """SIGHUP replaces the workers one by one; whoever is signed in stays so."""
    with world.build(world.issuer, api=world.api, port=world.port(), workers=2) as bff:
        async with Browser(bff) as browser:
            await browser.log_in("alice")
            before = set(bff.worker_pids())
            assert 404 == await ask(browser, "/more/whoami")
            text = bff.config.read_text()
            bff.config.write_text(f'{text}\n[[api]]\npath = "/more"\nupstream = "{world.api.url}"\n')

            bff.process.signal(signal.SIGHUP)
            await eventually(lambda: len(now := set(bff.worker_pids())) == 2 and before.isdisjoint(now))

            assert [200] * 8 == [await ask(browser, "/more/whoami") for _ in range(8)]
        assert "bff: reloading; changed: api" in bff.output()


async def test_configuration_that_changes_on_the_disk_is_taken_on_by_itself(world: World):
    """Where that is asked for: a valid one replaces the workers, a broken one is explained and changes nothing."""
    with world.build(world.issuer, api=world.api, port=world.port(), server="reload_on_change = true") as bff:
        async with Browser(bff) as browser:
            await browser.log_in("alice")
            before, text = set(bff.worker_pids()), bff.config.read_text()
            bff.config.write_text(text.replace("[session]", '[session]\nidle_timeuot = "1h"'))
            await eventually(lambda: "was not reloaded" in bff.output(), within=60)
            assert before == set(bff.worker_pids())

            more = bff.config.with_suffix(".new")
            more.write_text(f'{text}\n[[api]]\npath = "/more"\nupstream = "{world.api.url}"\n')
            more.replace(bff.config)  # as editors and deployments write
            await eventually(lambda: len(now := set(bff.worker_pids())) == 1 and before.isdisjoint(now), within=60)

            assert 200 == await ask(browser, "/more/whoami")
        assert "bff: reloading; changed: api" in bff.output()


async def test_broken_configuration_changes_nothing_and_is_explained(world: World):
    """With file, line and key, as at the start; the workers stay who they were."""
    with world.build(world.issuer, api=world.api, port=world.port()) as bff:
        before = bff.worker_pids()
        bff.config.write_text(bff.config.read_text().replace("[session]", '[session]\nidle_timeuot = "1h"'))

        bff.process.signal(signal.SIGHUP)
        await eventually(lambda: "was not reloaded" in bff.output())

        assert "idle_timeuot" in bff.output()
        assert "idle_timeout" in bff.output()
        assert before == bff.worker_pids()
        async with Browser(bff) as browser:
            await browser.log_in("alice")
            assert 200 == await ask(browser, "/api/whoami")


async def test_what_needs_a_restart_is_named(world: World):
    """The number of workers is the parent's own."""
    with world.build(world.issuer, api=world.api, port=world.port()) as bff:
        bff.config.write_text(bff.config.read_text().replace("workers = 1", "workers = 2"))

        bff.process.signal(signal.SIGHUP)
        await eventually(lambda: "needs a restart, not a reload, to take effect: server.workers" in bff.output())


async def test_rotated_keys_are_taken_on_by_running_servers(world: World):
    """A server that seals with a new key, and one that has only just got the file, agree on who is signed in."""
    with (
        world.build(world.issuer, api=world.api, port=world.port()) as one,
        world.build(world.issuer, api=world.api, beside=one) as other,
    ):
        keys = f"{secrets.token_urlsafe(32)}\n{one.keys.read_text()}"
        other.keys.write_text(keys)
        restart(other)
        async with Browser(other) as browser, Browser(one) as elsewhere:
            await browser.log_in("alice")
            elsewhere.cookies = browser.cookies
            one.keys.write_text(keys)  # the file comes to this machine a little later

            answers = await asyncio.gather(*(ask(elsewhere, "/api/whoami") for _ in range(8)))

            assert [200] * 8 == answers
        await eventually(lambda: "keys.adopted" in one.output())


def restart(bff: Bff) -> None:
    """Stop and start, as an operator would."""
    bff.process.stop()
    bff.start()
    assert (
        401
        == httpx.get(
            f"http://127.0.0.1:{bff.port}/bff/user", headers={"Host": bff.url[7:], "X-CSRF": "1"}
        ).status_code
    )
