"""`holdfast users`: people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli._output import note, print_json, say
from holdfast.cli._running import with_platform
from holdfast.cli.settings import AsJson
from holdfast.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.accounts.grant import NewUser
    from holdfast.runtime.assembly import Platform

app = typer.Typer(help="People.", no_args_is_help=True)
MAX_PASSWORD_LINE = 4_096


@app.command("add")
def add(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    name: Annotated[
        str | None, typer.Option(help="The person's name; the address where it is not given.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add a person, with a tenant of their own. Without --password-stdin a password is made up and shown once."""
    password = _password_from_stdin() if password_stdin else None

    async def work(platform: Platform) -> NewUser:
        return await platform.accounts.add_user(email, name or email, password=password)

    added = with_platform(work)
    if as_json:
        made_up = {"password": added.password} if added.password else {}
        print_json({"user": str(added.user_id), "tenant": str(added.tenant_id), **made_up})
        return
    say(f"User {added.user_id}, tenant {added.tenant_id}.")
    if added.password:
        say(f"Password: {added.password}")
        note("It is shown this once.")


def _password_from_stdin() -> str:
    line = sys.stdin.readline(MAX_PASSWORD_LINE).rstrip("\r\n")
    if not line:
        raise InvalidInput("There is no password on standard input.", where="--password-stdin")
    return line
