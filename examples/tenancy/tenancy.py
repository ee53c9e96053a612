"""Two tenants, three roles, and what each attempt to see or change something comes to: `python tenancy.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bakery import Price, Remark

from holdfast import Duplicate, HoldfastError, Platform, Role, Scope, Session, Store, open_platform


@dataclass(frozen=True)
class People:
    """Whoever acts, each in a tenant and with a role there."""

    ada: Scope
    ben: Scope
    vic: Scope
    cleo: Scope


async def people(platform: Platform) -> People:
    """A bakery with an owner, a member and a viewer; a mill with an owner."""
    for name in ("Ada", "Ben", "Vic", "Cleo"):
        with suppress(Duplicate):  # they are there since the last time
            await platform.accounts.add_user(f"{name.lower()}@example.com", name)
    bakery = await platform.accounts.add_tenant("Bakery", "ada@example.com")
    mill = await platform.accounts.add_tenant("Mill", "cleo@example.com")
    await platform.accounts.add_member(bakery.id, "ben@example.com", Role.MEMBER)
    await platform.accounts.add_member(bakery.id, "vic@example.com", Role.VIEWER)
    return People(
        await platform.scope_of("ada@example.com", tenant=bakery.id),
        await platform.scope_of("ben@example.com", tenant=bakery.id),
        await platform.scope_of("vic@example.com", tenant=bakery.id),
        await platform.scope_of("cleo@example.com", tenant=mill.id),
    )


async def attempt(what: str, store: Store, scope: Scope, act: Callable[[Session], Awaitable[Any]]) -> None:
    """Do it in a session, which commits at its end, and say what came of it."""
    try:
        async with store.session(scope) as session:
            found = await act(session)
        print(f"{what}: {found if isinstance(found, str) else 'done'}")
    except HoldfastError as error:
        print(f"{what}: refused, {error.code}")


async def prices(session: Session) -> str:
    found = (await session.select(Price, sort="item")).items
    return ", ".join(f"{price.item} {price.amount}" for price in found) or "nothing"


async def remarks(session: Session) -> str:
    found = (await session.select(Remark, sort="text")).items
    return ", ".join(remark.text for remark in found) or "nothing"


async def main() -> None:
    async with open_platform(make=True) as platform:
        store, who = platform.store, await people(platform)
        bread = Price(item="bread", amount=Decimal("4.20"))
        remark = Remark(text="the oven is slow")
        forged = Remark(text="I resign", user_id=who.ben.user_id)

        print("Within the bakery")
        await attempt("Ada, who owns it, sets a price", store, who.ada, lambda s: s.put(bread))
        await attempt("Ben, a member, lists the prices", store, who.ben, prices)
        await attempt("Ben changes one", store, who.ben, lambda s: s.patch(Price, bread.id, {"item": "x"}))
        await attempt("Ben notes a remark", store, who.ben, lambda s: s.put(remark))
        await attempt("Vic, a viewer, notes one", store, who.vic, lambda s: s.put(Remark(text="no")))
        await attempt("Ada notes one in Ben's name", store, who.ada, lambda s: s.put(forged))
        await attempt("Ben lists his remarks", store, who.ben, remarks)
        await attempt("Ada lists hers", store, who.ada, remarks)
        await attempt("Ada reads Ben's", store, who.ada, lambda s: s.get(Remark, remark.id))

        print("For the whole tenant, with a reason")
        await attempt("Ada", store, who.ada.for_tenant(reason="an inspection"), remarks)
        try:
            who.ben.for_tenant(reason="curious")
        except HoldfastError as error:
            print(f"Ben: refused, {error.code}")

        print("From the mill")
        await attempt("Cleo lists the prices", store, who.cleo, prices)
        await attempt("Cleo reads one by its id", store, who.cleo, lambda s: s.get(Price, bread.id))
        await attempt(
            "Cleo changes it", store, who.cleo, lambda s: s.patch(Price, bread.id, {"amount": Decimal(0)})
        )
        await attempt("Cleo deletes it", store, who.cleo, lambda s: s.delete(Price, bread.id))
        await attempt("Cleo for the whole mill", store, who.cleo.for_tenant(reason="the year's end"), remarks)
        await attempt("Ben lists the prices again", store, who.ben, prices)


asyncio.run(main())
