"""The SQLite store among rival processes, killed ones, and with its file locked, full, damaged or gone."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bff.errors import SessionStoreUnavailable
from bff.session.records import Change, ChangeKind, Lost, Restored, StoredSession
from bff.session.stores.sqlite import SqliteStore
from bff.session.stores.sqlite_schema import LOG_LENGTH, SCHEMA_VERSION
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
from tests.processes import ROOT

pytestmark = pytest.mark.chaos


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "sessions.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    """A store with one session and one lease in it."""
    store = SqliteStore(file, timeout=TIMEOUT)
    await store.open()
    await store.create(build_record())
    await store.acquire(b"lease", b"owner", NOW, 10)
    yield store
    await store.close()


def start_writer(*arguments: str) -> subprocess.Popen[str]:
    """Another process on the file."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.store_writer", *arguments],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def check_integrity(file: Path) -> None:
    """SQLite finds nothing wrong with its file."""
    with closing(sqlite3.connect(file)) as connection:
        assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()


def put_in_place(restored: Path, file: Path) -> None:
    """As SQLite demands it: the write-ahead log of the old file must not meet the new one."""
    for companion in ("-wal", "-shm"):
        file.with_name(file.name + companion).unlink(missing_ok=True)
    restored.replace(file)


# ── rival processes ──────────────────────────────────────────────────────────────────────────────────────


async def test_four_processes_lose_no_update(file: Path) -> None:
    """They create the file together, and each addition of each counts, without a single error."""
    writers = [start_writer("count", str(file), "15", "4") for _ in range(4)]
    outcomes = [await asyncio.to_thread(writer.communicate) for writer in writers]

    assert [("", "")] * 4 == outcomes
    assert [0] * 4 == [writer.returncode for writer in writers]
    store = SqliteStore(file)
    found = await store.find(now=NOW)
    await store.close()
    assert [(b"60", 61)] * 4 == [(record.sealed, record.version) for record in found]
    check_integrity(file)


@pytest.mark.parametrize("lines", [1, 20, 60])
async def test_a_killed_writer_loses_nothing_that_was_acknowledged(file: Path, lines: int) -> None:
    """`kill -9` in the middle of writing: the file is whole, and the last version told is there."""
    with start_writer("loop", str(file)) as writer:
        assert writer.stdout is not None
        for _ in range(lines):
            assert await asyncio.to_thread(writer.stdout.readline)
        writer.kill()
        told = [int(line) for line in writer.stdout.read().split()]

    check_integrity(file)
    store = SqliteStore(file)
    record = await store.load(build_record().key, NOW)
    assert isinstance(record, StoredSession)
    assert max([lines + 1, *told[:-1]]) <= record.version  # the last line may have been cut in its number
    assert b"x" * 8000 == record.sealed
    assert await store.replace(build_record(version=record.version + 1), record.version)
    await store.close()


async def test_a_store_that_nobody_closed_does_not_keep_its_process(file: Path) -> None:
    """A command that fails half-way ends all the same, and what it wrote is there."""
    with start_writer("leave", str(file)) as writer:
        assert 0 == await asyncio.to_thread(writer.wait, PATIENCE)

    store = SqliteStore(file)
    assert build_record() == await store.load(build_record().key, NOW)
    await store.close()


async def test_changes_of_another_process_are_heard(store: SqliteStore, file: Path) -> None:
    """The watch needs no common process."""
    ear = Ear(store)
    assert Restored() == await ear.next()

    with start_writer("loop", str(file)) as writer:
        heard = [await ear.next() for _ in range(3)]
        writer.kill()

    assert [Change(ChangeKind.REPLACED, build_record().key, version) for version in (2, 3, 4)] == heard


async def test_a_locked_file_fails_writes_in_time_and_recovers(store: SqliteStore, file: Path) -> None:
    """Reads go on all the while: the write-ahead log lets them."""
    holder = await asyncio.to_thread(start_writer, "hold", str(file))
    assert holder.stdout is not None
    assert "locked\n" == await asyncio.to_thread(holder.stdout.readline)
    for name in ("create", "replace", "release"):
        await expect_fault(every_write(store)[name], "locked by another process")
    for call in every_read(store).values():
        await call()

    await asyncio.to_thread(holder.communicate)

    assert await until_it_works(lambda: store.replace(build_record(version=2), 1))


async def test_calls_that_waited_in_vain_do_not_run_later(store: SqliteStore, file: Path) -> None:
    """Whoever was told that a name could not be recorded may try again and is then the first."""
    with closing(sqlite3.connect(file, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        calls = [lambda n=n: store.remember(b"name %d" % n, NOW, NOW + 60) for n in range(5)]
        await asyncio.gather(*(expect_fault(call, "locked by another process") for call in calls))
        await store.ping()  # takes its turn behind a try that was under way when the time was up
        rival.execute("ROLLBACK")

    assert [True] * 5 == [await until_it_works(call) for call in calls]


async def test_a_cancelled_write_keeps_no_lock(store: SqliteStore, file: Path) -> None:
    """No transaction is left open behind a caller that went away."""
    for _ in range(10):
        task = asyncio.create_task(store.replace(build_record(version=2), 1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
    with closing(sqlite3.connect(file, isolation_level=None, timeout=PATIENCE)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        rival.execute("ROLLBACK")
    assert isinstance(await store.load(build_record().key, NOW), StoredSession)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_file_and_its_companions_are_private(store: SqliteStore, file: Path) -> None:
    """Mode 0600, whatever the umask."""
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}

    assert {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600} == modes


async def test_commits_wait_for_the_disk(store: SqliteStore) -> None:
    """An acknowledged refresh token survives a power cut: write-ahead log, fully synchronous."""
    assert [("wal",)] == await store._link.run("PRAGMA journal_mode")
    assert [(2,)] == await store._link.run("PRAGMA synchronous")


async def test_many_stores_create_one_file_at_once(file: Path) -> None:
    """Every worker starts at the same moment, on a file that is not there yet."""
    stores = [SqliteStore(file, timeout=PATIENCE) for _ in range(8)]

    await asyncio.gather(*(store.open() for store in stores))

    assert 1 == [await store.remember(b"name", NOW, NOW + 60) for store in stores].count(True)
    for store in stores:
        await store.close()


async def test_a_file_of_a_newer_release_is_refused(file: Path) -> None:
    """Nothing in it is touched."""
    with closing(sqlite3.connect(file)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    store = SqliteStore(file, timeout=TIMEOUT)

    await expect_fault(store.open, "written by a newer release")
    await store.close()
    with closing(sqlite3.connect(file)) as newer:
        assert [] == newer.execute("SELECT name FROM sqlite_master").fetchall()


async def test_a_missing_directory_is_named_by_category_only(tmp_path: Path) -> None:
    """The detail holds no path."""
    store = SqliteStore(tmp_path / "no such directory" / "sessions.db", timeout=TIMEOUT)

    await expect_fault(store.open, "file cannot be opened")
    with pytest.raises(SessionStoreUnavailable) as raised:
        await store.open()
    assert "no such directory" not in str(raised.value)
    await store.close()


async def test_a_file_that_is_no_database_is_refused_until_it_is_put_right(file: Path) -> None:
    """Somebody configured the wrong file."""
    await asyncio.to_thread(file.write_bytes, b"not a database, " * 400)
    store = SqliteStore(file, timeout=TIMEOUT)
    await expect_fault(store.open, "not a database file")

    await asyncio.to_thread(file.unlink)

    await store.open()
    await store.create(build_record())
    assert build_record() == await store.load(build_record().key, NOW)
    await store.close()


async def test_a_damaged_file_is_reported_and_a_restored_one_is_used(file: Path, tmp_path: Path) -> None:
    """The operator puts the backup back; no restart is needed."""
    before = SqliteStore(file, timeout=TIMEOUT)
    await before.create(build_record())
    await before.close()
    backup = await asyncio.to_thread(file.read_bytes)
    await asyncio.to_thread(file.write_bytes, backup[:4096] + b"\xff" * (len(backup) - 4096))
    store = SqliteStore(file, timeout=TIMEOUT)
    await expect_fault(lambda: store.load(build_record().key, NOW), "file corrupt")

    await asyncio.to_thread((tmp_path / "restored").write_bytes, backup)
    put_in_place(tmp_path / "restored", file)

    assert build_record() == await store.load(build_record().key, NOW)
    await store.close()


async def test_a_file_that_is_taken_away_and_put_back_is_followed(store: SqliteStore, file: Path) -> None:
    """What an open connection still holds of the old file is not taken for the store, and listeners are told."""
    ear = Ear(store)
    assert Restored() == await ear.next()
    aside = SqliteStore(file.with_name("aside.db"))
    await aside.create(build_record(1))
    await aside.close()

    put_in_place(file.with_name("aside.db"), file)

    assert [build_record(1)] == await until_it_works(lambda: store.find(now=NOW))
    assert [Lost(), Restored()] == [await ear.next(), await ear.next()]
    await store.end(build_record(1).key, "logout", NOW, keep_sealed=False)
    assert Change(ChangeKind.ENDED, build_record(1).key) == await ear.next()


async def test_a_file_that_is_gone_is_waited_for(store: SqliteStore, file: Path) -> None:
    """No empty store comes up in its place, in which nobody would be signed in."""
    await asyncio.to_thread(file.rename, file.with_name("aside.db"))
    await expect_fault(lambda: store.load(build_record().key, NOW), "file cannot be opened")
    await expect_fault(lambda: store.create(build_record(1)), "file cannot be opened")

    await asyncio.to_thread(file.with_name("aside.db").rename, file)

    assert build_record() == await until_it_works(lambda: store.load(build_record().key, NOW))


async def test_a_full_disk_fails_writes_and_ends_no_session(store: SqliteStore) -> None:
    """Reads go on, and writes too as soon as there is room."""
    ((pages,),) = await store._link.run("PRAGMA page_count")
    await store._link.run(f"PRAGMA max_page_count = {pages}")
    await expect_fault(lambda: store.create(build_record(1, sealed=b"x" * 100_000)), "disk full")
    assert build_record() == await store.load(build_record().key, NOW)

    await store._link.run("PRAGMA max_page_count = 1000000")

    await store.create(build_record(1, sealed=b"x" * 100_000))
    assert [build_record(), build_record(1, sealed=b"x" * 100_000)] == await store.find(now=NOW)


async def test_a_file_that_may_not_be_written_fails_writes_once_per_connection(store: SqliteStore) -> None:
    """A new connection is tried each time: the mount may have become writable again."""
    await store._link.run("PRAGMA query_only = ON")

    await expect_fault(lambda: store.replace(build_record(version=2), 1), "file read-only")

    assert await store.replace(build_record(version=2), 1)


# ── the change log ───────────────────────────────────────────────────────────────────────────────────────


async def test_the_change_log_is_bounded(store: SqliteStore) -> None:
    """Old rows go as new ones come; nobody needs to purge."""
    await store._link.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO changes (kind, key, version) SELECT 'ended', x'00', 0 FROM n",
        (LOG_LENGTH + 500,),
    )

    assert [(LOG_LENGTH,)] == await store._link.run("SELECT count(*) FROM changes")


async def test_a_watch_that_is_overtaken_by_the_log_reports_a_gap(store: SqliteStore) -> None:
    """More changes between two looks than the log keeps: `Lost`, `Restored`, and on from there."""
    ear = Ear(store)
    assert Restored() == await ear.next()

    await test_the_change_log_is_bounded(store)
    await store.end(build_record().key, "logout", NOW, keep_sealed=False)

    assert [Lost(), Restored()] == [await ear.next(), await ear.next()]


async def test_a_change_that_only_a_newer_release_knows_counts_as_a_gap(store: SqliteStore) -> None:
    """It may have been any; the listener goes on behind it."""
    ear = Ear(store)
    assert Restored() == await ear.next()

    await store._link.run("INSERT INTO changes (kind, key, version) VALUES ('invented', x'00', 0)")
    await store.end(build_record().key, "logout", NOW, keep_sealed=False)

    expected = [Lost(), Restored(), Change(ChangeKind.ENDED, build_record().key)]
    assert expected == [await ear.next() for _ in range(3)]
