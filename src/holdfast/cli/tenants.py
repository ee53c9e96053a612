"""`holdfast tenants`: organisations, and the tenants of single people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli._output import print_json, print_table, say
from holdfast.cli._running import with_platform
from holdfast.cli.settings import AsJson

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

app = typer.Typer(help="Tenants.", no_args_is_help=True)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The tenant's name.")],
    owner: Annotated[str, typer.Option(help="The e-mail address of the person who owns it.")],
    as_json: AsJson = False,
) -> None:
    """Add a tenant. Its owner is a person whom `holdfast users add` has added, or who has registered."""

    async def work(platform: Platform) -> dict[str, str]:
        tenant = await platform.accounts.add_tenant(name, owner)
        return {"id": str(tenant.id), "slug": tenant.slug}

    added = with_platform(work)
    if as_json:
        print_json(added)
    else:
        say(f"Tenant {added['slug']}, {added['id']}.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all tenants, the oldest first."""
    from holdfast.runtime.people import all_tenants

    async def work(platform: Platform) -> list[dict[str, Any]]:
        return [
            {"id": str(tenant.id), "slug": tenant.slug, "name": tenant.name, "personal": tenant.personal}
            for tenant in await all_tenants(platform.store)
        ]

    found = with_platform(work)
    if as_json:
        print_json(found)
    else:
        print_table(
            ["Id", "Slug", "Name", ""],
            [(t["id"], t["slug"], t["name"], "personal" if t["personal"] else "") for t in found],
        )
