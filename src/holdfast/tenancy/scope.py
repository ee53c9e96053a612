"""`Scope`: for which tenant, as whom, and if for more than oneself, why. It has no default anywhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from holdfast.errors import Forbidden, InvalidInput
from holdfast.identity.permissions import Permission, allows
from holdfast.identity.principal import Principal, Role
from holdfast.model.policies import RoleName

REALM_TENANT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a session may see and do. Make one with `for_user`, `member`, `system` or `realm`; the fields follow from that.

    `user_id` is the person acting, None for the system. `whole_tenant` sees the rows of every owner in the tenant; it
    always carries a `reason`, and opening it is recorded.
    """

    tenant_id: UUID
    role: Role
    user_id: UUID | None = None
    whole_tenant: bool = False
    reason: str | None = None
    device: str | None = None

    @classmethod
    def for_user(cls, principal: Principal) -> Scope:
        """The scope of a verified person in one tenant."""
        return cls(principal.tenant_id, principal.role, principal.user_id, device=principal.device)

    @classmethod
    def member(cls, tenant_id: UUID, user_id: UUID, *, role: RoleName = "member") -> Scope:
        """The scope of a member, for whoever knows otherwise than by a token who it is: a test, or a service of one's own."""
        return cls(tenant_id, Role(role), user_id)

    @classmethod
    def system(cls, tenant_id: UUID, *, reason: str) -> Scope:
        """The scope of a job or command that acts for the whole tenant."""
        if tenant_id == REALM_TENANT:
            raise InvalidInput("the nil UUID is no tenant")
        return cls(tenant_id, Role.OWNER, whole_tenant=True, reason=_needed(reason))

    @classmethod
    def realm(cls, *, reason: str) -> Scope:
        """The scope of the identity realm, which belongs to no tenant."""
        return cls(REALM_TENANT, Role.OWNER, whole_tenant=True, reason=_needed(reason))

    def for_tenant(self, *, reason: str) -> Scope:
        """The same person acting for the whole tenant. Raises Forbidden where the role may not."""
        if not allows(self.role, Permission.ACT_FOR_TENANT):
            raise Forbidden("this role may not act for the whole tenant")
        return replace(self, whole_tenant=True, reason=_needed(reason))

    @property
    def is_realm(self) -> bool:
        """Whether this is the identity realm's scope."""
        return self.tenant_id == REALM_TENANT


def _needed(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a scope for the whole tenant says why")
    return reason
