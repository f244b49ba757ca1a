"""What the commands about access do alike: the advisor of a configuration, and claims as they are written."""

import json

import rich_click as click

from bff.access.configured import build_advisor
from bff.access.question import Advisor
from bff.config import ConfigError, Settings


def load_advisor(settings: Settings) -> Advisor:
    """Return what answers questions, or end with the reason why the server would not start."""
    try:
        return build_advisor(settings)
    except (ValueError, ConfigError) as error:
        raise click.ClickException(str(error)) from None


def read_claim(text: str) -> tuple[str, object]:
    """Read `name=value`; a value that is JSON other than a number in quotes is taken as that."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--claim")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
