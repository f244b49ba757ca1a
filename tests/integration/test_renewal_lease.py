"""A lease lies in the store for longer than it lasts."""

import time
from types import SimpleNamespace

import pytest
import redis.asyncio

from bff.session import renewal_lease
from bff.session.changes import ChangeFeed
from bff.session.renewal_lease import Leases
from bff.session.stores import open_store
from tests.world import World, eventually

pytestmark = pytest.mark.integration

KEY = b"k" * 32
LONG = 600.0  # seconds of an outage


@pytest.mark.parametrize("is_prolonged", [False, True])
async def test_lease_outlives_a_long_outage_of_valkey(world: World, monkeypatch, is_prolonged: bool):
    """Valkey forgets keys while it is away as well: one that was not given back must still be there afterwards."""
    monkeypatch.setattr(renewal_lease, "_PROLONG", 0.01)
    url = f"{world.valkey.url}/4"
    store = open_store(url, timeout=30.0)
    calls = []
    acquire = store.acquire

    async def counted(*args):
        calls.append(args)
        return await acquire(*args)

    monkeypatch.setattr(store, "acquire", counted)
    leases = Leases(None, store, ChangeFeed(store, lambda *_: None), time.time, lambda *_: None)
    try:
        assert await leases.take(SimpleNamespace(key=KEY, version=1))
        if is_prolonged:
            async with leases.prolonged(KEY):
                await eventually(lambda: 3 < len(calls), "the prolonging", 15.0)
        async with redis.asyncio.Redis.from_url(url) as client:
            (lease,) = [key async for key in client.scan_iter("*:l:*")]
            left = await client.pttl(lease) / 1000

        assert left > LONG
        await leases.release(KEY)
    finally:
        await store.close()
