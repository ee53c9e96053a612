"""`holdfast migrate`: the database brought up to the code, what is pending, and the roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli._output import note, print_json, print_table, progress, say
from holdfast.cli._running import run, with_platform
from holdfast.cli.settings import AsJson
from holdfast.errors import ConfigurationError
from holdfast.runtime.settings import load_settings

if TYPE_CHECKING:
    from holdfast.migrations.migrate import Entry
    from holdfast.runtime.assembly import Platform

app = typer.Typer(help="Bring the database up to the code.", no_args_is_help=True)


@app.command("up")
def up(as_json: AsJson = False) -> None:
    """Make roles and tables, and apply what is pending. Needs DATABASE_ADMIN_URL where the database is not Holdfast's own."""

    async def work() -> list[str]:
        from holdfast.runtime.assembly import migrate_up

        with progress() as steps:
            return await migrate_up(load_settings(), tell=steps)

    done = run(work())
    if as_json:
        print_json({"applied": done})
    else:
        say("\n".join(f"Applied {name}." for name in done) or "Nothing is pending.")


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show every revision and whether it is applied. Exit code 1 where the database and the code differ."""
    from holdfast.migrations.migrate import State

    async def work(platform: Platform) -> list[Entry]:
        return await platform.revisions()

    entries = with_platform(work, checked=False)
    if as_json:
        print_json(
            [{"id": e.id, "branch": e.branch, "message": e.message, "state": e.state} for e in entries]
        )
    else:
        print_table(
            ["Revision", "Branch", "State", "What"], [(e.id, e.branch, e.state, e.message) for e in entries]
        )
    if any(entry.state is not State.APPLIED for entry in entries):
        note("The database and the code differ: see `holdfast migrate up`.")
        raise typer.Exit(1)


@app.command("roles")
def roles(
    as_sql: Annotated[
        bool, typer.Option("--sql", help="Print what an administrator runs, instead of running it.")
    ] = False,
) -> None:
    """Make the database's roles, or print the SQL that makes them. It holds their passwords."""
    settings = load_settings()
    if settings.engine != "postgresql":
        raise ConfigurationError("Only PostgreSQL has roles.", where="DATABASE_URL")
    if as_sql:
        from holdfast.runtime.database import roles_script

        say(roles_script(settings))
        return
    if not settings.embedded and settings.database_admin_url is None:
        raise ConfigurationError(
            "Making roles needs an administrator's login.",
            where="DATABASE_ADMIN_URL",
            hint="Set it, or have an administrator run what `holdfast migrate roles --sql` prints.",
        )

    async def work() -> None:
        from holdfast.runtime.database import make_roles, reach_database

        with progress() as steps:
            async with reach_database(settings, make=True, tell=steps) as database:
                steps("Making the roles.")
                await make_roles(database)

    run(work())
    say("The roles are there.")
