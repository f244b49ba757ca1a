"""The product on Sentinel while the primary is killed: 503 for a moment, and nobody has lost anything."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.chaos.test_renewal_crashes import ON_EXPIRY, asked, expired
from tests.product import Browser
from tests.store_sets import SentinelSet, ask, start_sentinel_set
from tests.world import NegIssuer, World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

LONG = 60.0  # seconds for a fail-over on a busy machine


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    """A primary, a replica, and three sentinels that wait a second and a half."""
    with start_sentinel_set(down_after=1.5) as servers:
        yield servers


async def test_renewal_under_way_in_a_fail_over_loses_no_token(
    world: World, neg: NegIssuer, echo: object, sentinels: SentinelSet
) -> None:
    """The issuer rotates while no primary is there: what it gave goes to the next one (RFC 9700 §4.14.2)."""
    primary = sentinels.servers[0]
    with world.build(neg, session=ON_EXPIRY, store=sentinels.url, workers=2) as bff:
        async with Browser(bff) as browser:
            await expired(neg, browser)
            gate = neg.op.hold("token")
            waiting = asyncio.create_task(browser.get("/echo/x"))
            await eventually(lambda: 1 == asked(neg), "the refresh grant")
            with ask(primary.port) as operator:
                # Counts what this connection has written: so it comes after the lease and the session.
                operator.set("written", "after the lease")
                assert 1 == await asyncio.to_thread(operator.wait, 1, 30_000)

            await asyncio.to_thread(primary.kill)
            neg.op._gates.clear()
            neg.open(gate)
            answer = await waiting
            others = [await browser.get("/echo/x") for _ in range(4)]

            async def is_back() -> bool:
                others.append(await browser.get("/echo/x"))
                return 200 == others[-1].status_code

            await eventually(is_back, "the recovery", LONG)

            refused = [each for each in (answer, *others) if each.status_code != 200]
            assert {503} >= {each.status_code for each in refused}
            assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
            assert browser.session_cookie is not None
            assert 1 == asked(neg)  # the one token was spent once, and what came of it is there
            neg.op.access_token_lifetime = 300
            assert await browser.user() is not None
    await asyncio.to_thread(primary.stop)
