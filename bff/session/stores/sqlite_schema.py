"""The tables of the SQLite store, and how a file comes to have them.

Every change is one statement in autocommit mode, and triggers write the change log in the same transaction: there
is no moment at which a killed process, a lost connection or a cancelled task leaves a transaction open.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

import aiosqlite

SCHEMA_VERSION = 1
LOG_LENGTH = 4096  # changes kept: a watcher that is further behind reports a gap

# The end of a row; the index serves the purge.
ENDS_AT = "CASE WHEN ended_at IS NULL THEN min(idle_expires_at, expires_at) ELSE expires_at END"

SCHEMA = (
    """
    CREATE TABLE sessions (
        key BLOB PRIMARY KEY NOT NULL, version INTEGER NOT NULL, sealed BLOB, summary BLOB, subject BLOB,
        issuer_sid BLOB, handle TEXT, created_at REAL NOT NULL, idle_expires_at REAL NOT NULL,
        expires_at REAL NOT NULL, ended_at REAL, reason TEXT
    ) STRICT
    """,
    "CREATE INDEX sessions_by_subject ON sessions (subject) WHERE subject IS NOT NULL",
    "CREATE INDEX sessions_by_issuer_sid ON sessions (issuer_sid) WHERE issuer_sid IS NOT NULL",
    "CREATE INDEX sessions_by_handle ON sessions (handle) WHERE handle IS NOT NULL",
    f"CREATE INDEX sessions_by_end ON sessions ({ENDS_AT})",
    """
    CREATE TABLE leases (
        key BLOB PRIMARY KEY NOT NULL, owner BLOB, fence INTEGER NOT NULL, until REAL NOT NULL
    ) STRICT
    """,
    "CREATE INDEX leases_by_fence ON leases (fence)",
    "CREATE INDEX leases_by_end ON leases (until)",
    "CREATE TABLE names (name BLOB PRIMARY KEY NOT NULL, until REAL NOT NULL, value REAL NOT NULL) STRICT",
    "CREATE INDEX names_by_end ON names (until)",
    """
    CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TRIGGER session_replaced AFTER UPDATE OF version ON sessions BEGIN
        INSERT INTO changes (kind, key, version) VALUES ('replaced', NEW.key, NEW.version);
    END
    """,
    """
    CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON sessions WHEN NEW.expires_at > NEW.ended_at BEGIN
        INSERT INTO changes (kind, key, version) VALUES ('ended', NEW.key, 0);
    END
    """,
    """
    CREATE TRIGGER lease_released AFTER UPDATE OF owner ON leases WHEN NEW.owner IS NULL BEGIN
        INSERT INTO changes (kind, key, version) VALUES ('released', NEW.key, 0);
    END
    """,
    f"""
    CREATE TRIGGER changes_bounded AFTER INSERT ON changes BEGIN
        DELETE FROM changes WHERE seq <= NEW.seq - {LOG_LENGTH};
    END
    """,  # noqa: S608 - a constant
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


# Added to files of this version as well: a release that does not know it keeps it up to date all the same.
LIVE_BY_END = """
    CREATE INDEX IF NOT EXISTS live_sessions_by_end ON sessions (min(idle_expires_at, expires_at))
    WHERE ended_at IS NULL
"""


class SchemaTooNew(sqlite3.DatabaseError):
    """A newer release wrote this file."""


async def open_database(path: Path) -> aiosqlite.Connection:
    """Open the file, creating it and its tables where they are missing. Safe for many processes at once.

    Nothing here waits for a lock. Raises `sqlite3.Error` or `OSError`.
    """
    _create_private(path)
    connection = aiosqlite.connect(path, isolation_level=None, timeout=0)
    # A disk that no longer answers, or a store that was never closed, must not keep the process from ending.
    # aiosqlite offers no other way. For SQLite it is the same as any kill: the transaction did not happen.
    connection._thread.daemon = True  # noqa: SLF001
    await connection
    try:
        await _prepare(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


def _create_private(path: Path) -> None:
    # SQLite would create the file by the umask; -wal and -shm take their mode from it.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


async def _prepare(connection: aiosqlite.Connection) -> None:
    await connection.execute_fetchall("PRAGMA journal_mode = WAL")
    # A rotated refresh token that is lost logs its user out, so a commit is on the disk before it is acknowledged,
    # even through a power cut. It costs about 0.1 ms a write where a write is a login, a renewal or a slide.
    await connection.execute_fetchall("PRAGMA synchronous = FULL")
    await connection.execute_fetchall("PRAGMA trusted_schema = OFF")
    if await _schema_version(connection) == SCHEMA_VERSION:
        await connection.execute_fetchall(LIVE_BY_END)
        return
    await connection.execute_fetchall("BEGIN IMMEDIATE")
    try:
        if await _schema_version(connection) == 0:
            for statement in SCHEMA:
                await connection.execute_fetchall(statement)
            await connection.execute_fetchall(LIVE_BY_END)
    except BaseException:
        await connection.rollback()
        raise
    await connection.execute_fetchall("COMMIT")


async def _schema_version(connection: aiosqlite.Connection) -> int:
    ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
    if version > SCHEMA_VERSION:
        raise SchemaTooNew
    return int(version)
