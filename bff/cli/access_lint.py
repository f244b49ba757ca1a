"""`bff access lint`: what in the configuration, and in a token, breaks good practice."""

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import rich_click as click

from bff.access.findings import AccessFinding, Level
from bff.access.lint import merge_findings
from bff.access.token_lint import lint_claims
from bff.cli.configuration import NOTHING_SECRET, config_option
from bff.cli.printing import write_json
from bff.config import ConfigError, Settings, load_with_findings

_COLOURS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: "blue"}


@click.command("lint")
@config_option
@click.option(
    "--token-file",
    metavar="FILE",
    help="Look at the token in this file (-: standard input) in place of the configuration. It is never printed.",
)
@click.option("--kind", type=click.Choice(["access_token", "id_token"]), default="access_token", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def lint_command(config: Path | None, *, token_file: str | None, kind: str, strict: bool, as_json: bool) -> None:
    """Tell what breaks good practice: how bad it is, whose rule it is, and what to change.

    Exits with 1 when there is an error; with --strict also when there is a warning.
    """
    found = _lint_token(token_file, kind) if token_file is not None else _lint_configuration(config)
    if as_json:
        click.echo(write_json([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            head, space, rest = str(finding).partition(" ")
            click.echo(click.style(head, fg=_COLOURS[finding.level], bold=True) + space + rest)
        click.echo(_count(found))
    failing = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    if any(finding.level in failing for finding in found):
        raise SystemExit(1)


def _lint_configuration(config: Path | None) -> list[AccessFinding]:
    try:
        settings, warnings = load_with_findings(config, needs=NOTHING_SECRET)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    return merge_findings(settings, warnings, _overdue(settings))


def _overdue(settings: Settings) -> list[AccessFinding]:
    """Ask the store, where one is to be had, whether a review should have been made by now."""
    if settings.review.interval is None:
        return []
    from bff.access.review import OVERDUE  # noqa: PLC0415 - with the stores, which other configurations need not
    from bff.cli.review_store import has_store, read_due  # noqa: PLC0415
    from bff.errors import SessionStoreUnavailable  # noqa: PLC0415

    if not settings.keys.secrets or not settings.session.store.reveal():
        click.echo("whether a review is overdue cannot be told: the store's secrets are not here", err=True)
        return []
    if not has_store(settings):
        return []
    try:
        return [OVERDUE] if asyncio.run(read_due(settings)).is_overdue else []
    except SessionStoreUnavailable as error:
        click.echo(f"whether a review is overdue cannot be told: {error.detail}", err=True)
        return []


def _lint_token(file: str, kind: str) -> list[AccessFinding]:
    from bff.oidc.jose import peek_claims  # noqa: PLC0415 - brings cryptography, which only this needs

    try:
        raw = (sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise click.ClickException(f"the token cannot be read: {reason}") from None
    claims = peek_claims(raw.removeprefix("Bearer "))
    if claims is None:
        raise click.ClickException("this is no JWT: three parts with dots between, the second one a JSON object")
    return lint_claims(claims, kind, len(raw))


def _count(found: Iterable[AccessFinding]) -> str:
    levels = [finding.level for finding in found]
    return ", ".join(f"{levels.count(level)} {level}{'s' if level is not Level.INFO else ''}" for level in Level)
