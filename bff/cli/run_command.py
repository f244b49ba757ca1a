"""`bff run`: check the configuration, then serve."""

import os
from pathlib import Path

import rich_click as click

from bff.cli.configuration import config_option, load_or_exit
from bff.config.load import find_config_file


@click.command("run")
@config_option
@click.option("--workers", type=click.IntRange(min=1), help="Processes, in place of server.workers.")
@click.option("--listen", metavar="ADDRESS", help="host:port or unix:/path, in place of server.listen.")
def run_command(config: Path | None, workers: int | None, listen: str | None) -> None:
    """Run the server until it is told to stop (SIGTERM or Ctrl-C)."""
    given = {"workers": workers, "listen": listen}
    options = {f"server.{key}": (f"--{key}", str(value)) for key, value in given.items() if value is not None}
    settings = load_or_exit(config, options)
    # The workers are processes of their own that load the configuration again: they must come to the same settings.
    for key, (_, text) in options.items():
        os.environ["BFF__" + key.upper().replace(".", "__")] = text

    from bff.cli.run import run  # noqa: PLC0415 - the whole server, which a broken configuration need not wait for

    run(settings, find_config_file(config))
