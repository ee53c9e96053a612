"""`holdfast settings`: every setting, its value, and where that came from."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli._output import note, print_json, print_table
from holdfast.runtime.settings import Settings, declared_settings, load_settings, shown

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def settings(as_json: AsJson = False) -> None:
    """Show every setting, its value and its source. Passwords are left out."""
    current = load_settings()
    rows = [_row(current, name) for name in (setting.name for setting in declared_settings())]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["Variable", "In holdfast.toml", "Value", "From"],
        [(row["variable"], row["name"], row["value"], row["source"]) for row in rows],
    )
    for variable in current.unknown:
        note(f"{variable} is set and is no setting of Holdfast's.")


def _row(current: Settings, name: str) -> dict[str, str]:
    declared = next(setting for setting in declared_settings() if setting.name == name)
    return {
        "name": name,
        "variable": declared.variable,
        "value": shown(getattr(current, name)),
        "default": declared.default,
        "source": current.sources.get(name, "default"),
        "sentence": declared.sentence,
    }
