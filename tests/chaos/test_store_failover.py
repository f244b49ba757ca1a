"""The store on several servers while one of them dies, comes back, or hands its keys to another."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from bff.errors import SessionStoreUnavailable
from bff.session.records import Change, ChangeKind, Lost, Restored, Store
from bff.session.stores import open_store
from bff.session.stores.redis_cluster import ASK_EVERY
from bff.session.stores.redis_layout import Layout
from tests.chaos.stores import NOW, Ear, build_record, until_it_works
from tests.servers import Valkey
from tests.store_sets import (
    SERVICE,
    Cluster,
    SentinelSet,
    TlsFront,
    ask,
    await_that,
    start_cluster,
    start_lone_nodes,
    start_sentinel_set,
    write_papers,
)

pytestmark = pytest.mark.chaos

TIMEOUT = 2.0  # seconds for a call, as configured by default


def record_key(number: int) -> str:
    """Where the record is, by the slot that its hash tag gives."""
    return "bff:s:{" + tag_of(number) + "}"


def tag_of(number: int) -> str:
    """What of a record's key a cluster looks at."""
    return Layout("bff", is_cluster=True).record(build_record(number).key).partition("{")[2].rstrip("}")


async def listen(store: Store) -> Ear:
    """Listens from now on."""
    ear = Ear(store)
    assert Restored() == await ear.next()
    return ear


# ── sentinels ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    """A primary, a replica, and three sentinels that wait a second and a half."""
    with start_sentinel_set(down_after=1.5) as servers:
        yield servers


async def test_a_primary_that_is_killed_is_followed_by_its_replica(sentinels: SentinelSet) -> None:
    """What was replicated is there, writes go on at the new primary, and listeners are told of the gap."""
    store = open_store(sentinels.url, timeout=TIMEOUT)
    await store.open()
    ear = await listen(store)
    await store.create(build_record())
    first = sentinels.servers[0]
    with ask(first.port) as operator:
        assert 1 == operator.wait(1, 30_000)

    await asyncio.to_thread(first.kill)
    with pytest.raises(SessionStoreUnavailable):
        await store.load(build_record().key, NOW)

    assert build_record() == await until_it_works(lambda: store.load(build_record().key, NOW))
    assert await until_it_works(lambda: store.replace(build_record(version=2), 1))
    assert Lost() == await ear.next()
    assert Restored() == await ear.next()
    await until_it_works(lambda: store.end(build_record().key, "logout", NOW, keep_sealed=False))
    assert Change(ChangeKind.ENDED, build_record().key) == await ear.next()

    await asyncio.to_thread(first.restart)
    await asyncio.to_thread(await_that, lambda: is_replica(first.port), "the old primary follows the new one")
    await until_it_works(lambda: store.create(build_record(1)))
    assert build_record(1) == await store.load(build_record(1).key, NOW)
    await store.close()


async def test_a_primary_that_was_cut_off_is_left_for_the_one_that_the_sentinels_name(
    sentinels: SentinelSet,
) -> None:
    """It believes that it is one still, and takes no writes for lack of replicas: `min-replicas-to-write`."""
    store = open_store(sentinels.url, timeout=TIMEOUT)
    await store.open()
    await store.create(build_record())
    first, second = sentinels.servers
    with ask(first.port) as old, ask(second.port) as new, contextlib.ExitStack() as stack:
        watchers = [stack.enter_context(ask(port)) for port in sentinels.sentinel_ports]
        assert 1 == old.wait(1, 30_000)
        for watcher in watchers:
            watcher.sentinel_remove(SERVICE)
        new.replicaof("NO", "ONE")
        old.config_set("min-replicas-to-write", 1)
        for watcher in watchers:
            watcher.sentinel_monitor(SERVICE, "127.0.0.1", second.port, 2)

    with pytest.raises(SessionStoreUnavailable):
        await store.create(build_record(1))

    await until_it_works(lambda: store.create(build_record(1)))
    with ask(second.port) as new:
        assert new.exists(Layout("bff", is_cluster=False).record(build_record(1).key))
    await store.close()


def is_replica(port: int) -> bool:
    """Whether the server says so."""
    with ask(port) as client:
        return b"slave" == client.role()[0]


async def test_a_sentinel_that_is_gone_is_passed_over(sentinels: SentinelSet) -> None:
    """The first of the addresses need not be there, neither at the start nor later."""
    await asyncio.to_thread(sentinels.sentinels[0].kill)
    store = open_store(sentinels.url, timeout=TIMEOUT)

    await store.open()
    await store.create(build_record())

    assert build_record() == await store.load(build_record().key, NOW)
    await store.close()


async def test_a_service_that_no_sentinel_knows_fails_in_time(sentinels: SentinelSet) -> None:
    """A wrong name is an outage to the store, and names no address."""
    store = open_store(sentinels.url.replace("/main", "/other"), timeout=TIMEOUT)

    with pytest.raises(SessionStoreUnavailable, match="they name no primary") as raised:
        await store.open()

    assert "127.0.0.1" not in str(raised.value)
    await store.close()


# ── a cluster ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three primaries that keep what they acknowledged. Each test leaves them as it found them."""
    with start_cluster(durable=True) as servers:
        yield servers


@pytest.fixture
async def store(cluster: Cluster) -> AsyncIterator[Store]:
    """An empty store on it."""
    cluster.flush()
    store = open_store(cluster.url, timeout=TIMEOUT)
    await store.open()
    yield store
    await store.close()


async def test_a_node_that_restarts_takes_nothing_with_it(store: Store, cluster: Cluster) -> None:
    """Sessions on the other nodes go on meanwhile; those on this one are there again afterwards."""
    for number in range(24):
        await store.create(build_record(number))
    homes = {number: cluster.home_of(record_key(number)) for number in range(24)}
    lost = homes[0]
    elsewhere = [number for number, home in homes.items() if home is not lost]
    assert 0 < len(elsewhere) < 24

    await asyncio.to_thread(lost.stop)
    with pytest.raises(SessionStoreUnavailable):
        await store.load(build_record().key, NOW)
    for number in elsewhere:
        assert build_record(number) == await until_it_works(
            lambda number=number: store.load(build_record(number).key, NOW)  # type: ignore[misc]
        )
    assert await until_it_works(lambda: store.replace(build_record(elsewhere[0], version=2), 1))
    assert await store.end(build_record(elsewhere[1]).key, "logout", NOW, keep_sealed=False)

    await asyncio.to_thread(lost.start)
    await asyncio.to_thread(cluster.await_whole)

    assert build_record() == await until_it_works(lambda: store.load(build_record().key, NOW))
    await until_it_works(lambda: store.replace(build_record(elsewhere[0], version=3), 2))
    found = await store.find(now=NOW, subjects=[b"u" * 32])
    assert {*range(24)} - {elsewhere[1]} == {int.from_bytes(record.key, "big") for record in found}


async def test_slots_that_move_are_followed(store: Store, cluster: Cluster) -> None:
    """While they move by ASK, and afterwards by MOVED; the client learned where they were before."""
    await store.create(build_record())
    source = cluster.home_of(record_key(0))
    target = next(server for server in cluster.servers if server is not source)
    with cluster.moving(cluster.slot_of(record_key(0)), source, target):
        assert build_record() == await store.load(build_record().key, NOW)
        assert await store.replace(build_record(version=2), 1)

    assert build_record(version=2) == await store.load(build_record().key, NOW)
    assert await store.replace(build_record(version=3), 2)
    assert await store.end(build_record().key, "logout", NOW, keep_sealed=False)
    with cluster.moving(cluster.slot_of(record_key(0)), target, source):
        pass


async def test_a_listener_on_a_cluster_hears_what_every_node_publishes(store: Store, cluster: Cluster) -> None:
    """Whichever node it is connected to; and it hears again after each of them has restarted."""
    ear = await listen(store)
    for number in range(24):
        await store.create(build_record(number))
    for number in range(8):
        await store.end(build_record(number).key, "logout", NOW, keep_sealed=False)
    heard = [await ear.next() for _ in range(8)]
    assert {Change(ChangeKind.ENDED, build_record(number).key) for number in range(8)} == set(heard)
    for server in cluster.servers:
        await asyncio.to_thread(server.restart)
        await asyncio.to_thread(cluster.await_whole)

    assert [Lost(), Restored()] == [await ear.next(), await ear.next()]

    expected = Change(ChangeKind.ENDED, build_record(20).key)
    await until_it_works(lambda: store.end(build_record(20).key, "logout", NOW, keep_sealed=False))
    while expected != (news := await ear.next()):
        assert isinstance(news, Lost | Restored)


async def test_a_step_that_died_half_way_is_put_right_by_whoever_reads(store: Store, cluster: Cluster) -> None:
    """Ended or gone, with its entries left; and entered again by the next renewal, if an entry was lost."""
    for number in range(1, 5):
        await store.create(build_record(number))
    with redis.RedisCluster(host="127.0.0.1", port=cluster.servers[0].port) as operator:
        operator.hset(record_key(1), mapping={"ended_at": NOW, "reason": "logout"})
        operator.delete(record_key(2))
        for key in list(operator.scan_iter("bff:subject:*")):
            operator.zrem(key, build_record(3).key)

        found = await store.find(now=NOW, subjects=[b"u" * 32])
        listed = await store.find(now=NOW)
        await store.replace(build_record(3, version=2), 1)
        again = await store.find(now=NOW, subjects=[b"u" * 32])
        left = {key: operator.zcard(key) for key in operator.scan_iter("bff:subject:*")}

    assert [4] == [int.from_bytes(record.key, "big") for record in found]
    assert [3, 4] == [int.from_bytes(record.key, "big") for record in listed]
    assert [3, 4] == [int.from_bytes(record.key, "big") for record in again]
    assert [2] == list(left.values())
    assert 2 == await store.count(NOW)
    assert 4 == await store.purge(NOW + 50_000)
    assert 0 == await store.count(NOW)


# ── the client of a cluster ──────────────────────────────────────────────────────────────────────────────


async def test_nodes_that_have_all_moved_are_found_by_the_address_that_was_given(tmp_path: Path) -> None:
    """As pods do: the name in the URL leads to them still, and what they said of themselves leads nowhere."""
    papers = write_papers(tmp_path)
    words: dict[bytes, bytes] = {}
    with start_lone_nodes(2) as (old, new), ExitStack() as stack:
        name, old_front, new_front = [TlsFront(papers, node.port, words) for node in (old, old, new)]
        stack.callback(name.close)
        stack.callback(new_front.close)
        words |= {b"%d" % old.port: b"%d" % old_front.port, b"%d" % new.port: b"%d" % new_front.port}
        store = open_store(f"rediss+cluster://127.0.0.1:{name.port}?{papers.query()}", timeout=TIMEOUT)
        await store.open()
        await store.create(build_record())

        await asyncio.to_thread(old_front.close)
        name._behind = new.port
        await until_it_works(lambda: store.create(build_record(1)))

        assert build_record(1) == await store.load(build_record(1).key, NOW)
        with ask(new.port) as operator:
            assert operator.exists(record_key(1))
        await store.close()


async def test_a_node_that_is_gone_does_not_have_the_others_asked_for_the_nodes_all_the_time(
    store: Store, cluster: Cluster
) -> None:
    """However many calls meet it: where keys are is a large answer, and the others have work to do."""
    numbers = [number for number in range(40) if cluster.home_of(record_key(number)) is cluster.servers[0]]
    await asyncio.to_thread(cluster.servers[0].stop)
    began = time.monotonic()
    before = sum(map(asked_for_slots, cluster.servers[1:]))

    for _ in range(5):
        calls = [store.load(build_record(number).key, NOW) for number in numbers]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {SessionStoreUnavailable} == set(map(type, outcomes))

    asked = sum(map(asked_for_slots, cluster.servers[1:])) - before
    assert 2 + (time.monotonic() - began) / ASK_EVERY >= asked
    await asyncio.to_thread(cluster.servers[0].start)
    await asyncio.to_thread(cluster.await_whole)


def asked_for_slots(server: Valkey) -> int:
    """How often it has told where keys are."""
    with ask(server.port) as operator:
        return int(operator.info("commandstats").get("cmdstat_cluster|slots", {}).get("calls", 0))
