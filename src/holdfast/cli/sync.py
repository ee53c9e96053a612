"""`holdfast sync`: devices, conflicts, tombstones, and a new epoch where the database went back in time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from holdfast.cli._output import print_json, print_table, say
from holdfast.cli._running import with_platform
from holdfast.cli.settings import AsJson

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

app = typer.Typer(help="Devices that work offline, and what met when they came back.", no_args_is_help=True)
TenantOption = Annotated[
    str | None, typer.Option(metavar="TENANT", help="One tenant's slug or id; all without it.")
]
As = Annotated[str | None, typer.Option("--as", help="The person, by e-mail; the demo person without it.")]


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Show the store's epoch, and each tenant's head, horizon, devices and open conflicts."""
    from holdfast.runtime.syncing import read_sync_status

    found = with_platform(read_sync_status)
    if as_json:
        print_json(found)
        return
    say(f"Epoch {found['epoch']['epoch']}, since {found['epoch']['began_at']}: {found['epoch']['reason']}")
    say()
    headings = ["Tenant", "Head", "Horizon", "Devices", "Slowest", "Open conflicts"]
    print_table(headings, [tuple(tenant.values())[1:] for tenant in found["tenants"]])


@app.command("devices")
def devices(tenant: TenantOption = None, as_json: AsJson = False) -> None:
    """List the devices: the last cursor that each has shown and was given, and when it came last."""
    from holdfast.runtime.syncing import list_devices

    async def work(platform: Platform) -> list[dict[str, Any]]:
        return await list_devices(platform, tenant)

    found = with_platform(work)
    if as_json:
        print_json(found)
    else:
        headings = ["Tenant", "User", "Device", "Named", "Has", "Given", "Pushed", "Last seen"]
        print_table(
            headings, [tuple({**each, "named": "yes" if each["named"] else "no"}.values()) for each in found]
        )


@app.command("conflicts")
def conflicts(
    person: As = None,
    tenant: TenantOption = None,
    state: Annotated[
        str, typer.Option(help="Which: open, settled (by a rule), resolved (by a person) or all.")
    ] = "open",
    resolve: Annotated[str | None, typer.Option(metavar="ID", help="Settle this one.")] = None,
    take: Annotated[str | None, typer.Option(help="With --resolve: mine or theirs.")] = None,
    as_json: AsJson = False,
) -> None:
    """List a person's conflicts, with both sides in --json, or settle one."""
    from holdfast.errors import InvalidInput
    from holdfast.runtime.syncing import all_conflicts, inbox_of
    from holdfast.sync.conflicts import STATES

    chosen = next((known for known in STATES if known == state), None)
    if chosen is None:
        raise InvalidInput(f"must be one of {', '.join(STATES)}", where="--state")
    if resolve is not None and take not in {"mine", "theirs"}:
        raise InvalidInput("say which side stands", where="--take", hint="--take mine, or --take theirs.")

    async def work(platform: Platform) -> list[dict[str, Any]]:
        inbox, scope = await inbox_of(platform, person, tenant)
        if resolve is not None:
            side: Literal["mine", "theirs"] = "mine" if take == "mine" else "theirs"
            return [dict(await inbox.resolve(scope, _uuid(resolve), side))]
        return await all_conflicts(inbox, scope, chosen)

    found = with_platform(work)
    if as_json or resolve is not None:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each["table"],
            each["row"],
            each["reason"],
            each["state"],
            ", ".join(each["fields"]) or "–",
        )
        for each in found
    ]
    print_table(["Conflict", "Table", "Row", "Reason", "State", "Fields"], rows)
    say(f"{len(rows)} {chosen} conflicts")


@app.command("collect")
def collect(
    tenant: TenantOption = None,
    days: Annotated[
        int, typer.Option(min=1, help="Forget devices that have not come for so many days.")
    ] = 90,
    as_json: AsJson = False,
) -> None:
    """Remove the tombstones that every known device has passed. A device behind them starts afresh."""
    from holdfast.runtime.syncing import collect_tenants

    async def work(platform: Platform) -> list[dict[str, Any]]:
        done = await collect_tenants(platform, tenant, forgotten_after=timedelta(days=days))
        return [asdict(each) for each in done]

    found = with_platform(work)
    if as_json:
        print_json(found)
    else:
        print_table(
            ["Tenant", "Horizon", "Tombstones removed", "Devices forgotten"],
            [tuple(e.values()) for e in found],
        )


@app.command("new-epoch")
def new_epoch(
    reason: Annotated[str, typer.Option(help="Why; it is kept.")] = "by hand",
    as_json: AsJson = False,
) -> None:
    """Begin a new epoch after the database was restored: every device starts afresh and keeps what it has not pushed."""

    async def work(platform: Platform) -> dict[str, Any]:
        begun = await platform.epochs.begin(reason)
        return {"epoch": str(begun.epoch), "reason": begun.reason}

    found = with_platform(work)
    if as_json:
        print_json(found)
    else:
        say(f"Epoch {found['epoch']} has begun: {found['reason']}.")


def _uuid(text: str) -> UUID:
    from holdfast.errors import InvalidInput

    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("this is no conflict's id", where="--resolve") from None
