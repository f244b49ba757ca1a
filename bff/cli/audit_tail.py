"""`bff audit tail`: the newest lines of the audit log, and those that come."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import rich_click as click

from bff.access.auditing import AuditQuery, AuditReader
from bff.cli.audit_lines import show
from bff.cli.audit_place import file_option, with_reader
from bff.cli.configuration import STORED, config_option, load_or_exit
from bff.crypto.key_ring import KeyRing
from bff.session.audit_records import MAX_PAGE

_PAUSE = 0.5  # seconds between two looks


@click.command("tail")
@config_option
@file_option
@click.option("-n", "count", type=click.IntRange(0, MAX_PAGE), default=20, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are, one JSON document each.")
def tail_command(config: Path | None, files: tuple[Path, ...], *, count: int, follow: bool, as_json: bool) -> None:
    """Show the newest lines, the newest last."""
    settings = load_or_exit(config, needs=STORED)
    ring = KeyRing([secret.reveal() for secret in settings.keys.secrets])

    async def work(reader: AuditReader) -> None:
        page = await reader.search(AuditQuery(limit=max(count, 1)))
        for item in reversed(page.items[:count]):
            show(item, as_json=as_json)
        last = _seq(page.items[0]) if page.items else 0
        while follow:
            await asyncio.sleep(_PAUSE)
            for item in await _since(reader, last):
                show(item, as_json=as_json)
                last = _seq(item)

    with suppress(KeyboardInterrupt):
        with_reader(settings, ring, work, files=files)


async def _since(reader: AuditReader, last: int) -> list[Mapping[str, object]]:
    """Return what came after the line of that number, oldest first."""
    news: list[Mapping[str, object]] = []
    after = None
    while True:
        page = await reader.search(AuditQuery(limit=MAX_PAGE, after=after))
        fresh = [item for item in page.items if _seq(item) > last]
        news += fresh
        if len(fresh) < len(page.items) or page.next is None:
            return news[::-1]
        after = page.next


def _seq(item: Mapping[str, object]) -> int:
    return int(str(item["seq"]))
