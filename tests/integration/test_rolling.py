"""Servers are replaced under load (the short form of `benchmarks.rolling` and `benchmarks.push`)."""

import pytest

from benchmarks.push import measure
from benchmarks.rolling import reload_under_load, restart_behind_nginx

pytestmark = pytest.mark.integration


async def test_machines_behind_nginx_are_restarted_one_by_one_without_a_failed_request():
    """SIGTERM under reads, with the connections that nginx keeps; each ends with status 0."""
    load = await restart_behind_nginx(machines=2, clients=6, writes=False)

    assert (2, {}, {200}) == (load.restarts, load.cut, set(load.answers)), load


async def test_workers_are_replaced_under_load_without_a_failed_request():
    """SIGHUP, with connections that clients keep."""
    load = await reload_under_load(workers=2, reloads=1, clients=6, writes=False)

    assert (1, {}, {200}) == (load.restarts, load.cut, set(load.answers)), load


@pytest.mark.parametrize("store", ["valkey", "sqlite"])
async def test_logout_reaches_every_worker(store: str):
    """Each of them was warm, and refuses the cookie after the logout at one of them."""
    times = await measure(store, workers=3, samples=3)

    assert 3 == len(times)
