"""`bff access review`: who has access to what, why, and whether they use it; and recording what is decided."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import rich_click as click

from bff.access.review import MOST_RULINGS, Review, UnknownSubjectError
from bff.access.review_csv import build_header, build_lines, describe_opening, moment
from bff.access.review_records import Ruling
from bff.access.review_rows import Filters, Row
from bff.cli.configuration import STORED, config_option, load_or_exit
from bff.cli.session_store import Opened, with_store
from bff.config import ConfigError
from bff.config.values import BadValue, read_positive_duration

_LARGEST = 64 * 1024 * 1024  # bytes of a file with decisions
_PAGE = 20  # reviews of the history read at once


class RulingLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision in the file."""

    subject: str
    decision: str
    note: str = ""
    issuer: str | None = None


class DecisionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `--record` reads."""

    decisions: list[RulingLine]
    note: str = ""


@click.command("review")
@config_option
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--role", help="Only who has this role now.")
@click.option("--finding", help="Only who has this finding, such as role_never_needed or role_never_needed:admin.")
@click.option("--unused", metavar="DURATION", help="Only who has given no sign for so long, such as 90d.")
@click.option("--since", metavar="DURATION", help="Only who has given a sign within this time, such as 30d.")
@click.option("--sub", "subject", help="Only this subject.")
@click.option(
    "--record", "file", metavar="FILE", help="Record the decisions in this JSON file (-: standard input)."
)
@click.option("--by", "by", metavar="NAME", help="Who decided. Needed with --record.")
@click.option("--history", is_flag=True, help="Show the reviews that were recorded, the latest first.")
def review_command(
    config: Path | None,
    *,
    form: str,
    role: str | None,
    finding: str | None,
    unused: str | None,
    since: str | None,
    subject: str | None,
    file: str | None,
    by: str | None,
    history: bool,
) -> None:
    """Show everybody who was seen: roles and their origins, what these open, last login and last use, findings.

    --record FILE records {"note": …, "decisions": [{"subject": …, "decision": "keep" or "revoke", "note": …}]} for
    good; revoke ends the subject's sessions at once, and does not take the roles away.
    """
    filters = {"--role": role, "--finding": finding, "--unused": unused, "--since": since, "--sub": subject}
    if file is not None or history:
        given = [name for name, value in filters.items() if value is not None]
        if (file is not None and history) or given or (history and form == "csv"):
            raise click.UsageError(
                "--record and --history each stand alone; --history takes --format table or json"
            )
    if (file is None) != (by is None) or by == "":
        raise click.UsageError("--record FILE and --by NAME belong together")
    settings = load_or_exit(config, needs=STORED if file is None else None)  # to end sessions, the issuer is told
    if file is not None and by is not None:
        from bff.cli.review_recording import record  # noqa: PLC0415 - brings httpx, for which no help need wait

        click.echo(record(settings, read_decisions(file, settings.oidc.issuer), by))
    elif history:
        with_store(settings, lambda opened: _show_history(opened, as_json=form == "json"))
    else:
        idle, within = _seconds(unused, "--unused"), _seconds(since, "--since")
        with_store(
            settings,
            lambda opened: _show(
                opened,
                Filters(
                    role=role,
                    finding=finding,
                    unused=idle,
                    since=opened.clock() - within if within is not None else None,
                    subject=subject,
                ),
                form,
            ),
        )


def read_decisions(file: str, issuer: str) -> tuple[str, list[Ruling]]:
    """Return the note and the decisions of a file, or end with what is wrong with it."""
    try:
        with click.open_file(file, "rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None
    if len(raw) > _LARGEST:
        raise click.ClickException(f"{file} is larger than {_LARGEST} bytes")
    try:
        found = msgspec.json.decode(raw, type=DecisionFile)
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{file} is not what --record takes: {error}") from None
    rulings: dict[tuple[str, str], Ruling] = {}
    for position, line in enumerate(found.decisions):
        name = (line.issuer or issuer, line.subject)
        if line.decision not in {"keep", "revoke"}:
            raise click.ClickException(f'decisions[{position}].decision is neither "keep" nor "revoke"')
        if name in rulings:
            raise click.ClickException(f"decisions[{position}].subject was decided before in the same file")
        rulings[name] = Ruling(line.subject, name[0], line.decision, line.note)  # type: ignore[arg-type]
    if not rulings:
        raise click.ClickException(f"{file} decides nothing")
    return found.note, list(rulings.values())


async def record_all(review: Review, note: str, rulings: list[Ruling], by: str, now: float) -> str:
    """Record decisions, a thousand to a review, and say what was done."""
    try:
        await review.check_known(rulings, now)
        for start in range(0, len(rulings), MOST_RULINGS):
            await review.record(by, note, rulings[start : start + MOST_RULINGS], now)
    except UnknownSubjectError as error:
        raise click.ClickException(f"nobody called {printable(str(error))} was seen") from None
    revoked = sum(ruling.decision == "revoke" for ruling in rulings)
    return f"recorded: {len(rulings) - revoked} kept, {revoked} revoked"


def printable(text: str) -> str:
    """Names come from outside: nothing in them may steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


async def _show(opened: Opened, filters: Filters, form: str) -> None:
    from bff.cli.review_store import describe_due  # noqa: PLC0415 - with the policies, which no help need wait for

    review = _review(opened)
    rows = review.rows(filters, opened.clock)
    if form == "csv":
        click.echo(build_header(), nl=False)
        async for row in rows:
            click.echo(build_lines([row]), nl=False)
    elif form == "json":
        await _print_json(rows)
    else:
        count = 0
        async for row in rows:
            count += 1
            click.echo("\n".join(map(printable, _lines(row))))
        now = opened.clock()
        click.echo(f"{count} subject{'' if count == 1 else 's'}; {describe_due(await review.due(now))}")
        for found in await review.findings(now):
            click.echo(str(found))


def _review(opened: Opened) -> Review:
    from bff.cli.review_store import build_review  # noqa: PLC0415

    try:
        return build_review(opened)
    except (ValueError, ConfigError) as error:
        raise click.ClickException(str(error)) from None


async def _print_json(rows: AsyncIterator[Row]) -> None:
    from bff.web.admin.review import build_worksheet_item  # noqa: PLC0415 - brings Litestar

    separator = "[\n"
    async for row in rows:
        click.echo(separator + msgspec.json.encode(build_worksheet_item(row)).decode(), nl=False)
        separator = ",\n"
    click.echo("\n]" if separator == ",\n" else "[]")


def _lines(row: Row) -> list[str]:
    seen, mark = row.seen, row.seen.mark
    lines = [f"{seen.subject}  {seen.name}".rstrip()]
    lines += [f"  role      {origin.role}: {origin}" for origin in row.origins] or ["  role      none"]
    lines += [f"  opens     {describe_opening(opening)}: {opening.text}" for opening in row.opens]
    login, use = moment(seen.last_login_at) or "not seen", moment(seen.last_use_at) or "never"
    sessions = f"{row.live_sessions} live session{'' if row.live_sessions == 1 else 's'}"
    lines.append(f"  last      login {login}, use {use}; {sessions}")
    lines += [f"  finding   {finding}" for finding in row.findings]
    if mark is not None:
        note = f": {mark.note}" if mark.note else ""
        lines.append(f"  review    {mark.decision}, by {mark.by}, {moment(mark.at)}{note}")
    return lines


async def _show_history(opened: Opened, *, as_json: bool) -> None:
    from bff.web.admin.review import build_review as build_item  # noqa: PLC0415 - brings Litestar

    review, separator, count = _review(opened), "[\n", 0
    following: bytes | None = b""
    while following is not None:
        found, following = await review.history(opened.clock(), after=following, limit=_PAGE)
        for review_id, recorded in found:
            count += 1
            if as_json:
                item = msgspec.json.encode(build_item(review_id, recorded)).decode()
                click.echo(separator + item, nl=False)
                separator = ",\n"
                continue
            kept, revoked = recorded.count("keep"), recorded.count("revoke")
            note = f": {recorded.note}" if recorded.note else ""
            click.echo(printable(f"{moment(recorded.at)}  {recorded.by}  {kept} kept, {revoked} revoked{note}"))
    if as_json:
        click.echo("\n]" if count else "[]")
    else:
        click.echo(f"{count} review{'' if count == 1 else 's'}")


def _seconds(text: str | None, option: str) -> float | None:
    if text is None:
        return None
    try:
        return read_positive_duration(text)
    except BadValue as error:
        raise click.BadParameter(f"{error.message}: expected {error.expected}", param_hint=option) from None
