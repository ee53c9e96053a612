"""The devices of a tenant, and what is collected behind the slowest of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from holdfast.store.store import Store
from holdfast.sync.entities import Device
from holdfast.tenancy.scope import Scope

FORGOTTEN_AFTER: Final = timedelta(days=90)
"""A device that has not come for so long is not waited for any more: when it comes back, it starts afresh."""
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection did in one tenant."""

    tenant_id: UUID
    horizon: int
    tombstones: int
    devices: int
    """How many devices were forgotten."""


async def devices_of(store: Store, tenant_id: UUID) -> AsyncIterator[Device]:
    """Every device that a tenant's members sync with."""
    after: str | None = None
    while True:
        async with store.session(Scope.system(tenant_id, reason="look at the devices")) as session:
            page = await session.select(Device, limit=_PAGE, after=after)
        for device in page.items:
            yield device
        after = page.next
        if after is None:
            return


async def collect(
    store: Store, tenant_id: UUID, *, forgotten_after: timedelta = FORGOTTEN_AFTER
) -> Collected:
    """Forget devices that have not come for long, and remove the tombstones that every other device has passed.

    A device counts with the last cursor that it has *shown*: what it was only given may never have reached it. Idempotent.
    Raises ConfigurationError where the maintenance role's login is not at hand.
    """
    scope = Scope.system(tenant_id, reason="collect tombstones")
    latest = store.clock() - forgotten_after
    kept: list[int] = []
    forgotten: list[UUID] = []
    async for device in devices_of(store, tenant_id):
        if device.last_seen < latest:
            forgotten.append(device.id)
        else:
            kept.append(device.seen)
    horizon = min(kept, default=await store.head(scope))
    async with store.session(scope) as session:
        for device_id in forgotten:
            await session.delete(Device, device_id)
    removed = await store.engine.collect(tenant_id, horizon)
    return Collected(tenant_id, horizon, removed, len(forgotten))
