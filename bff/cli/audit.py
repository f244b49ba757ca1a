"""`bff audit`: the audit log, searched, followed and verified. One module a command."""

import rich_click as click

from bff.cli.lazy_group import LazyGroup

COMMANDS = {
    "search": "bff.cli.audit_search:search_command",
    "tail": "bff.cli.audit_tail:tail_command",
    "verify": "bff.cli.audit_verify:verify_command",
}


@click.group("audit", cls=LazyGroup, commands_at=COMMANDS)
def audit() -> None:
    """Search, follow and verify the audit log."""
