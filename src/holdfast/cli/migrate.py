"""`holdfast migrate`: revisions written, applied, taken back and looked at; and the database's roles."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli._output import Progress, note, print_json, print_table, progress, say
from holdfast.cli._running import run, with_platform
from holdfast.cli._signals import interruptible
from holdfast.cli.settings import AsJson
from holdfast.errors import ConfigurationError, NotFound
from holdfast.runtime.settings import load_settings

if TYPE_CHECKING:
    from holdfast.engines.port import Applied, Control, Inspection
    from holdfast.migrations.migrate import Entry
    from holdfast.migrations.revision import Revision
    from holdfast.model.pack import Pack
    from holdfast.runtime.assembly import Platform

app = typer.Typer(
    help="Change the schema: write revisions, apply them, take them back.", no_args_is_help=True
)

Yes = Annotated[
    bool,
    typer.Option(
        "--yes", help="Do not ask (without a terminal nothing asks), and set tables aside that hold rows."
    ),
]
Functions = Annotated[bool, typer.Option("--functions", help="With the SQL of the generated functions.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL instead of running it.")]


@app.command("make")
def make(
    message: Annotated[str, typer.Option("-m", "--message", help="What changes, in a few words.")],
    pack: Annotated[
        str | None,
        typer.Option(
            "--pack", help="The pack, where several are yours; otherwise app, or the only one of your own."
        ),
    ] = None,
) -> None:
    """Write the next revision from what is declared: its steps, and the SQL for review. Needs no database."""
    from holdfast.migrations.make import make_revisions
    from holdfast.runtime.packs import catalog_of, load_packs, own_packs

    packs = (*own_packs(), *load_packs(load_settings().packs))
    written = make_revisions(packs, catalog_of(packs), pack=_chosen(packs, pack), message=message, note=note)
    for path in written:
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        say(f"Wrote {shown} and {shown.with_suffix('.sql').name}.")
    if not written:
        say("Nothing has changed.")
    if len(written) > 1:
        note(
            "The second one is for when no code from before the change runs any more. A plain `holdfast migrate up` applies it "
            "at once; `holdfast migrate up --pre` stops before it."
        )


def _chosen(packs: Sequence[Pack], name: str | None) -> Pack:
    """The pack of this name; without one `app`, or the only one that keeps its revisions beside its code."""
    own = [each for each in packs if isinstance(each.revisions, Path)]
    wanted = name or ("app" if len(own) != 1 else own[0].name)
    found = next((each for each in packs if each.name == wanted), None)
    if found is not None:
        return found
    hint = 'In holdfast.toml: packs = ["entities:PACK"], where PACK = Pack(name="app", …).'
    if own:
        hint = f"Name one of your own: {' or '.join(f'--pack {each.name}' for each in own)}."
    raise ConfigurationError(
        f"There is no pack {wanted[:64]} among the enabled ones.", where="HOLDFAST_PACKS", hint=hint
    )


@app.command("up")
def up(
    pre: Annotated[
        bool,
        typer.Option("--pre", help="Only what the old code can live with: before deploying the new code."),
    ] = False,
    dry_run: DryRun = False,
    functions: Functions = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make roles and tables, and apply what is pending. Needs DATABASE_ADMIN_URL where the database is not Holdfast's own."""

    async def work() -> list[str]:
        from holdfast.runtime.assembly import open_migrator

        with progress() as steps:
            async with open_migrator(load_settings(), make=True, tell=steps) as migrator:
                if not dry_run:
                    return await migrator.up(control=_control(steps, force=yes), pre_only=pre)
                steps.done()
                return await migrator.sql(pre_only=pre, functions=functions)

    done = run(work())
    if dry_run:
        say("\n".join(done) or "-- Nothing is pending.")
    elif as_json:
        print_json({"applied": done})
    else:
        say("\n".join(f"Applied {name}." for name in done) or "Nothing is pending.")


@app.command("down")
def down(
    revision: Annotated[
        str | None, typer.Argument(help="Take back all down to and including this one; without it, the last.")
    ] = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take back the application's last revision. Refused, before anything is changed, where one cannot be undone."""

    async def work() -> list[str]:
        from holdfast.runtime.assembly import open_migrator

        with progress() as steps:
            async with open_migrator(load_settings(), tell=steps) as migrator:
                steps.done()
                return await migrator.down(
                    revision, control=_control(steps, force=yes), approve=_approve(asked=not yes)
                )

    done = run(work())
    if as_json:
        print_json({"taken_back": done})
    else:
        say("\n".join(f"Took {name} back." for name in done))


def _approve(*, asked: bool) -> Any:
    def approve(going: Sequence[Revision]) -> None:
        if asked and sys.stdin.isatty():
            names = ", ".join(revision.id for revision in going)
            with interruptible():
                typer.confirm(f"Take {names} back?", abort=True, err=True)

    return approve


def _control(steps: Progress, *, force: bool) -> Control:
    from holdfast.engines.port import Control
    from holdfast.runtime.version import holdfast_version

    return Control(steps, steps.bar, force=force, release=holdfast_version())


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show every revision and whether it is applied. Exit code 1 where the database and the code differ."""
    from holdfast.migrations.migrate import State

    async def work(platform: Platform) -> list[Entry]:
        return await platform.revisions()

    entries = with_platform(work, checked=False)
    if as_json:
        keys = ("id", "branch", "message", "state", "phase")
        print_json([{key: getattr(entry, key) for key in keys} for entry in entries])
    else:
        print_table(
            ["Revision", "Branch", "Phase", "State", "What"],
            [(e.id, e.branch, e.phase, e.state, e.message) for e in entries],
        )
    if any(entry.state is not State.APPLIED for entry in entries):
        note(f"The database and the code differ: {_what_differs(entries)}")
        raise typer.Exit(1)


def _what_differs(entries: Sequence[Entry]) -> str:
    """What is to be done about it, the gravest first."""
    from holdfast.migrations.migrate import State, how_to_mend

    of = {state: ", ".join(e.id for e in entries if e.state is state) for state in State}
    if of[State.EDITED]:
        return f"{of[State.EDITED]} was edited after it was applied. {how_to_mend(entries)}"
    if of[State.UNKNOWN]:
        return f"{of[State.UNKNOWN]} is not in this code. Run the newer code, or enable its pack."
    if of[State.HALF_BACK]:
        name = of[State.HALF_BACK]
        return f"{name} is half taken back. `holdfast migrate down {name}` goes on, `holdfast migrate up` brings it back."
    if of[State.HALF_APPLIED]:
        return f"{of[State.HALF_APPLIED]} is half applied. `holdfast migrate up` goes on."
    return "see `holdfast migrate up`."


@app.command("sql")
def sql(
    revision: Annotated[str | None, typer.Argument(help="Without it, all of the application's.")] = None,
    functions: Functions = False,
) -> None:
    """Print the SQL of a revision, and of taking it back. Needs no database."""
    from holdfast.migrations.files import sql_file
    from holdfast.migrations.migrate import revisions_of
    from holdfast.model.steps import replay
    from holdfast.runtime.packs import catalog_of, load_packs, own_packs

    packs = (*own_packs(), *load_packs(load_settings().packs))
    revisions = revisions_of(packs, catalog_of(packs))
    wanted = [each for each in revisions if revision in (None, each.id)]
    if revision is None:
        wanted = [each for each in revisions if each.branch == "app"]
    elif not wanted:
        raise NotFound(
            "There is no such revision.", where=revision[:100], hint="`holdfast migrate status` lists them."
        )
    for each in wanted:
        before = replay(s for r in revisions[: revisions.index(each)] for s in r.steps)
        say(f"-- {each.id}: {each.message}\n{sql_file(each, before, functions=functions)}")


@app.command("verify")
def verify(as_json: AsJson = False) -> None:
    """Compare the database with the declaration: tables, columns, indexes, policies, grants, functions, orphans. Exit code 1 where they differ."""

    async def work(platform: Platform) -> tuple[Inspection, list[str]]:
        from holdfast.migrations.migrate import State

        strange = [f"{e.id} is {e.state}" for e in await platform.revisions() if e.state is not State.APPLIED]
        inspection = await platform.store.engine.inspect(list(platform.catalog))
        return inspection, [*strange, *platform.undeclared(), *inspection.findings]

    inspection, findings = with_platform(work, checked=False)
    if as_json:
        print_json({"as_declared": not findings, "findings": findings, "facts": inspection.facts})
    else:
        print_table(["", ""], [(name, value) for name, value in inspection.facts.items()])
        say("\n".join(findings) or "Everything is as declared.")
    if findings:
        raise typer.Exit(1)


@app.command("history")
def history(as_json: AsJson = False) -> None:
    """Show what was applied when, how long it took, by whom and by which release."""

    async def work(platform: Platform) -> list[Applied]:
        return await platform.store.engine.history()

    entries = with_platform(work, checked=False)
    if as_json:
        keys = ("revision", "phase", "at", "seconds", "by", "release", "checksum")
        print_json([{key: getattr(entry, key) for key in keys} for entry in entries])
        return
    print_table(
        ["Revision", "Phase", "Applied", "Took", "By", "Release"],
        [
            (e.revision, e.phase, f"{e.at:%Y-%m-%d %H:%M:%S}", _seconds(e.seconds), e.by, e.release)
            for e in entries
        ],
    )


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


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
