"""Throw-away people and tenants of a verification: made, found again after a broken run, and removed without a trace."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from holdfast.accounts.directory import Directory
from holdfast.accounts.entities import (
    Credential,
    LoginFailures,
    LoginSession,
    Membership,
    RealmEvent,
    RefreshFamily,
    Tenant,
    User,
    Verification,
)
from holdfast.identity.principal import Principal, Role
from holdfast.model.entity import Entity
from holdfast.runtime.assembly import Platform
from holdfast.tenancy.scope import Scope

_PREFIX = "holdfast-verify-"
_DOMAIN = "@example.com"
_REASON = "verify the deployment"
_STALE = timedelta(hours=1)
DEPLOYMENT_VERIFIED = "deployment_verified"


@dataclass(frozen=True, slots=True)
class Guest:
    """A throw-away person, with a tenant of their own."""

    email: str
    password: str = field(repr=False)
    user_id: UUID
    tenant_id: UUID

    def scope(self, tenant_id: UUID | None = None, role: Role = Role.OWNER) -> Scope:
        """Theirs in a tenant, by default their own."""
        return Scope.for_user(Principal(self.user_id, tenant_id or self.tenant_id, None, role, None))


@dataclass(frozen=True, slots=True)
class Guests:
    """Two people, each with a tenant of their own, and a third tenant that has both."""

    one: Guest
    other: Guest
    common: UUID

    @property
    def people(self) -> tuple[UUID, ...]:
        """Their ids."""
        return self.one.user_id, self.other.user_id

    @property
    def tenants(self) -> tuple[UUID, ...]:
        """All three tenants."""
        return self.one.tenant_id, self.other.tenant_id, self.common


async def welcome_guests(platform: Platform) -> Guests:
    """Make them. That they can be removed is tried first: nothing is written that would have to stay."""
    await _forget_tenants(platform, [UUID(bytes=secrets.token_bytes(16), version=4)])
    made: list[Guest] = []
    try:
        for _ in range(2):
            made.append(await _guest(platform))
        one, other = made
        tenant = await platform.accounts.add_tenant("Holdfast verify", one.email)
        await platform.accounts.add_member(tenant.id, other.email, Role.MEMBER)
    except BaseException:
        await _remove_people(platform, [guest.user_id for guest in made])
        raise
    return Guests(one, other, tenant.id)


async def _guest(platform: Platform) -> Guest:
    email = f"{_PREFIX}{secrets.token_hex(8)}{_DOMAIN}"
    password = secrets.token_urlsafe(18)
    added = await platform.accounts.add_user(email, "Holdfast verify", password=password)
    return Guest(email, password, added.user_id, added.tenant_id)


async def remove_guests(platform: Platform, guests: Guests) -> int:
    """Remove them, their tenants and what the realm's log says of them; returns how many rows of the realm."""
    return await _remove(platform, guests.people, guests.tenants)


async def remove_leftovers(platform: Platform) -> int:
    """Remove the guests of a verification that was broken off; returns how many people."""
    directory = Directory(platform.store)
    where = {"email_key__gte": _PREFIX, "email_key__lt": _PREFIX[:-1] + "."}
    found = await directory.select_all(User, where)
    before = datetime.now(UTC) - _STALE
    stale = [user.id for user in found if user.created_at is not None and user.created_at < before]
    await _remove_people(platform, stale)
    return len(stale)


async def _remove_people(platform: Platform, people: Sequence[UUID]) -> None:
    """Remove guests, and every tenant that they belong to: guests belong to no other."""
    memberships = await Directory(platform.store).select_all(Membership, {"user_id__in": people})
    await _remove(platform, people, {row.tenant_id for row in memberships})


async def log_verification(platform: Platform, *, passed: int, failed: int) -> None:
    """The one line that stays."""
    event = RealmEvent(
        event=DEPLOYMENT_VERIFIED, at=datetime.now(UTC), detail={"passed": passed, "failed": failed}
    )
    await platform.store.ingest(Scope.realm(reason=_REASON), [event])


async def _remove(platform: Platform, people: Iterable[UUID], tenants: Iterable[UUID]) -> int:
    people, tenants = tuple(people), tuple(tenants)
    await _forget_tenants(platform, tenants)
    directory = Directory(platform.store)
    removed = 0
    users = {"user_id__in": people}
    of_tenants = {"tenant_id__in": tenants}
    for entity, where in (
        (RealmEvent, users),
        (RealmEvent, of_tenants),
        (Verification, users),
        (RefreshFamily, {"id__in": [row.id for row in await directory.select_all(LoginSession, users)]}),
        (LoginSession, users),
        (LoginFailures, {"id__in": await _failure_ids(platform, people)}),
        (Membership, of_tenants),
        (Tenant, {"id__in": tenants}),
        (Credential, users),
        (User, {"id__in": people}),
    ):
        removed += await _delete_all(directory, entity, where)
    return removed


async def _delete_all(
    directory: Directory, entity: type[Entity], where: Mapping[str, Collection[UUID]]
) -> int:
    rows = await directory.select_all(entity, dict(where))
    async with directory.open(_REASON) as session:
        for row in rows:
            await session.delete(entity, row.id)
    return len(rows)


async def _failure_ids(platform: Platform, people: Iterable[UUID]) -> list[UUID]:
    """Where failed logins of these people are counted: under a keyed hash of their address."""
    users = await Directory(platform.store).select_all(User, {"id__in": tuple(people)})
    return [platform.accounts.failures_id(user.email) for user in users]


async def _forget_tenants(platform: Platform, tenants: Iterable[UUID]) -> None:
    schemas = [schema for schema in platform.catalog if schema.visibility != "realm"]
    for tenant_id in tenants:
        await platform.store.engine.forget_tenant(tenant_id, schemas)
