"""The command line. One module a command; a new command is one more line in `COMMANDS`."""

import rich_click as click

from bff import __version__
from bff.cli.lazy_group import LazyGroup

# Where each is. A command is imported when it is asked for, and imports the server only when it runs.
COMMANDS = {
    "run": "bff.cli.run_command:run_command",
    "check": "bff.cli.check:check",
    "doctor": "bff.cli.doctor:doctor",
    "init": "bff.cli.init:init",
    "keys": "bff.cli.keys:keys",
    "sessions": "bff.cli.sessions:sessions",
    "access": "bff.cli.access:access",
    "audit": "bff.cli.audit:audit",
}


@click.group("bff", cls=LazyGroup, commands_at=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bff")
def main() -> None:
    """A backend-for-frontend: OpenID Connect login, server-side tokens and a governed API proxy.

    Start with `bff init`, then `bff check`, then `bff run`; `bff doctor` where something does not work.
    """
