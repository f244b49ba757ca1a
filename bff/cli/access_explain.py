"""`bff access explain`: which rule decides, why, and what would be needed."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from bff.access.question import Question
from bff.access.telling import build_answer, tell
from bff.cli.access_advice import load_advisor, read_claim
from bff.cli.configuration import NOTHING_SECRET, STORED, config_option, load_or_exit
from bff.cli.moments import read_moment
from bff.cli.printing import write_json
from bff.config import Settings


@click.command("explain")
@click.argument("method")
@click.argument("path")
@config_option
@click.option("--role", "roles", multiple=True, help="A role that the user's tokens give; may be repeated.")
@click.option("--claim", "claims", multiple=True, metavar="NAME=VALUE", help="A claim; JSON values are understood.")
@click.option("--sub", "subject", help="The user's subject, for its own roles and assignments.")
@click.option("--scope", default="", help="The access token's scopes, with spaces between.")
@click.option("--at", "at", metavar="TIME", help="When, such as 2026-11-27T18:00:00+01:00. Default: now.")
@click.option("--from", "address", default="", metavar="ADDRESS", help="The browser's address.")
@click.option("--session", "handle", metavar="HANDLE", help="Take subject and roles from this live session.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain_command(
    method: str,
    path: str,
    config: Path | None,
    *,
    roles: Sequence[str],
    claims: Sequence[str],
    subject: str | None,
    scope: str,
    at: str | None,
    address: str,
    handle: str | None,
    as_json: bool,
) -> None:
    """Explain whether METHOD on PATH is allowed, as the running server would decide it.

    Without --role, --claim, --sub and --session nobody is signed in.
    """
    settings = load_or_exit(config, needs=NOTHING_SECRET if handle is None else STORED)
    advisor = load_advisor(settings)
    if handle is not None:
        if subject is not None or roles:
            raise click.UsageError("--session brings subject and roles: leave --sub and --role out")
        subject, roles = asyncio.run(_session(settings, handle))
    question = Question(
        method=method.upper(),
        path=path.partition("?")[0],
        subject=subject,
        roles=roles,
        claims=dict(map(read_claim, claims)),
        scope=scope,
        address=address,
        now=time.time() if at is None else read_moment(at, "--at"),
    )
    answer = advisor.answer(question)
    if as_json:
        click.echo(write_json(build_answer(question, answer), indent=2))
    else:
        click.echo(tell(question, answer))


async def _session(settings: Settings, handle: str) -> tuple[str, list[str]]:
    from bff.crypto.key_ring import CannotOpenError, KeyRing  # noqa: PLC0415 - only here, and not cheap
    from bff.errors import SessionStoreUnavailable  # noqa: PLC0415
    from bff.session.stores import open_store  # noqa: PLC0415
    from bff.session.vault import Vault  # noqa: PLC0415

    store = open_store(settings.session.store.reveal(), timeout=settings.session.store_timeout)
    try:
        await store.open()
        records = await store.find(now=time.time(), handle=handle, limit=1)
    except SessionStoreUnavailable as error:
        raise click.ClickException(error.detail) from None
    finally:
        await store.close()
    if not records:
        raise click.ClickException("no live session has this handle")
    vault = Vault(KeyRing([secret.reveal() for secret in settings.keys.secrets]), settings.oidc.client_id)
    try:
        summary = vault.open_summary(records[0])
    except CannotOpenError:
        raise click.ClickException("the session was sealed with a key that is not in [keys]") from None
    return summary.subject, summary.roles
