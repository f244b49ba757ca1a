"""An audit line as people read it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import rich_click as click

from bff.access.auditing.events import CHAIN, UNIFORM
from bff.cli.printing import printable, write_json

_SHOWN_FIRST = {"seq", "time", "event", "outcome", *CHAIN}
_COLOURS = {"ok": "green", "denied": "yellow", "failed": "red"}


def show(item: Mapping[str, object], *, as_json: bool) -> None:
    """Print one line."""
    click.echo(write_json(dict(item)) if as_json else write_line(item))


def write_line(item: Mapping[str, object]) -> str:
    """Return time, event, outcome, and every other field with its name."""
    outcome = _text(item.get("outcome", ""))
    names = [name for name in UNIFORM if name in item and name not in _SHOWN_FIRST]
    names += [name for name in item if name not in _SHOWN_FIRST and name not in UNIFORM]
    fields = "  ".join(f"{_text(name)}={_text(item[name])}" for name in names)
    shown = click.style(f"{outcome:7}", fg=_COLOURS.get(outcome))
    return f"{_moment(item.get('time'))}  {_text(item.get('event', '')):22} {shown} {fields}".rstrip()


def _moment(at: object) -> str:
    if not isinstance(at, int | float):
        return "?"
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError):
        return "?"  # written by somebody else, as verification says


def _text(value: object) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
