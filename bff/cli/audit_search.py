"""`bff audit search`: lines of the audit log that fit, newest first."""

import time
from dataclasses import replace
from pathlib import Path

import rich_click as click

from bff.access.auditing import AuditQuery, AuditReader
from bff.cli.audit_lines import show
from bff.cli.audit_place import file_option, with_reader
from bff.cli.configuration import STORED, config_option, load_or_exit
from bff.cli.moments import read_moment
from bff.config.values import BadValue, read_duration
from bff.crypto.key_ring import KeyRing
from bff.session.audit_records import MAX_PAGE


@click.command("search")
@config_option
@file_option
@click.option("--event", help='Only this event; one that ends in a dot, such as "login.", is a beginning.')
@click.option("--sub", "subject", help="Only this user.")
@click.option("--session", help="Only this session, by its handle.")
@click.option("--route", help="Only this route.")
@click.option("--method", help="Only this method.")
@click.option("--outcome", help="ok, denied or failed.")
@click.option("--reason", help="Only this reason.")
@click.option("--text", help="Only lines with this in any value, whatever the case of its letters.")
@click.option("--since", help="From this time on, such as 2026-11-24T08:00:00Z, or 24h ago.")
@click.option("--until", help="Up to this time. Likewise.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many lines at most.")
@click.option("--all", "everything", is_flag=True, help="Every line that fits.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are, one JSON document each.")
def search_command(
    config: Path | None,
    files: tuple[Path, ...],
    *,
    since: str | None,
    until: str | None,
    limit: int,
    everything: bool,
    as_json: bool,
    **criteria: str | None,
) -> None:
    """Search the audit log, newest first, with the files it was rotated to."""
    settings = load_or_exit(config, needs=STORED)
    now = time.time()
    query = AuditQuery(
        **criteria,  # type: ignore[arg-type]
        since=_moment(since, now, "--since"),
        until=_moment(until, now, "--until"),
    )

    async def work(reader: AuditReader) -> int:
        return await _show_all(reader, query, None if everything else limit, as_json=as_json)

    ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])
    found = with_reader(settings, ring, work, files=files)
    if not as_json:
        click.echo(f"{found} line{'' if found == 1 else 's'}", err=True)


async def _show_all(reader: AuditReader, query: AuditQuery, limit: int | None, *, as_json: bool) -> int:
    found, after = 0, None
    while limit is None or found < limit:
        wanted = MAX_PAGE if limit is None else min(MAX_PAGE, limit - found)
        page = await reader.search(replace(query, limit=wanted, after=after))
        for item in page.items:
            show(item, as_json=as_json)
        found += len(page.items)
        after = page.next
        if after is None:
            break
    return found


def _moment(text: str | None, now: float, option: str) -> float | None:
    if text is None:
        return None
    try:
        return now - read_duration(text)
    except BadValue:
        return read_moment(text, option)
