"""Counting rates in a real Valkey, for several workers: by TCP and by its socket, and while it is away."""

import subprocess
import sys
from dataclasses import replace

import pytest
import redis.asyncio

from bff.assembly.limits import build_limits
from bff.config.settings import LimitsSettings, Secret
from bff.config.value_types import Rate
from bff.errors import TooManyRequests
from bff.proxy.limits import Gate
from tests.contract.conftest import empty_store
from tests.internet import make_settings
from tests.processes import ROOT
from tests.servers import start_valkey


def build(store, told):
    """One worker's limit of three a session."""
    base = make_settings()
    limits = LimitsSettings(per_session=Rate(3, 3600))
    return build_limits(
        replace(base, session=replace(base.session, store=Secret(store)), limits=limits),
        lambda name, fields: told.append((name, dict(fields))),
    )


async def passes(worker, key="a"):
    """Whether one more request of a session passes."""
    try:
        await worker.gate.per_session.check(key)
    except TooManyRequests:
        return False
    return True


@pytest.mark.parametrize("address", ["tcp", "socket", "prefix"])
async def test_workers_count_together(address):
    """However Valkey is reached; keys of ours begin with the store's prefix."""
    with start_valkey() as valkey:
        store = {
            "tcp": valkey.url,
            "socket": f"unix://{valkey.socket}",
            "prefix": f"{valkey.url}?prefix=mine",
        }[address]
        told = []
        one, two = build(store, told), build(store, told)
        try:
            outcomes = [await passes(worker) for worker in (one, two, one, two, one)]
            other = await passes(two, "b")
            async with redis.asyncio.Redis.from_url(valkey.url) as client:
                keys = await client.keys("*")
        finally:
            await one.close()
            await two.close()

    assert ([True, True, True, False, False], True) == (outcomes, other)
    prefix = b"mine:limits" if address == "prefix" else b"bff:limits"
    assert {True} == {key.startswith(prefix) for key in keys}
    assert {"limits.reached"} == {name for name, _ in told}


@pytest.mark.parametrize("kind", ["sentinel", "cluster", "secured"])
async def test_workers_count_together_on_several_servers(kind, request, tmp_path):
    """Both windows of a counter are on one node of a cluster; and a rate has no other servers than the sessions."""
    told = []
    url = empty_store(kind, request, tmp_path)
    one, two = build(url, told), build(url, told)
    try:
        outcomes = [await passes(worker) for worker in (one, two, one, two, one)]
        other = await passes(two, "b")
    finally:
        await one.close()
        await two.close()

    assert ([True, True, True, False, False], True) == (outcomes, other)
    assert {"limits.reached"} == {name for name, _ in told}


async def test_storage_that_is_away_fails_nobody():
    """Each worker goes on by itself; it is said once, without an address or a password."""
    told = []
    with start_valkey() as valkey:
        worker = build(valkey.url, told)
        try:
            before = await passes(worker)
            valkey.stop()
            after = [await passes(worker) for _ in range(4)]
        finally:
            await worker.close()

    assert (True, [True, True, True, False]) == (before, after)
    assert ["limits.storage_unavailable", "limits.reached"] == [name for name, _ in told]
    assert {"error"} == set(told[0][1])


@pytest.mark.parametrize("store", ["memory:", "sqlite:///sessions.db"])
async def test_other_stores_count_in_memory(store):
    """Each worker by itself."""
    one, two = build(store, []), build(store, [])

    assert [True] * 6 == [await passes(worker) for worker in (one, two) for _ in range(3)]
    assert not await passes(one)
    await one.close()


def test_nothing_is_built_that_is_not_asked_for():
    """No limit, no counters, no connection, not even the library."""
    script = "import sys, bff.app; assert not {'limits', 'redis'} & set(sys.modules)"
    limits = build_limits(make_settings(), lambda *_: None)

    assert (None, Gate()) == (limits.logins, limits.gate)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, cwd=ROOT)
