"""Who is meant by an e-mail address: people, tenants and members, read from the realm for commands."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from holdfast.accounts.directory import Directory, TenantName
from holdfast.accounts.entities import Membership, Tenant, User
from holdfast.errors import Forbidden, NotFound
from holdfast.identity.email import parse_email
from holdfast.identity.principal import Principal, Role
from holdfast.model.query import MAX_LIMIT
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a tenant."""

    user_id: UUID
    email: str
    name: str
    role: Role


async def scope_of(store: Store, email: str, tenant: TenantName | None = None) -> Scope:
    """The scope of a person in a tenant, by default their own.

    Raises NotFound for a person who is not known, Forbidden for a tenant that they do not belong to or a person who has
    been deactivated.
    """
    directory = Directory(store)
    user = await directory.user_by_email(parse_email(email).key)
    if user is None:
        raise NotFound("There is no user with this e-mail address.", hint="`holdfast users add` adds one.")
    if not user.is_active:
        raise Forbidden("This user is deactivated.")
    access = await directory.access(user.id, tenant)
    if access is None:
        raise Forbidden("This person is not a member of such a tenant.", where="tenant")
    return Scope.for_user(Principal(user.id, access.id, None, access.role, None))


async def all_tenants(store: Store) -> list[Tenant]:
    """Every tenant, the oldest first."""
    found = await Directory(store).select_all(Tenant, {})
    return sorted(found, key=lambda tenant: tenant.id)


async def find_tenant(store: Store, tenant: TenantName) -> Tenant:
    """The tenant of this id or slug. Raises NotFound."""
    return await Directory(store).tenant(tenant)


async def members_of(store: Store, tenant: TenantName) -> list[Member]:
    """Who belongs to a tenant now, the most powerful first. Raises NotFound for a tenant that is not known."""
    directory = Directory(store)
    found = await directory.tenant(tenant)
    memberships = await directory.select_all(Membership, {"tenant_id": found.id})
    standing = {row.user_id: role for row in memberships if (role := row.standing) is not None}
    ids = list(standing)
    users = [
        user
        for start in range(0, len(ids), MAX_LIMIT)
        for user in await directory.select_all(User, {"id__in": ids[start : start + MAX_LIMIT]})
    ]
    members = [Member(user.id, user.email, user.name, standing[user.id]) for user in users]
    return sorted(members, key=lambda member: (-member.role.rank, member.email))
