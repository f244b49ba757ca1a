"""A group of commands that are imported when they are asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import rich_click as click


class LazyGroup(click.RichGroup):
    """`commands_at`: name to `module:attribute`, in the order in which help lists them."""

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._commands_at = commands_at

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """See `click.Group.list_commands`."""
        return list(self._commands_at)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group.get_command`."""
        where = self._commands_at.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table names commands only
        return command
