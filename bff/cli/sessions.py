"""`bff sessions`: the live sessions of the store, seen and ended from the command line. Never a token."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from bff.cli.configuration import config_option, load_or_exit
from bff.config import Settings
from bff.crypto.key_ring import CannotOpenError, KeyRing
from bff.errors import SessionStoreUnavailable
from bff.session.records import Store, StoredSession
from bff.session.session import Summary
from bff.session.stores import open_store
from bff.session.vault import Vault

_PAGE = 200
_REASON = "revoked"
T = TypeVar("T")


@click.group("sessions")
def sessions() -> None:
    """Show and end live sessions."""


@sessions.command("list")
@config_option
@click.option("--sub", "subject", help="Only this user's sessions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one session a line.")
def list_command(config: Path | None, *, subject: str | None, as_json: bool) -> None:
    """List the live sessions: handle, user, roles, begin and ends."""
    settings = load_or_exit(config)

    async def work(store: Store, vault: Vault) -> int:
        count = 0
        async for record in _records(store, vault, settings, subject):
            count += 1
            row = _describe(record, vault)
            if as_json:
                click.echo(json.dumps(row, ensure_ascii=False))
            else:
                click.echo(
                    f"{row['session']}  {row['subject']}  [{', '.join(row['roles'])}]  "
                    f"since {row['created']}, idle until {row['idle_until']}, ends {row['ends']}"
                )
        return count

    count = _with_store(settings, work)
    if not as_json:
        click.echo(f"{count} live session{'' if count == 1 else 's'}")


@sessions.command("show")
@click.argument("handle")
@config_option
def show_command(handle: str, config: Path | None) -> None:
    """Show one session, by the handle that lists, logs and /bff/user give."""
    settings = load_or_exit(config)

    async def work(store: Store, vault: Vault) -> dict[str, Any]:
        found = await store.find(now=time.time(), handle=handle, limit=1)
        if not found:
            raise click.ClickException(f"no live session is called {handle}; `bff sessions list` shows them")
        return _describe(found[0], vault)

    for name, value in _with_store(settings, work).items():
        click.echo(f"{name:12} {', '.join(value) if isinstance(value, list) else value}")


@sessions.command("revoke")
@click.argument("handle", required=False)
@config_option
@click.option("--sub", "subject", help="End every session of this user.")
@click.option("--all", "everybody", is_flag=True, help="End every session there is.")
def revoke_command(handle: str | None, config: Path | None, *, subject: str | None, everybody: bool) -> None:
    """End sessions at once, on every worker: one by its HANDLE, a user's by --sub, or all.

    A worker that holds such a session revokes its refresh token at the issuer; of the others that happens when the
    browser shows its cookie again.
    """
    if (handle is not None) + (subject is not None) + everybody != 1:
        raise click.UsageError("name exactly one of HANDLE, --sub and --all")
    settings = load_or_exit(config)

    async def work(store: Store, vault: Vault) -> int:
        ended = 0
        async for record in _records(store, vault, settings, subject, handle):
            ended += await store.end(record.key, _REASON, time.time(), keep_sealed=True)
        return ended

    ended = _with_store(settings, work)
    click.echo(f"ended {ended} session{'' if ended == 1 else 's'}")
    if not ended and handle is not None:
        raise SystemExit(1)


def _with_store(settings: Settings, work: Callable[[Store, Vault], Awaitable[T]]) -> T:
    async def run() -> T:
        async with _opened(settings) as (store, vault):
            return await work(store, vault)

    if settings.session.store.reveal().startswith("memory:"):
        raise click.ClickException("a store in memory is the running server's own; nobody else can look into it")
    try:
        return asyncio.run(run())
    except SessionStoreUnavailable as error:
        raise click.ClickException(f"the session store does not answer: {error.detail}") from None


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Store, Vault]]:
    store = open_store(settings.session.store.reveal(), timeout=settings.session.store_timeout)
    ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
    try:
        await store.open()
        yield store, Vault(ring, settings.oidc.client_id)
    finally:
        await store.close()


async def _records(
    store: Store, vault: Vault, settings: Settings, subject: str | None, handle: str | None = None
) -> AsyncIterator[StoredSession]:
    """Yield the live records, page by page, so that a million of them cost no memory."""
    subjects = vault.subject_hashes(settings.oidc.issuer, subject) if subject is not None else []
    after = b""
    while True:
        page = await store.find(now=time.time(), subjects=subjects, handle=handle, after=after, limit=_PAGE)
        for record in page:
            after = record.key
            yield record
        if len(page) < _PAGE:
            return


def _describe(record: StoredSession, vault: Vault) -> dict[str, Any]:
    try:
        summary = vault.open_summary(record)
    except CannotOpenError:  # sealed with a key that is gone
        summary = Summary("", "?", "", [], "", record.created_at, record.expires_at)
    return {
        "session": record.handle,
        "subject": summary.subject,
        "name": summary.name,
        "roles": summary.roles,
        "issuer": summary.issuer,
        "created": _moment(record.created_at),
        "idle_until": _moment(record.idle_expires_at),
        "ends": _moment(record.expires_at),
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
