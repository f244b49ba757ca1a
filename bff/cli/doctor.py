"""`bff doctor`: everything that a new deployment gets wrong, tried out one by one, with what to do about it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from bff.cli.checks.outcome import Outcome, Status, outcome_of
from bff.cli.configuration import config_option
from bff.cli.printing import write_json
from bff.config import ConfigError, Settings, load_with_findings
from bff.config.load import find_config_file

LONGEST = 45.0  # seconds for one group of checks: each step in it has limits of its own
PATIENCE = 1.0  # seconds until a group that takes longer is named
_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}
_EXIT = {Status.OK: 0, Status.WARN: 1, Status.FAIL: 2}
Look = Callable[[], Awaitable[list[Outcome]]]
Group = tuple[str, Look]  # what is being done, and doing it


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array in place of lines.")
def doctor(config: Path | None, *, as_json: bool) -> None:
    """Walk through everything that a new deployment gets wrong, and say what to do.

    Looks at the configuration, the keys, this machine, the clocks, the issuer and what it has on file about us, the
    store, the upstreams, the page, the audit log, and at a request on the way that browsers take. Changes nothing.

    One line for each check: OK, WARN or FAIL, why, and what to do. Exits with 0 when all is well, 1 when there are
    warnings, 2 when something fails.
    """
    told: list[Outcome] = []

    def tell(outcomes: list[Outcome]) -> None:
        told.extend(outcomes)
        if not as_json:
            for outcome in outcomes:
                head, _, rest = str(outcome).partition(" ")
                click.echo(f"{click.style(head, fg=_COLOURS[outcome.status], bold=True)} {rest}")

    try:
        settings, warnings = load_with_findings(config)
    except ConfigError as error:
        tell([outcome_of(finding) for finding in error.findings])
    else:
        file = find_config_file(config)
        tell([Outcome(Status.OK, "configuration", f"{file} is valid"), *map(outcome_of, warnings)])
        asyncio.run(walk(groups_of(settings, file), tell, lambda doing: click.echo(f"… {doing}", err=True)))
    if as_json:
        click.echo(write_json([asdict(outcome) for outcome in told], indent=2))
    sys.exit(max(_EXIT[outcome.status] for outcome in told))


async def walk(
    groups: Sequence[Group],
    tell: Callable[[list[Outcome]], None],
    hint: Callable[[str], None],
    longest: float = LONGEST,
    patience: float = PATIENCE,
) -> None:
    """Look at all of them at once, and tell each as soon as it and those before it are done."""
    tasks = [asyncio.create_task(_bounded(doing, look, longest)) for doing, look in groups]
    for (doing, _), task in zip(groups, tasks, strict=True):
        _, pending = await asyncio.wait([task], timeout=patience)
        if pending:
            hint(doing)
        tell(await task)


async def _bounded(doing: str, look: Look, longest: float) -> list[Outcome]:
    try:
        async with asyncio.timeout(longest):
            return await look()
    except TimeoutError:
        advice = "try again; if it stays so, something swallows what is sent"
        return [Outcome(Status.FAIL, doing, f"not done within {longest:g} s", advice)]
    except Exception as error:  # noqa: BLE001 -- one check that breaks must not hide what the others found
        advice = "run bff check, and report this"
        return [Outcome(Status.FAIL, doing, "this check broke", advice, type(error).__name__)]


def groups_of(settings: Settings, file: Path) -> list[Group]:
    """Return every check, in the order in which they are told."""
    # Here, because they bring the HTTP client and the stores, which `bff --help` need not wait for.
    from bff.cli.checks.audit import check_audit  # noqa: PLC0415
    from bff.cli.checks.cookies import check_cookies, check_management  # noqa: PLC0415
    from bff.cli.checks.issuer_in_depth import check_issuer_in_depth  # noqa: PLC0415
    from bff.cli.checks.local import check_addresses, check_policies, check_secrets  # noqa: PLC0415
    from bff.cli.checks.public import check_public  # noqa: PLC0415
    from bff.cli.checks.reach import check_page, check_store, check_upstreams  # noqa: PLC0415
    from bff.cli.checks.reach_issuer import check_clock  # noqa: PLC0415
    from bff.cli.checks.review import check_review  # noqa: PLC0415
    from bff.cli.checks.store_facts import check_store_facts  # noqa: PLC0415
    from bff.cli.checks.surroundings import check_surroundings  # noqa: PLC0415

    async def here() -> list[Outcome]:
        found = [*check_secrets(settings), *check_surroundings(settings, file), *check_policies(settings)]
        return [*found, *check_cookies(settings), *check_addresses(settings), check_management(settings)]

    async def store() -> list[Outcome]:
        reached = await check_store(settings)
        if any(outcome.status is Status.FAIL for outcome in reached):
            return reached
        return [*reached, *await check_store_facts(settings)]

    async def files() -> list[Outcome]:
        return [*check_page(settings), *check_audit(settings), *await check_review(settings)]

    return [
        ("looking around on this machine", here),
        ("comparing clocks with the issuer", lambda: check_clock(settings)),
        ("waiting for the issuer", lambda: check_issuer_in_depth(settings)),
        ("waiting for the store", store),
        ("connecting to the upstreams", lambda: check_upstreams(settings)),
        ("looking at the page and the audit log", files),
        ("going through the public URL", lambda: check_public(settings)),
    ]
