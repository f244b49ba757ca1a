"""A process that works on a SQLite store, for tests that run several or kill one.

count FILE ROUNDS SESSIONS   adds one to each session's counter, ROUNDS times, by compare-and-set
loop FILE                    replaces one session for ever and prints each version once it is acknowledged
hold FILE                    holds the write lock until its standard input ends
"""

import asyncio
import sqlite3
import sys
from dataclasses import replace

from bff.session.records import StoredSession
from bff.session.stores import open_store
from tests.chaos.stores import NOW, build_record


async def count(file: str, rounds: int, sessions: int) -> None:
    store = open_store(f"sqlite:///{file}", timeout=30.0)
    await store.open()
    for number in range(sessions):
        await store.create(build_record(number, sealed=b"0"))

    async def add_one(key: bytes) -> None:
        while True:
            record = await store.load(key, NOW)
            assert isinstance(record, StoredSession)
            more = replace(record, version=record.version + 1, sealed=b"%d" % (int(record.sealed) + 1))
            if await store.replace(more, record.version):
                return

    for _ in range(rounds):
        await asyncio.gather(*(add_one(build_record(number).key) for number in range(sessions)))
    await store.close()


async def loop(file: str) -> None:
    store = open_store(f"sqlite:///{file}")
    await store.open()
    record = build_record(sealed=b"x" * 8000)
    await store.create(record)
    loaded = await store.load(record.key, NOW)
    assert isinstance(loaded, StoredSession)
    version = loaded.version
    while await store.replace(record, version):
        version += 1
        sys.stdout.write(f"{version}\n")
        sys.stdout.flush()


async def leave(file: str) -> None:
    store = open_store(f"sqlite:///{file}")
    await store.open()
    await store.create(build_record())


def hold(file: str) -> None:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    sys.stdout.write("locked\n")
    sys.stdout.flush()
    sys.stdin.read()
    connection.execute("ROLLBACK")
    connection.close()


match sys.argv[1:]:
    case ["count", file, rounds, sessions]:
        asyncio.run(count(file, int(rounds), int(sessions)))
    case ["loop", file]:
        asyncio.run(loop(file))
    case ["leave", file]:
        asyncio.run(leave(file))
    case ["hold", file]:
        hold(file)
