"""One connection to the file: one statement at a time, bounded in time, opened again after a fault."""

import asyncio
import sqlite3
from collections.abc import Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import aiosqlite

from bff.session.stores.lifetime import unavailable
from bff.session.stores.sqlite_schema import SchemaTooNew, open_database

Value = bytes | str | int | float | None
Values = Mapping[str, Value] | tuple[Value, ...]
Row = tuple[Any, ...]

REASONS = {
    sqlite3.SQLITE_BUSY: "locked by another process",
    sqlite3.SQLITE_LOCKED: "locked by another process",
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_CORRUPT: "file corrupt",
    sqlite3.SQLITE_NOTADB: "not a database file",
    sqlite3.SQLITE_READONLY: "file read-only",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_CANTOPEN: "file cannot be opened",
    sqlite3.SQLITE_IOERR: "disk fault",
}
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
PASSING = {*BUSY, sqlite3.SQLITE_FULL}  # the connection stays good
PAUSES = (0.001, 0.002, 0.005, 0.010, 0.020)  # seconds between the tries for a lock; the last one repeats


def _primary_code(exc: sqlite3.Error) -> int | None:
    code: int | None = getattr(exc, "sqlite_errorcode", None)  # absent from errors of the Python layer
    return None if code is None else code & 0xFF


def reason_of(exc: sqlite3.Error | OSError) -> str:
    """Name the category of a fault."""
    match exc:
        case SchemaTooNew():
            return "written by a newer release"
        case sqlite3.Error():
            code = _primary_code(exc)
            return "database error" if code is None else REASONS.get(code, "database error")
        case PermissionError():
            return "permission denied"
        case _:
            return "file cannot be opened"


class SqliteLink:
    """A connection that comes back by itself.

    SQLite's own waiting for locks is off: a statement in the connection's thread cannot be called back, so that it
    might get its lock and run long after its caller was told that it failed. Here the caller waits, between tries,
    and what has been given up is never tried again.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._connection: aiosqlite.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._work: asyncio.Task[list[Row]] | None = None
        self._closed = False
        self.generation = 0  # grows with each connection

    async def run(self, sql: str, values: Values = ()) -> list[Row]:
        """Run one statement to its end and return its rows. Raises `SessionStoreUnavailable`."""
        refused: sqlite3.Error | None = None
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    try:
                        return await self._try(sql, values)
                    except sqlite3.OperationalError as exc:
                        if _primary_code(exc) not in BUSY:
                            raise
                        refused = exc
                    await asyncio.sleep(next(pauses))
        except TimeoutError as exc:
            if refused is not None:
                raise unavailable(reason_of(refused)) from refused
            raise unavailable("timeout") from exc
        except (sqlite3.Error, OSError) as exc:
            raise unavailable(reason_of(exc)) from exc

    async def _try(self, sql: str, values: Values) -> list[Row]:
        """Have the thread run the statement. If the caller leaves meanwhile, the statement keeps its turn."""
        await self._turn.acquire()
        if self._closed:
            self._turn.release()
            raise unavailable("closed")
        self._work = work = asyncio.create_task(self._execute(sql, values))
        work.add_done_callback(self._pass_turn)
        await asyncio.wait((work,))
        return work.result()

    async def close(self) -> None:
        """Wait for the statement under way, then close the connection."""
        self._closed = True
        try:
            async with asyncio.timeout(self._timeout):
                await self._turn.acquire()
        except TimeoutError as exc:
            raise unavailable("timeout") from exc
        try:
            await self._drop()
        finally:
            self._turn.release()

    def _pass_turn(self, work: asyncio.Task[list[Row]]) -> None:
        self._turn.release()
        if not work.cancelled():
            work.exception()  # its waiter may have left, and then nobody else looks

    async def _execute(self, sql: str, values: Values) -> list[Row]:
        connection = await self._ensure_connection()
        try:
            return list(await connection.execute_fetchall(sql, values))  # type: ignore[arg-type]
        except sqlite3.Error as exc:
            if _primary_code(exc) not in PASSING:
                await self._drop()
            raise

    async def _ensure_connection(self) -> aiosqlite.Connection:
        if self._connection is not None and self._file != _identity(self._path):
            # Deleted or put back from a backup: what the connection still holds is no longer the store.
            await self._drop()
        if self._connection is None:
            if self.generation and _identity(self._path) is None:
                # Whoever took it away may be about to put it back; a new one in its place would be in the way.
                raise FileNotFoundError
            self._connection = await open_database(self._path)
            self._file = _identity(self._path)
            self.generation += 1
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
