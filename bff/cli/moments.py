"""Times as people write them on the command line, and as they read them."""

from datetime import UTC, datetime

import rich_click as click


def read_moment(text: str, option: str) -> float:
    """Return epoch seconds; a time without a zone is local. Raises `BadParameter`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("is no time such as 2026-11-27T18:00:00+01:00", param_hint=option) from None
    return moment.astimezone().timestamp()


def write_moment(at: float) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
