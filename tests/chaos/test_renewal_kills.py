"""A worker is killed at each step of a renewal in turn: the session survives wherever the issuer lets it.

Where the faults are injected is in `dying_server.py`. The issuer takes a refresh token once, and detects a second
use.
"""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT
from tests.product import Bff, Browser
from tests.world import NegIssuer, World, eventually

from .dying_server import ONCE, STEP
from .test_renewal_crashes import asked, expired

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ON_EXPIRY = 'renew_ahead = "0s"'
LONG = 90.0  # seconds; a lease lasts five


def deadly(world: World, neg: NegIssuer, tmp_path: Path, step: str, store: str) -> Bff:
    """Two workers, of which the first one to come to this step is killed."""
    env = {STEP: step, ONCE: str(tmp_path / "died"), "PYTHONPATH": str(ROOT)}
    url = f"{world.valkey.url}/3" if store == "valkey" else None
    alone = "renewal_process = false"
    return world.build(
        neg, session=ON_EXPIRY, workers=2, store=url, server=alone, program="tests.chaos.dying_server", env=env
    )


async def all_started(bff: Bff) -> None:
    """Both workers and the renewal process: else a worker renews by itself, and what it was told dies with it."""
    await eventually(lambda: 3 == bff.output().count("jwks_fetched"), "the start of all three", LONG)


async def let_one_die(browser: Browser, tmp_path: Path) -> None:
    """Ask until the worker that renews has died; its request is lost with it."""
    with pytest.raises(httpx.TransportError):
        await browser.get("/echo/x")
    assert (tmp_path / "died").exists()


async def ask(browser: Browser, times: int) -> list[httpx.Response]:
    """The answers to requests made at once. The kernel may hand a dying worker connections to the last."""

    async def answered() -> httpx.Response:
        while True:
            with suppress(httpx.TransportError):
                return await browser.get("/echo/x")
            await asyncio.sleep(0.1)

    async with asyncio.timeout(LONG):
        return await asyncio.gather(*(answered() for _ in range(times)))


@pytest.mark.parametrize(
    ("step", "store"),
    [
        ("the lease is taken", "sqlite"),
        ("the issuer is about to be asked", "valkey"),
        ("the store has written", "sqlite"),
        ("the store has written", "valkey"),
        ("the lease is about to be given back", "valkey"),
    ],
)
async def test_session_outlives_a_worker_that_dies_when(
    world: World, neg: NegIssuer, tmp_path: Path, step: str, store: str
):
    """Another worker takes over; the refresh token is used once (RFC 9700 §4.14.2)."""
    with deadly(world, neg, tmp_path, step, store) as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            await let_one_die(browser, tmp_path)

            answers = await ask(browser, 8)

            assert [200] * 8 == [answer.status_code for answer in answers]
            assert 1 == asked(neg)
            assert set() == neg.op._desk.revoked


@pytest.mark.parametrize(("rotates", "status"), [(False, 200), (True, 401)])
async def test_what_the_issuer_allows_when_a_worker_dies_with_its_answer(
    world: World, neg: NegIssuer, tmp_path: Path, rotates: bool, status: int
):
    """A token that is good for once more keeps the session; else it ends with its reason, after one more grant."""
    neg.op.rotate_refresh_tokens = rotates
    with deadly(world, neg, tmp_path, "the issuer has answered", "sqlite") as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            await let_one_die(browser, tmp_path)

            answers = await ask(browser, 8)

            assert [status] * 8 == [answer.status_code for answer in answers]
            assert 2 == asked(neg)
            assert (8 if rotates else 0) == sum("renewal_refused" in answer.text for answer in answers)


async def test_session_outlives_any_death_of_a_worker_where_another_process_renews(world: World, neg: NegIssuer):
    """The issuer rotates while the worker that asked is dead: the renewal process writes what came."""
    with world.build(neg, session=ON_EXPIRY, workers=2) as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            await all_started(bff)
            gate = neg.op.hold("token")
            asking = [asyncio.create_task(browser.get("/echo/x")) for _ in range(8)]
            await eventually(lambda: 1 == asked(neg), "the refresh grant")
            before = set(bff.worker_pids())
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            await asyncio.gather(*asking, return_exceptions=True)
            neg.open(gate)
            await eventually(
                lambda: len(now := set(bff.worker_pids())) == 2 and before.isdisjoint(now), within=LONG
            )

            assert [200] * 8 == [answer.status_code for answer in await ask(browser, 8)]
            assert 1 == asked(neg)
            assert 0 == bff.output().count("renewal.process_away")


async def test_renewal_process_that_is_killed_is_replaced(world: World, neg: NegIssuer):
    """Workers renew themselves meanwhile: a death in the middle of a renewal costs a wait, no session."""
    with world.build(neg, session=ON_EXPIRY, workers=2) as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            await all_started(bff)
            before = bff.renewal_pid()
            os.kill(before, signal.SIGKILL)

            (answer,) = await ask(browser, 1)

            assert (200, 1) == (answer.status_code, asked(neg))
            await eventually(lambda: "the renewal process ended with -9" in bff.output(), "the word of it", LONG)

            def is_replaced() -> bool:
                try:
                    return before != bff.renewal_pid()
                except ValueError:
                    return False

            await eventually(is_replaced, "another renewal process", LONG)
