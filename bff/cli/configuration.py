"""What every command that reads the configuration does alike: the option, the warnings, the way out."""

from collections.abc import Collection, Mapping
from pathlib import Path

import rich_click as click

from bff.config import ConfigError, Settings, load_with_findings

config_option = click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(path_type=Path),
    help="The configuration file. Default: the one that BFF_CONFIG names, else ./bff.toml.",
)


NOTHING_SECRET: tuple[str, ...] = ()
STORED = ("session", "keys")  # what it takes to read the store


def load_or_exit(
    config: Path | None,
    options: Mapping[str, tuple[str, str]] | None = None,
    *,
    needs: Collection[str] | None = None,
) -> Settings:
    """Load; print warnings, and every mistake before giving up with exit code 1.

    See `bff.config.load.load_with_findings`: `needs` are the tables whose secrets must be there.
    """
    try:
        settings, warnings = load_with_findings(config, options=options, needs=needs)
    except ConfigError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    for warning in warnings:
        click.echo(str(warning), err=True)
    return settings
