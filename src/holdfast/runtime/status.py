"""What stands and runs here, as plain values: the answer of `holdfast status`."""

from __future__ import annotations

import platform as python
from typing import Any, Protocol, runtime_checkable

from holdfast.accounts.entities import Tenant
from holdfast.errors import Forbidden, HoldfastError
from holdfast.migrations.migrate import State
from holdfast.runtime.assembly import Platform
from holdfast.runtime.jobs.telling import read_jobs
from holdfast.runtime.packs import JOBS, REALM, SYNC
from holdfast.runtime.serving import find_served
from holdfast.tenancy.isolation import Isolation
from holdfast.tenancy.scope import Scope

TENANTS_SHOWN = 20
_MEANS = {
    Isolation.LIBRARY: "only this code keeps tenants apart",
    Isolation.FILE: "a file per tenant",
    Isolation.CREDENTIAL: "credentials that reach one tenant alone",
    Isolation.DATABASE: "the database itself, by row security",
}


@runtime_checkable
class TellsFacts(Protocol):
    """An engine that knows more of its medium than the port asks for."""

    async def facts(self) -> dict[str, Any]:
        """`server`: its name and version; `pool`: its connections."""


async def read_status(platform: Platform) -> dict[str, Any]:
    """Everything that `status` shows. A database that is behind the code is shown as far as it goes."""
    isolation = platform.store.engine.isolation
    findings = await _findings(platform)
    revisions = await platform.revisions()
    half = [entry.id for entry in revisions if entry.state in {State.HALF_APPLIED, State.HALF_BACK}]
    pending = [entry.id for entry in revisions if entry.state is State.PENDING or entry.id in half]
    return {
        "versions": {"holdfast": platform.version, "python": python.python_version()},
        "server": _server(platform),
        "database": await _database(platform),
        "isolation_means": _MEANS[isolation],
        "health": await platform.health(),
        "migrations": {
            "applied": sum(entry.state is State.APPLIED for entry in revisions),
            "pending": pending,
            "half": half,
            "strange": [e.id for e in revisions if e.state in {State.EDITED, State.UNKNOWN}],
        },
        "tables": _tables(platform, findings),
        "findings": list(findings),
        "jobs": await read_jobs(platform) if not pending else None,
        "tenants": await _tenants(platform) if not pending else {"shown": [], "more": False},
    }


def _server(platform: Platform) -> dict[str, Any] | None:
    served = find_served(platform.settings.home)
    if served is None or not served.pid:
        return None
    return {"url": served.url, "pid": served.pid, "ready": served.ready}


async def _database(platform: Platform) -> dict[str, Any]:
    engine, settings = platform.store.engine, platform.settings
    url = settings.database_url or settings.database_admin_url
    facts = await engine.facts() if isinstance(engine, TellsFacts) else {}
    return {
        "engine": engine.name,
        "isolation": engine.isolation.name.lower(),
        "embedded": platform.database.embedded,
        "url": url.safe if url else f"in {settings.home}",
        "server": facts.get("server", engine.name),
        "pool": facts.get("pool"),
        "capabilities": sorted(engine.capabilities),
    }


async def _findings(platform: Platform) -> tuple[str, ...]:
    """Where the database is not as declared, one line each."""
    schemas = list(platform.catalog)
    try:
        return (await platform.store.engine.inspect(schemas)).findings
    except Forbidden:
        return tuple(f"{schema.name}: unknown, this login may not look" for schema in schemas)


def _tables(platform: Platform, findings: tuple[str, ...]) -> list[dict[str, Any]]:
    """The packs' own, then the platform's."""
    return [
        {
            "name": schema.name,
            "visibility": schema.visibility,
            "journaled": schema.journaled,
            "synced": schema.synced,
            "state": "; ".join(_about(schema.name, findings)) or "as declared",
        }
        for schema in sorted(platform.catalog, key=lambda schema: schema.pack in {REALM, SYNC, JOBS})
    ]


def _about(table: str, findings: tuple[str, ...]) -> list[str]:
    return [finding.partition(": ")[2] for finding in findings if finding.startswith(f"{table}: ")]


async def _tenants(platform: Platform) -> dict[str, Any]:
    """The latest tenants and the numbers of their last changes."""
    async with platform.store.session(Scope.realm(reason="status")) as session:
        page = await session.select(Tenant, sort="-created_at", limit=TENANTS_SHOWN)
    shown = [
        {"id": str(tenant.id), "slug": tenant.slug, "head": await _head(platform, tenant)}
        for tenant in page.items
    ]
    return {"shown": shown, "more": page.next is not None}


async def _head(platform: Platform, tenant: Tenant) -> int | None:
    try:
        return await platform.store.head(Scope.system(tenant.id, reason="status"))
    except HoldfastError:
        return None
