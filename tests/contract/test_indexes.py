"""The indexes of every store: they list by pages, and go with the sessions that are in them."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing

from bff.session.records import Store
from bff.session.stores.redis import RedisStore
from tests.contract.test_session_store import NOW, build_record


def keys_of(numbers: Iterable[int]) -> list[bytes]:
    """Record keys all over the range of the first byte, as hashes are; those of a cluster lie in sixteen shards."""
    return sorted((number * 37 % 256).to_bytes(1, "big") + number.to_bytes(31, "big") for number in numbers)


async def test_pages_come_in_the_order_of_the_keys_wherever_these_lie(store: Store) -> None:
    """With every criterion and without one: no gap, no repetition, a short page at the end and nothing after it."""
    keys = keys_of(range(57))
    for key in keys:
        await store.create(build_record(key=key, handle=key.hex()[:24]))
    criteria: list[dict[str, object]] = [
        {},
        {"subjects": [b"u" * 32]},
        {"issuer_sids": [build_record().issuer_sid]},
    ]

    for criterion in criteria:
        listed: list[bytes] = []
        sizes = []
        while page := await store.find(now=NOW, after=listed[-1] if listed else b"", limit=10, **criterion):  # type: ignore[arg-type]
            listed += [record.key for record in page]
            sizes.append(len(page))

        assert keys == listed
        assert [10, 10, 10, 10, 10, 7] == sizes
    assert [keys[9]] == [record.key for record in await store.find(now=NOW, handle=keys[9].hex()[:24])]


async def test_indexes_shrink_as_sessions_end_and_are_purged(store: Store, store_url: str) -> None:
    """By logout, by their time, and by both: in the end nothing is left of any of them that would stay for ever."""
    keys = keys_of(range(40))
    for number, key in enumerate(keys):
        await store.create(build_record(key=key, subject=bytes([number]) * 32, handle=key.hex()[:24]))
    for key in keys[::2]:
        await store.end(key, "logout", NOW, keep_sealed=True)
    assert 20 == await store.count(NOW)
    assert keys[1::2] == [record.key for record in await store.find(now=NOW)]

    for at in (NOW + 4000, NOW + 50_000):
        while await store.purge(at):
            pass

    assert 0 == await store.count(NOW)
    assert [] == await store.find(now=NOW)
    assert [] == await store.find(now=NOW, subjects=[bytes([number]) * 32 for number in range(40)])
    assert [] == await entries_in(store, store_url)


async def entries_in(store: Store, url: str) -> list[bytes]:
    """What is left of sessions and of lists of them, but for what Redis removes by itself at its time."""
    if isinstance(store, RedisStore):
        keys = [key async for key in store._client.scan_iter(match="bff:*")]
        return [key for key in keys if key != b"bff:fence" and await store._client.ttl(key) < 0]
    if url == "memory:":
        return []
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
        return [key for (key,) in file.execute("SELECT key FROM sessions")]
