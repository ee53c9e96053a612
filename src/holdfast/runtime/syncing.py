"""What the command line asks about devices: tenant by tenant, each in a scope of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from holdfast.accounts.entities import Tenant
from holdfast.runtime.assembly import Platform
from holdfast.runtime.people import all_tenants, find_tenant
from holdfast.sync.conflicts import Inbox, State
from holdfast.sync.devices import Collected, collect, devices_of
from holdfast.sync.entities import Conflict
from holdfast.tenancy.scope import Scope


async def tenants_named(platform: Platform, name: str | None) -> list[Tenant]:
    """The tenant of this slug or id, or all. Raises NotFound."""
    return await all_tenants(platform.store) if name is None else [await find_tenant(platform.store, name)]


async def list_devices(platform: Platform, name: str | None) -> list[dict[str, Any]]:
    """Every device, as plain values."""
    return [
        {
            "tenant": tenant.slug,
            "user": str(device.user_id),
            "device": device.name,
            "named": device.named,
            "seen": device.seen,
            "issued": device.issued,
            "pushed": device.pushed,
            "last_seen": device.last_seen.isoformat(timespec="seconds"),
        }
        for tenant in await tenants_named(platform, name)
        async for device in devices_of(platform.store, tenant.id)
    ]


async def read_sync_status(platform: Platform) -> dict[str, Any]:
    """The store's epoch, and where each tenant and its devices are."""
    epoch = await platform.epochs.current()
    return {
        "epoch": {
            "epoch": str(epoch.epoch),
            "store": str(epoch.store),
            "began_at": epoch.began_at.isoformat(timespec="seconds"),
            "reason": epoch.reason,
        },
        "tenants": [await _status_of(platform, tenant) for tenant in await all_tenants(platform.store)],
    }


async def _status_of(platform: Platform, tenant: Tenant) -> dict[str, Any]:
    store, scope = platform.store, Scope.system(tenant.id, reason="sync status")
    async with store.engine.begin(scope, read_only=True) as tx:
        marks = await tx.marks()
    seen = [device.seen async for device in devices_of(store, tenant.id)]
    async with store.session(scope) as session:
        waiting = (await session.select(Conflict, {"state": "open"}, limit=1_000)).items
    return {
        "id": str(tenant.id),
        "tenant": tenant.slug,
        "head": marks.head,
        "horizon": marks.horizon,
        "devices": len(seen),
        "slowest": min(seen, default=None),
        "open_conflicts": len(waiting),
    }


async def collect_tenants(
    platform: Platform, name: str | None, *, forgotten_after: timedelta
) -> list[Collected]:
    """Collect in one tenant or in all."""
    return [
        await collect(platform.store, tenant.id, forgotten_after=forgotten_after)
        for tenant in await tenants_named(platform, name)
    ]


async def inbox_of(platform: Platform, email: str | None, tenant: str | None) -> tuple[Inbox, Scope]:
    """A person's conflicts, and the scope to see them in."""
    return Inbox(platform.store), await platform.scope_of(email, tenant=tenant)


async def all_conflicts(inbox: Inbox, scope: Scope, state: State) -> list[dict[str, Any]]:
    """Every conflict of a person in this state, however many."""
    found, after = await inbox.listed(scope, state=state)
    while after is not None:
        page, after = await inbox.listed(scope, state=state, after=after)
        found += page
    return found
