"""The audit log of a configuration, opened from the command line."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import rich_click as click

from bff.access.auditing import AuditReader
from bff.access.auditing.chain import Chain
from bff.access.auditing.file_heads import head_path
from bff.access.auditing.file_reader import FileReader
from bff.assembly.audit import open_reader
from bff.config import Settings
from bff.crypto.key_ring import KeyRing
from bff.errors import AuditUnavailable, SessionStoreUnavailable
from bff.session.records import Store
from bff.session.stores import open_store

T = TypeVar("T")

file_option = click.option(
    "--file",
    "files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Read this file in place of the configured sink; several ones in order, the oldest first.",
)


def with_reader(
    settings: Settings,
    ring: KeyRing,
    work: Callable[[AuditReader], Awaitable[T]],
    *,
    files: tuple[Path, ...] = (),
    begin_at: int | None = None,
) -> T:
    """Do something with what reads the log, or end with exit code 2 and the reason."""

    async def run() -> T:
        store = open_store(settings.session.store.reveal(), timeout=settings.session.store_timeout)
        try:
            return await work(_reader(settings, ring, store, files, begin_at))
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (AuditUnavailable, SessionStoreUnavailable) as error:
        raise Unusable(error.detail) from None


class Unusable(click.ClickException):
    """Nothing can be said about the log."""

    exit_code = 2


def _reader(
    settings: Settings, ring: KeyRing, store: Store, files: tuple[Path, ...], begin_at: int | None
) -> AuditReader:
    sink = settings.audit.sink
    if files:
        last = files[-1]
        has_end = head_path(last).exists() or sink == f"file:{last.absolute()}"
        return FileReader(last, Chain(ring), files, begin_at=begin_at, has_end=has_end)
    if sink == "store" and settings.session.store.reveal().startswith("memory:"):
        raise Unusable("the audit log is in the running server's memory; its admin API can search and verify it")
    reader = open_reader(settings, ring, store, time.time, begin_at=begin_at)
    if reader is None:
        raise Unusable(
            "audit lines go to standard output: search them where that is collected, or set audit.sink to a file "
            "or to the session store"
        )
    return reader
