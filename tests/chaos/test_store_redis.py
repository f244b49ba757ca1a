"""The Redis store while its server is stopped, paused, full, demoted or changes its mind."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import redis

from bff.session.records import Change, ChangeKind, Ended, Lost, Restored, Store
from bff.session.stores import open_store
from bff.session.stores.redis_layout import Layout
from tests.chaos.stores import (
    NOW,
    PATIENCE,
    TIMEOUT,
    Ear,
    build_record,
    every_read,
    every_write,
    expect_fault,
    until_it_works,
)
from tests.servers import Valkey, start_valkey

pytestmark = pytest.mark.chaos
KEYS = Layout("bff", is_cluster=False)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey that keeps what it acknowledged."""
    with start_valkey(durable=True) as server:
        yield server


@pytest.fixture
def admin(valkey: Valkey) -> Iterator[redis.Redis]:
    """The server's operator."""
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
async def store(valkey: Valkey) -> AsyncIterator[Store]:
    """A store with one session and one lease in it."""
    store = open_store(valkey.url, timeout=TIMEOUT)
    await store.open()
    await store.create(build_record())
    await store.acquire(b"lease", b"owner", NOW, 10)
    yield store
    await store.close()


async def listen(store: Store) -> Ear:
    """Listens from now on."""
    ear = Ear(store)
    assert Restored() == await ear.next()
    return ear


async def test_a_stopped_server_fails_every_call_in_time_and_a_restarted_one_serves_again(
    store: Store, valkey: Valkey
) -> None:
    """Nobody is logged out by an outage: what was there before is there after it."""
    await store.find(now=NOW)
    valkey.stop()
    for call in (every_read(store) | every_write(store)).values():
        await expect_fault(call, "no connection")
    await expect_fault(open_store(valkey.url, timeout=TIMEOUT).open, "no connection")

    valkey.start()

    assert build_record() == await store.load(build_record().key, NOW)
    assert await store.replace(build_record(version=2), 1)


async def test_idle_connections_that_the_server_closed_fail_no_call(store: Store, valkey: Valkey) -> None:
    """A restart between two requests goes unnoticed by the second."""
    await asyncio.gather(*(store.load(build_record().key, NOW) for _ in range(20)))

    await asyncio.to_thread(valkey.restart)

    loaded = await asyncio.gather(*(store.load(build_record().key, NOW) for _ in range(20)))
    assert [build_record()] * 20 == loaded


async def test_an_outage_is_told_to_listeners_and_so_is_its_end(store: Store, valkey: Valkey) -> None:
    """`Lost` at once, `Restored` when changes are heard again."""
    ear = await listen(store)

    valkey.stop()
    assert Lost() == await ear.next()

    valkey.start()
    assert Restored() == await ear.next()
    await store.end(build_record().key, "logout", NOW, keep_sealed=False)
    assert Change(ChangeKind.ENDED, build_record().key) == await ear.next()


async def test_a_listener_that_begins_during_an_outage_hears_of_its_end(store: Store, valkey: Valkey) -> None:
    """The first event is `Restored`, when the connection first stands."""
    valkey.stop()
    ear = Ear(store)
    first = asyncio.create_task(ear.next())
    await expect_fault(store.ping, "no connection")
    assert not first.done()

    valkey.start()

    assert Restored() == await first


async def test_a_store_closes_in_time_while_its_server_is_silent(valkey: Valkey) -> None:
    """Shutting down does not wait for a dead machine."""
    store = open_store(valkey.url, timeout=TIMEOUT)
    await store.open()
    await listen(store)
    valkey.pause()
    try:
        async with asyncio.timeout(PATIENCE):
            await store.close()
    finally:
        valkey.resume()


async def test_a_silent_server_fails_every_call_in_time(store: Store, valkey: Valkey) -> None:
    """Connections that stay open without an answer are given up."""
    valkey.pause()
    try:
        calls = (every_read(store) | every_write(store)).values()
        await asyncio.gather(*(expect_fault(call, "timeout") for call in calls))
    finally:
        valkey.resume()


async def test_answers_that_come_too_late_are_not_taken_for_others(store: Store, valkey: Valkey) -> None:
    """Each call gets its own answer after the server has come back."""
    for number in range(1, 20):
        await store.create(build_record(number))
    valkey.pause()
    late = [asyncio.create_task(store.load(build_record(number).key, NOW)) for number in range(20)]
    await asyncio.sleep(0)
    for task in late[::2]:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    valkey.resume()

    await until_it_works(store.ping)

    loaded = await asyncio.gather(*(store.load(build_record(number).key, NOW) for number in range(20)))
    assert [build_record(number) for number in range(20)] == loaded


async def test_a_half_open_push_connection_is_noticed(store: Store, valkey: Valkey) -> None:
    """No answer to a ping on the listener's own connection counts as lost."""
    ear = await listen(store)

    valkey.pause()
    try:
        async with asyncio.timeout(PATIENCE):
            assert Lost() == await ear.next()
    finally:
        valkey.resume()

    assert Restored() == await ear.next()
    await until_it_works(lambda: store.replace(build_record(version=2), 1))
    assert Change(ChangeKind.REPLACED, build_record().key, 2) == await ear.next()


async def test_a_quiet_push_connection_is_not_taken_for_lost(store: Store) -> None:
    """Pings are answered, and answers are no changes."""
    ear = await listen(store)
    waiting = asyncio.create_task(ear.next())

    done, _ = await asyncio.wait((waiting,), timeout=4 * TIMEOUT)
    assert set() == done

    await store.end(build_record().key, "logout", NOW, keep_sealed=False)
    assert Change(ChangeKind.ENDED, build_record().key) == await waiting


async def test_a_cut_push_connection_is_replaced(store: Store, admin: redis.Redis) -> None:
    """As by a proxy that closes long-lived connections."""
    ear = await listen(store)

    admin.client_kill_filter(_type="pubsub")

    assert [Lost(), Restored()] == [await ear.next(), await ear.next()]
    await store.end(build_record().key, "logout", NOW, keep_sealed=False)
    assert Change(ChangeKind.ENDED, build_record().key) == await ear.next()


@pytest.mark.parametrize("message", [b"", b"nonsense", b"ended x key", b"\xff 1 key", b"invented 0 key"])
async def test_a_message_that_cannot_be_read_counts_as_a_gap(
    store: Store, admin: redis.Redis, message: bytes
) -> None:
    """It may have been any change; the listener goes on behind it."""
    ear = await listen(store)

    admin.publish("bff:changes:0", message)
    await store.end(build_record().key, "logout", NOW, keep_sealed=False)

    expected = [Lost(), Restored(), Change(ChangeKind.ENDED, build_record().key)]
    assert expected == [await ear.next() for _ in range(3)]


async def test_a_demoted_server_refuses_writes_until_it_is_primary_again(store: Store, admin: redis.Redis) -> None:
    """A failover in the middle: reads go on, writes say why."""
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    for call in every_write(store).values():
        await expect_fault(call, "read-only replica")
    assert build_record() == await store.load(build_record().key, NOW)

    admin.execute_command("REPLICAOF", "NO", "ONE")

    assert await store.replace(build_record(version=2), 1)


async def test_a_full_server_refuses_new_sessions_and_existing_ones_go_on(store: Store, admin: redis.Redis) -> None:
    """Out of memory is an outage for logins alone: sessions are renewed, slide, are found and can be ended."""
    await store.create(build_record(2))
    admin.config_set("maxmemory", "1")

    await expect_fault(lambda: store.create(build_record(1)), "out of memory")
    assert build_record() == await store.load(build_record().key, NOW)
    assert await store.acquire(b"other", b"owner", NOW, 10)
    assert await store.replace(build_record(version=2), 1)
    assert await store.touch(build_record().key, NOW + 9000)
    await store.release(b"other", b"owner")
    assert await store.remember(b"logout token", NOW, NOW + 60)
    assert 2 == len(await store.find(now=NOW, subjects=[b"u" * 32]))
    assert await store.end(build_record(2).key, "logout", NOW, keep_sealed=True)

    admin.config_set("maxmemory", "0")

    await store.create(build_record(1))
    assert 2 == await store.count(NOW)


async def test_a_wrong_password_is_named_and_not_repeated(valkey: Valkey, admin: redis.Redis) -> None:
    """The detail names a category; it holds neither address nor secret."""
    admin.config_set("requirepass", "right")
    store = open_store(valkey.url.replace("//", "//:wr0ng@"), timeout=TIMEOUT)

    await expect_fault(store.open, "credentials refused")
    with pytest.raises(Exception, match="credentials refused") as raised:
        await store.open()

    assert "wr0ng" not in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
    await store.close()


async def test_forgotten_scripts_are_sent_again(store: Store, admin: redis.Redis) -> None:
    """A new primary does not know them."""
    assert await store.touch(build_record().key, NOW + 7200)

    admin.script_flush()

    assert await store.touch(build_record().key, NOW + 7300)


async def test_connections_are_bounded_and_closed(store: Store, admin: redis.Redis) -> None:
    """However many calls come at once."""
    await listen(store)
    await asyncio.gather(*(store.load(build_record().key, NOW) for _ in range(300)))
    while_open = len(admin.client_list())

    await store.close()

    async with asyncio.timeout(PATIENCE):
        while await asyncio.to_thread(lambda: len(admin.client_list())) > 1:
            pass
    assert 1 + 32 >= while_open


async def test_everything_but_three_keys_goes_by_itself(store: Store, admin: redis.Redis) -> None:
    """Sessions, tombstones, indexes, leases and names leave no garbage behind, even if nobody purges."""
    await store.create(build_record(1))
    await store.end(build_record(1).key, "logout", NOW + 100, keep_sealed=True)
    await store.touch(build_record().key, NOW + 3700)
    await store.acquire(b"lease", b"owner", NOW, 10)
    await store.remember(b"name", NOW, NOW + 60)

    left = {key.decode().split(":")[1]: admin.ttl(key) for key in admin.scan_iter() if admin.ttl(key) >= 0}
    immortal = {key.decode() for key in admin.scan_iter() if admin.ttl(key) < 0}
    session = admin.ttl(KEYS.record(build_record().key))
    tombstone = admin.ttl(KEYS.record(build_record(1).key))

    assert {"s", "subject", "sid", "handle", "l", "n"} == left.keys()
    assert {"bff:all", "bff:ends", "bff:fence"} == immortal
    assert 3700 + 60 - 5 <= session <= 3700 + 60
    assert 43200 - 100 + 60 - 5 <= tombstone <= 43200 - 100 + 60
    assert 43200 + 60 - 5 <= left["subject"] <= 43200 + 60
    assert 5 <= left["l"] <= 70
    assert 55 <= left["n"] <= 120


async def test_records_that_redis_removed_leave_lists_and_the_purge_intact(
    store: Store, admin: redis.Redis
) -> None:
    """The sets that order the sessions may be ahead of what is there; they are put right in passing."""
    for number in range(1, 4):
        await store.create(build_record(number))
    admin.delete(KEYS.record(build_record(1).key))
    admin.delete(KEYS.record(build_record(2).key))

    assert [build_record(0), build_record(3)] == await store.find(now=NOW)
    assert [build_record(0), build_record(3)] == await store.find(now=NOW, subjects=[b"u" * 32])
    assert 2 == admin.zcard("bff:all")
    assert 2 == admin.zcard(KEYS.subject(b"u" * 32))
    assert 4 == await store.purge(NOW + 3600)
    assert [] == admin.zrange("bff:ends", 0, -1)


async def test_an_ended_session_keeps_no_more_than_it_must(store: Store, admin: redis.Redis) -> None:
    """Neither subject nor summary outlive the session."""
    await store.end(build_record().key, "logout", NOW, keep_sealed=False)

    left = admin.hgetall(KEYS.record(build_record().key))
    assert {b"ended_at", b"reason", b"expires_at", b"idle_expires_at"} == left.keys()
    assert Ended(build_record().key, "logout", NOW) == await store.load(build_record().key, NOW)


async def test_a_handle_that_is_how_the_key_begins_needs_no_index(store: Store, admin: redis.Redis) -> None:
    """Sessions are named by their keys: one index less for each of them, and found all the same."""
    record = replace(build_record(7), key=bytes(range(200, 232)), handle=bytes(range(200, 212)).hex())
    near = replace(build_record(8), key=bytes(range(200, 231)) + b"\0", handle="another")
    await store.create(record)
    await store.create(near)

    assert 0 == admin.exists(KEYS.handle(record.handle))
    assert [record] == await store.find(now=NOW, handle=record.handle)
    assert [near] == await store.find(now=NOW, handle="another")
    assert [] == await store.find(now=NOW, handle="00" * 12)
    assert [] == await store.find(now=NOW, handle=record.handle[:22])

    await store.end(record.key, "logout", NOW, keep_sealed=False)
    assert [] == await store.find(now=NOW, handle=record.handle)
