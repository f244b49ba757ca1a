"""`bff access`: who may do what, explained, tested and looked over. One module a command."""

import rich_click as click

from bff.cli.lazy_group import LazyGroup

COMMANDS = {
    "explain": "bff.cli.access_explain:explain_command",
    "test": "bff.cli.access_test:test_command",
    "lint": "bff.cli.access_lint:lint_command",
    "review": "bff.cli.access_review:review_command",
}


@click.group("access", cls=LazyGroup, commands_at=COMMANDS)
def access() -> None:
    """Show, test, look over and review who may do what."""
