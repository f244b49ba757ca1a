"""A server dies, or its store goes away, in the middle of a renewal."""

import asyncio
import os
import signal
import time

import httpx
import pytest

from bff.cli.listening import listens
from tests.product import Browser
from tests.world import NegIssuer, World, eventually, until

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ON_EXPIRY = 'renew_ahead = "0s"'


async def expired(neg: NegIssuer, browser: Browser) -> None:
    """Logs in and waits until the access token has expired; later ones live longer."""
    neg.op.access_token_lifetime = 1
    callback = neg.op.login(await browser.begin_login())
    assert 303 == (await browser.navigate(callback, cross_site=True)).status_code
    neg.op.access_token_lifetime = 300
    await until(time.time() + 1.1)


def asked(neg: NegIssuer) -> int:
    return neg.op.count("token", grant_type="refresh_token")


async def test_another_machine_takes_over_when_a_renewer_is_killed(world: World, neg: NegIssuer):
    """The issuer had not answered: after the lease the refresh token is used by the other one, once."""
    with world.build(neg, session=ON_EXPIRY) as one, world.build(neg, session=ON_EXPIRY, beside=one) as other:
        async with Browser(one) as browser, Browser(other) as there:
            await expired(neg, browser)
            there.cookies.update(browser.cookies)
            gate = neg.op.hold("token")
            dying = asyncio.create_task(browser.get("/echo/x"))
            await eventually(lambda: 1 == asked(neg), "the refresh grant")
            one.kill()
            neg.op._gates.clear()
            answer = await there.get("/echo/x")

            assert 200 == answer.status_code
            assert 2 == asked(neg)
            with pytest.raises(httpx.TransportError):
                await dying
            neg.open(gate)


async def test_session_ends_with_a_reason_when_the_rotated_token_died_with_its_server(world: World, neg: NegIssuer):
    """The issuer had rotated: the one window in which a token is lost ends cleanly, not in a loop.

    RFC 9700 §4.14.2.
    """
    with world.build(neg, session=ON_EXPIRY) as one, world.build(neg, session=ON_EXPIRY, beside=one) as other:
        async with Browser(one) as browser, Browser(other) as there:
            await expired(neg, browser)
            there.cookies.update(browser.cookies)
            gate = neg.op.hold("token")
            dying = asyncio.create_task(browser.get("/echo/x"))
            await eventually(lambda: 1 == asked(neg), "the refresh grant")
            one.kill()
            neg.op._gates.clear()
            neg.open(gate)  # now the issuer rotates, for nobody
            await eventually(lambda: neg.op._desk._spent, "the rotation")
            answers = [await there.get("/echo/x"), await there.get("/bff/user")]

            assert [(401, "session_expired", "renewal_refused")] * 2 == [
                (answer.status_code, answer.json()["code"], answer.json()["reason"]) for answer in answers
            ]
            await eventually(lambda: other.audited("renewal.refused"), "the audit line")
            dying.cancel()


async def test_worker_that_is_killed_is_replaced_and_its_siblings_go_on(world: World, neg: NegIssuer):
    """kill -9 of one of two workers costs the requests in its hands, nothing else."""
    with world.build(neg, workers=2, server="renewal_process = false") as bff:
        await eventually(lambda: 2 == bff.output().count("jwks_fetched"), "the start of all workers")
        async with Browser(bff) as browser:
            neg.op.access_token_lifetime = 300
            callback = neg.op.login(await browser.begin_login())
            await browser.navigate(callback, cross_site=True)
            victim = bff.worker_pids()[0]
            os.kill(victim, signal.SIGKILL)

            async def served() -> bool:
                async with Browser(bff) as fresh:
                    fresh.cookies.update(browser.cookies)
                    try:
                        return 200 == (await fresh.get("/echo/x")).status_code
                    except httpx.TransportError:
                        return False

            await eventually(served, "an answer")
            await eventually(lambda: 3 == bff.output().count("jwks_fetched"), "the new worker")
            assert victim not in bff.worker_pids()
            assert [True] * 6 == [await served() for _ in range(6)]


async def test_worker_that_is_killed_again_and_again_does_not_end_the_server(world: World, neg: NegIssuer):
    """Its siblings go on: only workers that cannot even start are given up."""
    with world.build(neg, workers=2) as bff:
        for _ in range(3):
            await eventually(lambda: 2 == sum(bool(listens(pid, bff.port)) for pid in bff.worker_pids()), within=30)
            os.kill(max(bff.worker_pids()), signal.SIGKILL)
        await eventually(lambda: 2 == sum(bool(listens(pid, bff.port)) for pid in bff.worker_pids()), within=30)
        async with Browser(bff) as browser:
            assert (await browser.user()) is None


@pytest.mark.parametrize("outage", ["pause", "stop"])
async def test_rotated_token_is_written_when_the_store_is_back(world: World, neg: NegIssuer, outage: str):
    """Valkey goes away between the issuer's answer and the write: what was rotated is not lost."""
    valkey = world.private_valkey
    options = f'{ON_EXPIRY}\nstore_timeout = "500ms"'
    with world.build(neg, session=options, store=valkey.url) as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            gate = neg.op.hold("token")
            waiting = asyncio.create_task(browser.get("/echo/x"))
            await eventually(lambda: 1 == asked(neg), "the refresh grant")
            valkey.pause() if outage == "pause" else valkey.stop()
            neg.op._gates.clear()
            neg.open(gate)
            await eventually(lambda: neg.op._desk._spent, "the rotation")
            await asyncio.sleep(1.0)  # the outage itself
            valkey.resume() if outage == "pause" else valkey.start()
            first = await waiting

            assert first.status_code in {200, 503}

            async def served() -> bool:
                return 200 == (await browser.get("/echo/x")).status_code

            await eventually(served, "an answer")
            assert 1 == asked(neg)
            assert await browser.user() is not None
