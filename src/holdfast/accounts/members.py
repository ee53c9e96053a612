"""Tenants and who belongs to them. Every change of a tenant's members raises its roster by compare-and-set."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from holdfast.accounts.directory import SLUG, Directory, TenantName, as_id
from holdfast.accounts.entities import Membership, Tenant, User, new_membership
from holdfast.accounts.log import Event, RealmLog
from holdfast.accounts.people import checked_name
from holdfast.errors import Busy, Conflict, Duplicate, Forbidden, NotFound, StaleVersion
from holdfast.identity.email import parse_email
from holdfast.identity.permissions import may_change_role
from holdfast.identity.principal import Principal, Role

_TRIES: Final = 10
_LONGEST_SLUG: Final = 48
_SEPARATORS: Final = re.compile(r"[^a-z0-9]+")


class Members:
    """Makes tenants, and adds, changes and removes members. `forget` is told of every membership that changes."""

    def __init__(
        self,
        directory: Directory,
        log: RealmLog,
        *,
        clock: Callable[[], datetime],
        forget: Callable[[UUID, UUID], None],
    ) -> None:
        self._directory = directory
        self._log = log
        self._clock = clock
        self._forget = forget

    async def add_tenant(self, name: str, owner_email: str) -> Tenant:
        """Make an organisation's tenant. Raises NotFound for an owner who is not known."""
        name, owner = checked_name(name), await self.user(owner_email)
        for attempt in range(_TRIES):
            tenant = Tenant(name=name, slug=slug_for(name, plain=attempt == 0))
            membership = new_membership(tenant.id, owner.id, Role.OWNER)
            try:
                async with self._directory.open("add a tenant") as session:
                    await session.batch([tenant, membership])
            except Duplicate:
                continue
            await self._log.record(Event.TENANT_ADDED, user_id=owner.id, tenant_id=tenant.id)
            return tenant
        raise Busy("no free slug was found for this tenant")

    async def set_role(
        self, tenant_name: TenantName, email: str, role: Role, *, actor: Principal | None
    ) -> Membership:
        """Make somebody a member, or a member something else. Raises Conflict where no owner would be left.

        With an `actor`, Forbidden where they may not: it must be their tenant, and nobody above them.
        """
        return await self._change(tenant_name, email, role, actor)

    async def remove(self, tenant_name: TenantName, email: str, *, actor: Principal | None) -> None:
        """End a membership; the row is kept, because rows of the tenant refer to it. Raises NotFound and Conflict."""
        await self._change(tenant_name, email, None, actor)

    async def user(self, email: str) -> User:
        """The person with this address. Raises NotFound."""
        found = await self._directory.user_by_email(parse_email(email).key)
        if found is None:
            raise NotFound("There is no user with this e-mail address.", where="user")
        return found

    # -- steps ----------------------------------------------------------------------------------------------------

    async def _change(
        self, tenant_name: TenantName, email: str, role: Role | None, actor: Principal | None
    ) -> Membership:
        for _ in range(_TRIES):
            # The tenant first: its roster must not be younger than what is decided on.
            tenant = await self._directory.tenant(tenant_name)
            user = await self.user(email)
            present = await self._directory.membership(tenant.id, user.id)
            before = present.standing if present else None
            _check_actor(actor, tenant, before, role)
            if before is None and role is None:
                raise NotFound("This person is not a member of the tenant.", where="membership")
            if present is not None and before is role:
                return present
            if before is Role.OWNER:
                await self._refuse_last_owner(tenant, user)
            written = await self._write(tenant, user, present, role)
            if written is not None:
                self._forget(tenant.id, user.id)
                await self._record(tenant, user, before, role, actor)
                return written
        raise Busy("the members of this tenant are changing too often")

    async def _write(
        self, tenant: Tenant, user: User, present: Membership | None, role: Role | None
    ) -> Membership | None:
        """The membership as it is now, None where the tenant's members have changed meanwhile."""
        membership = _changed(tenant, user, present, role, now=self._clock())
        try:
            async with self._directory.open("change a member") as session:
                await session.patch(
                    Tenant, tenant.id, {"roster": tenant.roster + 1}, if_version=tenant.version
                )
                await session.put(membership)
        except (StaleVersion, Duplicate):
            return None
        return membership

    async def _refuse_last_owner(self, tenant: Tenant, user: User) -> None:
        owners = await self._directory.select_all(Membership, {"tenant_id": tenant.id, "role": "owner"})
        if not any(other.standing is not None and other.user_id != user.id for other in owners):
            raise Conflict(
                "A tenant keeps an owner.", where="membership", hint="Make somebody else an owner first."
            )

    async def _record(
        self, tenant: Tenant, user: User, before: Role | None, after: Role | None, actor: Principal | None
    ) -> None:
        event = Event.MEMBER_REMOVED if after is None else Event.MEMBER_ROLE_CHANGED
        if before is None:
            event = Event.MEMBER_ADDED
        roles = {"before": before, "after": after}
        await self._log.record(
            event,
            user_id=user.id,
            tenant_id=tenant.id,
            actor=actor.user_id if actor else None,
            detail={name: role.value for name, role in roles.items() if role is not None},
        )


def _changed(
    tenant: Tenant, user: User, present: Membership | None, role: Role | None, *, now: datetime
) -> Membership:
    if present is None:
        return new_membership(tenant.id, user.id, role or Role.VIEWER)
    if role is None:
        return present.model_copy(update={"ended_at": now, "epoch": present.epoch + 1})
    return present.model_copy(update={"role": role.value, "ended_at": None})


def _check_actor(actor: Principal | None, tenant: Tenant, before: Role | None, after: Role | None) -> None:
    if actor is None:
        return
    if actor.tenant_id != tenant.id or not may_change_role(actor.role, before=before, after=after):
        raise Forbidden("This role may not change this member.", where="membership")


def slug_for(name: str, *, plain: bool) -> str:
    """A slug made of a name; with four random characters behind it where the plain one is taken or would be none."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = _SEPARATORS.sub("-", folded)[:_LONGEST_SLUG].strip("-") or "tenant"
    if plain and SLUG.fullmatch(stem) and as_id(stem) is None:
        return stem
    return f"{stem}-{secrets.token_hex(2)}"
