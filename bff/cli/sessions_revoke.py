"""`bff sessions revoke`: ends sessions at once, on every worker, by what they have in common."""

import asyncio
import os
import pwd
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import rich_click as click

from bff.access.auditing import AuditLog
from bff.assembly.audit import build_audit_log
from bff.assembly.statistics import build_statistics
from bff.cli.configuration import config_option, load_or_exit
from bff.cli.moments import read_moment
from bff.cli.session_store import Opened, with_store
from bff.errors import AuditUnavailable, SessionStoreUnavailable
from bff.events import Emit, ignore, to_each
from bff.session.directory import Selection
from bff.session.ending import Ending, Progress

_EVERY = 1.0  # seconds
_WAYS = "HANDLE, --sub, --role, --client, --issuer, --before and --all"


@click.command("revoke")
@click.argument("handle", required=False)
@config_option
@click.option("--sub", "subject", help="End every session of this user.")
@click.option("--role", help="End the session of everybody who has this role now.")
@click.option("--client", help="End every session that began with this client id.")
@click.option("--issuer", help="End every session of this issuer's users.")
@click.option("--before", metavar="TIME", help="End what began before, such as 2026-11-24T08:00:00Z.")
@click.option("--all", "everybody", is_flag=True, help="End every session there is.")
@click.option("--dry-run", is_flag=True, help="Only say how many sessions would end.")
def revoke_command(
    handle: str | None,
    config: Path | None,
    *,
    subject: str | None,
    role: str | None,
    client: str | None,
    issuer: str | None,
    before: str | None,
    everybody: bool,
    dry_run: bool,
) -> None:
    """End sessions at once, on every worker: one by its HANDLE, or all that an option names.

    A worker that holds such a session revokes its refresh token at the issuer; of the others that happens when the
    browser shows its cookie again, or at once where session.at_rest is "server".
    """
    ways = {
        "session": handle,
        "subject": subject,
        "role": role,
        "client": client,
        "issuer": issuer,
        "before": before,
    }
    given = {name: value for name, value in ways.items() if value is not None}
    if len(given) + everybody != 1 or "" in given.values():
        raise click.UsageError(f"name exactly one of {_WAYS}")
    settings = load_or_exit(config)
    selection = Selection(
        handle, subject, role, client, issuer, read_moment(before, "--before") if before is not None else None
    )
    target = ", ".join(f"{name}:{value}" for name, value in given.items()) or "all"

    from bff.cli.token_revoker import token_revoker  # noqa: PLC0415 - brings httpx, for which no help need wait

    async def work(opened: Opened) -> Progress:
        if selection.before is not None and selection.before > opened.clock():
            raise click.BadParameter("is in the future", param_hint="--before")
        async with (
            audited(opened) as audit,
            counted(opened, audit) as emit,
            token_revoker(opened, emit) as revoke_tokens,
        ):
            ending = Ending(
                store=opened.store,
                directory=opened.directory,
                end_records=opened.store.end_many,
                revoke_tokens=None if dry_run else revoke_tokens,
                clock=opened.clock,
                emit=emit,
            )
            progress = Progress()
            telling = asyncio.get_running_loop().create_task(_tell(progress, dry_run=dry_run))
            outcome = "failed"
            try:
                await ending.run(selection, by=operator_name(), dry_run=dry_run, progress=progress)
                outcome = "ok"
            finally:
                telling.cancel()
                fields = {"operator": operator_name(), "kind": "command", "target": target, "outcome": outcome}
                act = "revocation.preview" if dry_run else "revocation"
                counts = {"matched": progress.matched, "ended": progress.ended}
                emit("admin.act", {"act": act, **fields, **counts})
            return progress

    try:
        done = with_store(settings, work)
    except AuditUnavailable as error:
        raise click.ClickException(f"nothing was ended: {error.detail}") from None
    count = done.matched if dry_run else done.ended
    click.echo(f"{'would end' if dry_run else 'ended'} {count} session{'' if count == 1 else 's'}")
    if not count and handle is not None:
        raise SystemExit(1)


def operator_name() -> str:
    """Return who acts, for the audit log."""
    return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"


async def _tell(progress: Progress, *, dry_run: bool) -> None:
    """Say how far it has come, every second."""
    while True:
        await asyncio.sleep(_EVERY)
        text = f"{progress.matched:,} found" if dry_run else f"{progress.ended:,} ended"
        if progress.revoking:
            text += f", {progress.revoking:,} refresh tokens still to revoke"
        click.echo(f"… {text}", err=True)


@asynccontextmanager
async def counted(opened: Opened, emit: Emit) -> AsyncIterator[Emit]:
    """Count what happens among what the servers count, for the overview."""
    statistics = build_statistics(opened.settings, opened.store, opened.clock, ignore)
    try:
        yield to_each(emit, statistics.record)
    finally:
        try:
            await statistics.flush()
        except SessionStoreUnavailable as error:  # what was to be done is done all the same
            click.echo(f"the overview will not show it: {error.detail}", err=True)


@asynccontextmanager
async def audited(opened: Opened) -> AsyncIterator[Emit]:
    """Write what happens to the audit log that the server writes to.

    Raises:
        AuditUnavailable: nothing can be written, and `audit.when_full` says to refuse then.
    """
    if opened.settings.audit.sink == "stdout":
        click.echo("the audit log is the server's standard output: this command cannot write to it", err=True)
        yield ignore
        return

    def warn(name: str, fields: Mapping[str, object]) -> None:
        click.echo(f"the audit log cannot be written ({name}: {fields.get('reason', 'unknown')})", err=True)

    audit: AuditLog = build_audit_log(opened.settings, opened.ring, opened.store, opened.clock, warn)
    audit.start()
    try:
        audit.check_writable()
        yield audit.record
    finally:
        await audit.close()
