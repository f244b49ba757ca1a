"""`bff sessions`: the live sessions of the store, seen and ended from the command line. Never a token."""

import time
from pathlib import Path
from typing import Any

import rich_click as click

from bff.cli.configuration import STORED, config_option, load_or_exit
from bff.cli.moments import write_moment
from bff.cli.printing import write_json
from bff.cli.session_store import Opened, with_store
from bff.cli.sessions_revoke import revoke_command
from bff.session.directory import Listed, Selection


@click.group("sessions")
def sessions() -> None:
    """Show and end live sessions."""


@sessions.command("list")
@config_option
@click.option("--sub", "subject", help="Only this user's sessions.")
@click.option("--role", help="Only those whose user has this role now.")
@click.option("--client", help="Only those that began with this client id.")
@click.option("--issuer", help="Only those of this issuer's users.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one session a line.")
def list_command(
    config: Path | None,
    *,
    subject: str | None,
    role: str | None,
    client: str | None,
    issuer: str | None,
    as_json: bool,
) -> None:
    """List the live sessions: handle, user, roles, begin and ends."""
    settings = load_or_exit(config, needs=STORED)
    selection = Selection(subject=subject, role=role, client=client, issuer=issuer)

    async def work(opened: Opened) -> int:
        count = 0
        async for batch in opened.directory.batches(selection, opened.clock):
            for listed in batch:
                count += 1
                row = _describe(listed)
                if as_json:
                    click.echo(write_json(row))
                else:
                    click.echo(
                        f"{row['session']}  {_printable(row['subject'])}  [{_printable(', '.join(row['roles']))}]  "
                        f"since {row['created']}, idle until {row['idle_until']}, ends {row['ends']}"
                    )
        return count

    count = with_store(settings, work)
    if not as_json:
        click.echo(f"{count} live session{'' if count == 1 else 's'}")


@sessions.command("show")
@click.argument("handle")
@config_option
def show_command(handle: str, config: Path | None) -> None:
    """Show one session, by the handle that lists, logs and /bff/user give."""
    settings = load_or_exit(config, needs=STORED)

    async def work(opened: Opened) -> dict[str, Any]:
        listed = await opened.directory.get(handle, time.time())
        if listed is None:
            raise click.ClickException(f"no live session is called {handle}; `bff sessions list` shows them")
        return _describe(listed)

    for name, value in with_store(settings, work).items():
        click.echo(f"{name:12} {_printable(', '.join(value) if isinstance(value, list) else value)}")


sessions.add_command(revoke_command)


def _describe(listed: Listed) -> dict[str, Any]:
    record, summary = listed.record, listed.summary
    return {
        "session": record.handle,
        "subject": summary.subject,
        "name": summary.name,
        "roles": sorted(listed.roles),
        "issuer": summary.issuer,
        "client": summary.client,
        "created": write_moment(record.created_at),
        "idle_until": write_moment(record.idle_expires_at),
        "ends": write_moment(record.expires_at),
    }


def _printable(text: str) -> str:
    """Names come from outside: nothing in them may steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
