"""`bff check`: whether everything that the server needs is there and fits together."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from bff.cli.checks.outcome import Outcome, Status, outcome_of
from bff.cli.configuration import config_option
from bff.config import ConfigError, Settings, load_with_findings
from bff.config.load import find_config_file

PATIENCE = 1.0  # seconds until a check that takes longer is named
_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array in place of lines.")
def check(config: Path | None, *, as_json: bool) -> None:
    """Check the configuration, then reach the issuer, the store and each upstream.

    One line for each finding: OK, WARN or FAIL, what it is, and what to do. Exits with 0 only when nothing FAILs.
    """
    outcomes = examine(config)
    if as_json:
        click.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=2, ensure_ascii=False))
    else:
        for outcome in outcomes:
            head, _, rest = str(outcome).partition(" ")
            click.echo(f"{click.style(head, fg=_COLOURS[outcome.status], bold=True)} {rest}")
    if any(outcome.status is Status.FAIL for outcome in outcomes):
        raise SystemExit(1)


def examine(config: Path | None) -> list[Outcome]:
    """Everything that can be said. Nothing is reached out for with a configuration that is wrong."""
    try:
        settings, warnings = load_with_findings(config)
    except ConfigError as error:
        return [outcome_of(finding) for finding in error.findings]
    file = find_config_file(config)
    fine = Outcome(Status.OK, "configuration", f"{file} is valid")
    return [*map(outcome_of, warnings), fine, *asyncio.run(reach_out(settings, _tell))]


async def reach_out(settings: Settings, tell: Callable[[str], None]) -> list[Outcome]:
    """Ask everybody at once; `tell` hears what is still going on after a second."""
    # Here, because they bring the HTTP client and the stores, which `bff --help` need not wait for.
    from bff.cli.checks.audit import check_audit  # noqa: PLC0415
    from bff.cli.checks.local import check_addresses, check_policies, check_secrets  # noqa: PLC0415
    from bff.cli.checks.reach import check_page, check_store, check_upstreams  # noqa: PLC0415
    from bff.cli.checks.reach_issuer import check_clock, check_issuer  # noqa: PLC0415
    from bff.cli.checks.review import check_review  # noqa: PLC0415

    found = await asyncio.gather(
        _watched("waiting for the issuer", check_issuer(settings), tell),
        _watched("comparing clocks with the issuer", check_clock(settings), tell),
        _watched("waiting for the store", check_store(settings), tell),
        _watched("connecting to the upstreams", check_upstreams(settings), tell),
        _watched("looking when access was last reviewed", check_review(settings), tell),
    )
    reached = [outcome for outcomes in found for outcome in outcomes]
    return [
        *check_secrets(settings),
        *check_addresses(settings),
        *check_policies(settings),
        *reached,
        *check_page(settings),
        *check_audit(settings),
    ]


async def _watched(doing: str, work: Awaitable[list[Outcome]], tell: Callable[[str], None]) -> list[Outcome]:
    task = asyncio.ensure_future(work)
    _, pending = await asyncio.wait([task], timeout=PATIENCE)
    if pending:
        tell(f"… {doing}")
    return await task


def _tell(message: str) -> None:
    click.echo(message, err=True)
