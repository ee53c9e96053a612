"""`holdfast finance`: a bank's file into an account, from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast import InvalidInput, open_platform

if TYPE_CHECKING:
    from holdfast.packs.finance.imports import ImportPlan
    from holdfast.packs.finance.statements import CsvMapping, Statement

app = typer.Typer(help="Personal finance.", no_args_is_help=True)

_LINES_SHOWN = 40


@app.callback()
def finance() -> None:
    """Personal finance."""


@app.command("import")
def import_statement(
    file: Annotated[Path, typer.Argument(help="A statement: OFX, QFX or CSV.", show_default=False)],
    account: Annotated[str, typer.Option(help="The account's name; it is made where there is none.")],
    user: Annotated[
        str | None, typer.Option(help="Whose account, by e-mail. Without it, the demo person's.")
    ] = None,
    number: Annotated[
        str | None, typer.Option(help="Which statement of a file of several: the last digits of its number.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="The currency of a file that does not say it.")] = None,
    columns: Annotated[
        str | None, typer.Option("--map", help="A CSV's columns: date=Posted,amount=Amount,description=Text")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file with a CSV's columns.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be added; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Import a bank statement. Importing it twice adds nothing."""
    statement = _choose(_read(file, columns, mapping, currency), number)
    plan = asyncio.run(_import(statement, account, user, dry_run=dry_run))
    if as_json:
        typer.echo(json.dumps(_plain(plan, statement, dry_run=dry_run), indent=2, ensure_ascii=False))
    else:
        _print(plan, statement, dry_run=dry_run)


async def _import(statement: Statement, account: str, user: str | None, *, dry_run: bool) -> ImportPlan:
    from holdfast.packs.finance.imports import carry_out, plan_import

    async with open_platform() as platform:
        scope = await platform.scope_of(user)
        work = plan_import if dry_run else carry_out
        return await work(platform.store, scope, statement, name=account)


def _read(file: Path, columns: str | None, mapping: Path | None, currency: str | None) -> list[Statement]:
    from holdfast.packs.finance.statements import read_statement

    return read_statement(file, mapping=_mapping(columns, mapping), currency=currency)


def _mapping(columns: str | None, file: Path | None) -> CsvMapping | None:
    from holdfast.packs.finance.statements import CsvMapping

    if columns is not None and file is not None:
        raise InvalidInput("A mapping is given once.", hint="Use either --map or --mapping.")
    if file is not None:
        return CsvMapping.load(file)
    return None if columns is None else CsvMapping.parse(columns)


def _choose(statements: list[Statement], number: str | None) -> Statement:
    """The one statement that is meant."""
    if number is not None:
        statements = [
            s for s in statements if s.account_number_tail and number.endswith(s.account_number_tail)
        ]
    if len(statements) == 1:
        return statements[0]
    if not statements:
        raise InvalidInput("The file has no statement of an account with this number.", where="--number")
    raise InvalidInput(
        f"The file holds the statements of {len(statements)} accounts.",
        where="--number",
        hint="Import them one by one: `--number` with the last four characters of the account's number.",
    )


def _plain(plan: ImportPlan, statement: Statement, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "account": {
            "id": None if plan.makes_account and dry_run else str(plan.account.id),
            "name": plan.account.name,
            "account_type": plan.account.account_type,
            "currency": plan.account.currency,
            "made": plan.makes_account,
        },
        "added": len(plan.new),
        "already_there": plan.known,
        "left_out": statement.left_out,
        "transactions": [
            {
                "posted": row.posted.isoformat(),
                "amount": str(row.amount),
                "currency": row.currency,
                "description": row.description,
                "source_id": row.source_id,
            }
            for row in plan.new
        ],
    }


def _print(plan: ImportPlan, statement: Statement, *, dry_run: bool) -> None:
    if dry_run:
        _print_lines(plan)
    would = "would be " if dry_run else ""
    made = (
        f" ({would}made: {plan.account.account_type}, {plan.account.currency})" if plan.makes_account else ""
    )
    typer.echo(f"Account {plan.account.name}{made}")
    left_out = f", {statement.left_out} left out: pending, reverted or repeated" if statement.left_out else ""
    typer.echo(f"{len(plan.new)} {would}added, {plan.known} already there{left_out}")


def _print_lines(plan: ImportPlan) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("Posted", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("Amount", justify="right")
    table.add_column("Description")
    for row in plan.new[:_LINES_SHOWN]:
        table.add_row(row.posted.isoformat(), f"{row.amount} {row.currency}", escape(row.description or ""))
    if plan.new:
        Console(highlight=False).print(table)
    if len(plan.new) > _LINES_SHOWN:
        typer.echo(f"and {len(plan.new) - _LINES_SHOWN} more")
