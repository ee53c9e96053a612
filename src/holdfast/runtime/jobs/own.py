"""The platform's own jobs. Each calls what a command calls too; none does anything twice that matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final

from holdfast.accounts.entities import Tenant
from holdfast.engines.port import HistoryKey
from holdfast.errors import ConfigurationError, NotSupported
from holdfast.migrations.migrate import State
from holdfast.model.job import Job, Report
from holdfast.model.schedule import Daily, Every
from holdfast.runtime.jobs.context import JobContext
from holdfast.sync.devices import collect
from holdfast.sync.history import prune
from holdfast.tenancy.scope import Scope

PLAN_GRACE: Final = timedelta(days=7)
"""How long plans that no declared entity has are left to the old code that may still run."""
_KEY: Final = "key"


async def expire_sessions(context: JobContext) -> Report:
    """Sessions, refresh families, verifications and failed logins that have run out."""
    return {"removed": await context.platform.accounts.sweep()}


async def collect_tombstones(context: JobContext) -> Report:
    """In each tenant, behind the slowest device."""
    removed = forgotten = 0

    async def work(tenant: Tenant, _: Scope) -> None:
        nonlocal removed, forgotten
        done = await collect(context.store, tenant.id)
        removed += done.tombstones
        forgotten += done.devices

    tenants = await context.for_each_tenant(work, reason="collect tombstones")
    return {"tenants": tenants, "removed": removed, "devices_forgotten": forgotten}


async def prune_history(context: JobContext) -> Report:
    """In each tenant, what is older than HOLDFAST_HISTORY_DAYS and no device, cursor or open conflict needs."""
    older = context.store.clock() - timedelta(days=context.platform.settings.history_days)
    removed = 0

    async def work(tenant: Tenant, _: Scope) -> None:
        nonlocal removed
        begun = context.checkpoint.get(_KEY)
        start = HistoryKey.of_plain(begun[1]) if begun and begun[0] == str(tenant.id) else None
        async for pruned in prune(context.store, tenant.id, older_than=older, after=start):
            removed += pruned.removed
            if pruned.next is not None:
                await context.save({**context.checkpoint, _KEY: [str(tenant.id), pruned.next.to_plain()]})

    tenants = await context.for_each_tenant(work, reason="prune the history")
    return {"tenants": tenants, "removed": removed}


async def clean_up_plans(context: JobContext) -> Report:
    """Plans of earlier schemas, once they have been nobody's for a week. Only code that knows the whole database decides."""
    entries = await context.platform.revisions()
    if any(entry.state is not State.APPLIED for entry in entries):
        return {"dropped": 0, "why": "the database and this code differ"}
    engine, now = context.store.engine, context.store.clock()
    try:
        stale = await engine.stale_plans(context.platform.catalog)
    except NotSupported:
        return {"dropped": 0, "why": "nothing to do on this engine"}
    since = seen_since(context.notes, stale, now)
    await context.note(since)
    old = overdue(since, now)
    try:
        dropped = await engine.drop_plans(old) if old else 0
    except ConfigurationError:
        why = "run `holdfast jobs run clean-up-plans` with DATABASE_ADMIN_URL: the owner alone may drop them"
        return {"dropped": 0, "stale": len(stale), "due": len(old), "why": why}
    return {"dropped": dropped, "stale": len(stale) - dropped}


def seen_since(notes: Mapping[str, Any], stale: Iterable[str], now: datetime) -> dict[str, str]:
    """Name → when it was first seen that nobody declares it, of those that nobody declares now."""
    return {name: str(notes.get(name, now.isoformat())) for name in stale}


def overdue(since: Mapping[str, str], now: datetime) -> list[str]:
    """Those that have been nobody's for longer than the grace."""
    return [name for name, at in since.items() if datetime.fromisoformat(at) <= now - PLAN_GRACE]


OWN_JOBS: Final = (
    Job(
        "expire-sessions",
        expire_sessions,
        Every(timedelta(hours=1), jitter=timedelta(minutes=5)),
        "Removes sessions, tokens and failed logins that have run out.",
    ),
    Job(
        "collect-tombstones",
        collect_tombstones,
        Daily(time(2, 0), jitter=timedelta(minutes=30)),
        "Forgets devices that have not come for 90 days, and removes the tombstones that all others have passed.",
        limit=timedelta(hours=6),
    ),
    Job(
        "prune-history",
        prune_history,
        Daily(time(3, 0), jitter=timedelta(minutes=30)),
        "Removes old values past HOLDFAST_HISTORY_DAYS that no device and no open conflict needs.",
        limit=timedelta(hours=12),
    ),
    Job(
        "clean-up-plans",
        clean_up_plans,
        Daily(time(4, 0), jitter=timedelta(minutes=30)),
        "Drops generated functions that no declared entity has used for a week.",
    ),
)
