"""What each role may do, as data. What is not listed is denied.

These are permissions on a tenant as a whole. Whether a *row* may be seen is the access policy of its entity; whether a
membership exists is the realm's knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from holdfast.identity.principal import Role


class Permission(StrEnum):
    """An action on a kind of resource, spelled `resource:action`."""

    READ = "rows:read"
    CREATE = "rows:create"
    UPDATE = "rows:update"
    DELETE = "rows:delete"
    ACT_FOR_TENANT = "tenant:act"
    """Open a scope for the whole tenant: rows of every owner. Audited by whoever opens it."""
    MANAGE_MEMBERS = "members:manage"
    """Invite and remove members and change their roles, within `may_change_role`."""
    MANAGE_TENANT = "tenant:manage"
    """Rename, transfer or delete the tenant itself."""


_VIEWER: Final = frozenset({Permission.READ})
_MEMBER: Final = _VIEWER | {Permission.CREATE, Permission.UPDATE, Permission.DELETE}
_ADMIN: Final = _MEMBER | {Permission.ACT_FOR_TENANT, Permission.MANAGE_MEMBERS}

ROLE_PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.OWNER: frozenset(Permission),
        Role.ADMIN: _ADMIN,
        Role.MEMBER: _MEMBER,
        Role.VIEWER: _VIEWER,
    }
)


def allows(role: Role, action: Permission) -> bool:
    """Whether `role` may do `action`. A role or an action that is not known is denied."""
    return action in ROLE_PERMISSIONS.get(role, frozenset())


def may_change_role(actor: Role, *, before: Role | None, after: Role | None) -> bool:
    """Whether `actor` may turn a member's role `before` into `after`; None stands for not being a member.

    Nobody raises anybody above themselves, and nobody touches a member who stands above them: otherwise managing
    members would be a way to become the owner. That a tenant keeps an owner is for the realm to check.
    """
    touched = [role for role in (before, after) if role is not None]
    return allows(actor, Permission.MANAGE_MEMBERS) and all(role <= actor for role in touched)
