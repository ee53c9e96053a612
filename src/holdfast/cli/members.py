"""`holdfast members`: who belongs to a tenant, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli._output import print_json, print_table, say
from holdfast.cli._running import with_platform
from holdfast.cli.settings import AsJson
from holdfast.identity.principal import Role

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

app = typer.Typer(help="Members of a tenant.", no_args_is_help=True)
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's slug or id.")]


@app.command("add")
def add(
    tenant: TenantArgument,
    email: Annotated[str, typer.Argument(help="The e-mail address of a person who is known.")],
    role: Annotated[Role, typer.Option(help="What they are in the tenant.")],
) -> None:
    """Make a person a member of a tenant."""

    async def work(platform: Platform) -> None:
        await platform.accounts.add_member(tenant, email, role)

    with_platform(work)
    say(f"Added as {role.value}.")


@app.command("list")
def list_(tenant: TenantArgument, as_json: AsJson = False) -> None:
    """List the members of a tenant."""
    from holdfast.runtime.people import members_of

    async def work(platform: Platform) -> list[dict[str, Any]]:
        return [
            {
                "user": str(member.user_id),
                "email": member.email,
                "name": member.name,
                "role": member.role.value,
            }
            for member in await members_of(platform.store, tenant)
        ]

    found = with_platform(work)
    if as_json:
        print_json(found)
    else:
        print_table(["User", "E-mail", "Name", "Role"], [tuple(member.values()) for member in found])
