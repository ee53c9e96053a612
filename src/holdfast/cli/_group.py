"""The root command: prints errors as people read them, and mounts the commands of the enabled packs."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from holdfast.cli._output import print_error
from holdfast.errors import HoldfastError


class RootGroup(TyperGroup):
    """`holdfast`. A pack's commands are looked for only when no verb has the name."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb. An error of ours ends it with code, message and hint, and exit code 1."""
        try:
            return super().invoke(ctx)
        except HoldfastError as error:
            if ctx.params.get("debug"):
                raise
            print_error(error)
            raise typer.Exit(1) from error

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs, and behind them the packs that have commands."""
        try:
            packs = sorted(_pack_commands())
        except HoldfastError:
            packs = []  # help is needed most where the settings are wrong
        return [*super().list_commands(ctx), *packs]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb or pack of this name."""
        found = super().get_command(ctx, cmd_name)
        if found is not None or cmd_name.startswith("-"):
            return found
        try:
            commands = _pack_commands().get(cmd_name)
        except HoldfastError as error:
            print_error(error)
            raise typer.Exit(1) from error
        return None if commands is None else _mounted(cmd_name, commands())


def _pack_commands() -> dict[str, Any]:
    """Pack → what returns its Typer application."""
    from holdfast.runtime.packs import load_packs
    from holdfast.runtime.settings import load_settings

    packs = load_packs(load_settings().packs)
    return {pack.name: pack.commands for pack in packs if pack.commands is not None}


def _mounted(name: str, application: typer.Typer) -> Any:
    group = get_group(application)
    group.name = name
    return group
