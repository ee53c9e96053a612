"""`holdfast`: all verbs in one place."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from holdfast.cli import (
    jobs,
    logs,
    members,
    migrate,
    new,
    settings,
    status,
    stop,
    sync,
    tenants,
    up,
    users,
    verify,
    version,
    worker,
)
from holdfast.cli._group import RootGroup
from holdfast.cli._output import note

app = typer.Typer(
    cls=RootGroup,
    help="The production data layer for Python applications.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """The production data layer for Python applications."""


app.command("new")(new.new)
app.command("up")(up.up)
app.command("worker")(worker.worker)
app.command("stop")(stop.stop)
app.command("status")(status.status)
app.command("verify")(verify.verify)
app.command("logs")(logs.logs)
app.command("settings")(settings.settings)
app.command("version")(version.version)
app.add_typer(migrate.app, name="migrate")
app.add_typer(sync.app, name="sync")
app.add_typer(jobs.app, name="jobs")
app.add_typer(users.app, name="users")
app.add_typer(tenants.app, name="tenants")
app.add_typer(members.app, name="members")


def main() -> None:
    """The console script. What is not one of Holdfast's errors is a mistake of Holdfast's, and says so."""
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        note(f"[internal_error] {type(error).__name__}: this is a mistake in Holdfast.")
        note("  Hint: `holdfast --debug …` shows where.")
        sys.exit(1)
