"""`bff access test`: expectations about access, for a pipeline."""

import time
from pathlib import Path

import rich_click as click

from bff.access.cases import BadCase, parse_cases, run_case
from bff.cli.access_advice import load_advisor
from bff.cli.configuration import NOTHING_SECRET, config_option, load_or_exit


@click.command("test")
@click.argument("cases", type=click.Path(dir_okay=False, path_type=Path))
@config_option
def test_command(cases: Path, config: Path | None) -> None:
    """Run the expectations in the file CASES; exit with 1 when one does not hold.

    Nothing is reached out for: the configuration decides as the running server would.
    """
    advisor = load_advisor(load_or_exit(config, needs=NOTHING_SECRET))
    try:
        found = parse_cases(cases.read_text(encoding="utf-8"), time.time())
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{cases} cannot be read: {error}") from None
    except BadCase as error:
        where = str(cases) if error.line is None else f"{cases}:{error.line}"
        raise click.ClickException(f"{where}: {error}") from None
    failed = 0
    for case in found:
        wrong = run_case(case, advisor)
        if wrong is not None:
            failed += 1
            click.echo(f"{cases}:{case.line}: FAILED {case.name}: {wrong}")
    click.echo(f"{len(found) - failed} of {len(found)} as expected")
    if failed:
        raise SystemExit(1)
