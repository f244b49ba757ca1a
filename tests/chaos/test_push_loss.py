"""The push connection is gone and the store is not: nothing that is cached is believed."""

import asyncio

import httpx
import pytest
import redis.asyncio

from tests.product import Browser
from tests.servers import start_valkey
from tests.world import World, eventually

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

LONG = 30.0  # seconds; a cached session would be believed for as long


async def reads(admin: redis.asyncio.Redis) -> int:
    """How many session records Valkey was asked for."""
    stats = await admin.info("commandstats")
    return sum(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in ("hmget", "hgetall"))


async def test_every_request_reads_the_store_until_pushes_come_again(world: World):
    """Logged out at one machine, refused by the other with the next request, though it hears of nothing."""
    with (
        start_valkey() as valkey,
        world.build(world.issuer, api=world.api, port=world.port(), store=valkey.url) as one,
        world.build(world.issuer, api=world.api, beside=one) as other,
    ):
        async with (
            Browser(one) as browser,
            Browser(other) as there,
            httpx.AsyncClient(verify=False) as http,
            redis.asyncio.Redis.from_url(valkey.url) as admin,
        ):

            async def pushes() -> str:
                return (await http.get(f"{other.management_url}/health/ready")).json()["store_pushes"]

            async def hears() -> bool:
                return "ok" == await pushes()

            async def is_deaf() -> bool:
                return "ok" != await pushes()

            await browser.log_in("alice")
            there.cookies.update(browser.cookies)
            await eventually(hears, "the push connection", LONG)
            assert 200 == (await there.get("/api/whoami")).status_code
            warm = await reads(admin)
            assert [200] * 5 == [(await there.get("/api/whoami")).status_code for _ in range(5)]
            assert warm + 5 > await reads(admin)  # others read too, now and then

            await admin.execute_command("ACL", "SETUSER", "default", "-subscribe", "-psubscribe", "-ssubscribe")
            await admin.client_kill_filter(_type="pubsub")
            await eventually(is_deaf, "the loss of pushes", LONG)
            before = await reads(admin)
            assert [200] * 5 == [(await there.get("/api/whoami")).status_code for _ in range(5)]
            assert before + 5 <= await reads(admin)
            assert 200 == (await browser.post("/bff/logout")).status_code
            assert 401 == (await there.get("/api/whoami")).status_code

            await admin.execute_command("ACL", "SETUSER", "default", "+subscribe", "+psubscribe", "+ssubscribe")
            await eventually(hears, "the push connection's return", LONG)
            await browser.log_in("bob")
            there.cookies.update(browser.cookies)
            assert 200 == (await there.get("/api/whoami")).status_code
            warm = await reads(admin)
            assert [200] * 5 == await asyncio.gather(*(_status(there) for _ in range(5)))
            assert warm + 5 > await reads(admin)  # others read too, now and then


async def _status(browser: Browser) -> int:
    return (await browser.get("/api/whoami")).status_code
