"""The store of a running server, opened from the command line."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import rich_click as click

from bff.access.configured import build_assigned, build_role_map
from bff.access.roles import RoleReader
from bff.assembly.directory import build_directory
from bff.config import ConfigError, Settings
from bff.config.settings import AtRest
from bff.crypto.key_ring import KeyRing
from bff.errors import SessionStoreUnavailable
from bff.session.directory import Directory
from bff.session.records import Store
from bff.session.stores import open_store
from bff.session.vault import Vault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """The store, and what reads it."""

    settings: Settings
    store: Store
    ring: KeyRing
    vault: Vault
    directory: Directory
    clock: Callable[[], float] = time.time


def with_store(settings: Settings, work: Callable[[Opened], Awaitable[T]]) -> T:
    """Do something with the open store, or end with the reason why it cannot be done."""

    async def run() -> T:
        async with _opened(settings) as opened:
            return await work(opened)

    if settings.session.store.reveal().startswith("memory:"):
        raise click.ClickException("a store in memory is the running server's own; nobody else can look into it")
    try:
        return asyncio.run(run())
    except SessionStoreUnavailable as error:
        raise click.ClickException(f"the session store does not answer: {error.detail}") from None
    except ConfigError as error:  # the file of assignments
        raise click.ClickException(str(error)) from None


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Opened]:
    store = open_store(settings.session.store.reveal(), timeout=settings.session.store_timeout)
    ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
    vault = Vault(ring, settings.oidc.client_id, bind_to_cookie=settings.session.at_rest is AtRest.COOKIE)
    assigned = build_assigned(settings, RoleReader(build_role_map(settings)))
    try:
        await store.open()
        yield Opened(settings, store, ring, vault, build_directory(settings, store, vault, assigned))
    finally:
        await store.close()
