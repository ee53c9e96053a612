"""Looks things up in the realm: people, tenants, memberships, and whether a token's session still stands."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from holdfast.accounts.entities import (
    Credential,
    LoginSession,
    Membership,
    Tenant,
    User,
    Verification,
    membership_id,
)
from holdfast.accounts.grant import TenantAccess
from holdfast.errors import NotFound
from holdfast.identity.principal import Principal
from holdfast.identity.tokens import AccessClaims
from holdfast.model.entity import Entity
from holdfast.model.ids import parse_id
from holdfast.model.query import MAX_LIMIT
from holdfast.store.session import Session
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

E = TypeVar("E", bound=Entity)
_LOOK_UP: Final = "look up people and tenants"

SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""What a slug may be, but for UUIDs: those are ids."""

TenantName = UUID | str
"""A tenant by its id, or as text by its id or slug."""


class Directory:
    """Reads of the realm. Each opens a session of its own; nothing is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(self, reason: str) -> Session:
        """A session in the realm's scope."""
        return self._store.session(Scope.realm(reason=reason))

    async def user(self, user_id: UUID) -> User | None:
        """A person by id."""
        async with self.open(_LOOK_UP) as session:
            return await session.find(User, user_id)

    async def user_by_email(self, email_key: str) -> User | None:
        """A person by the key of their address."""
        return await self._one(User, {"email_key": email_key})

    async def credential(self, user_id: UUID) -> Credential | None:
        """A person's password record."""
        return await self._one(Credential, {"user_id": user_id, "kind": "password"})

    async def verification(self, token_hash: str) -> Verification | None:
        """What a token of a mail stands for."""
        return await self._one(Verification, {"token_hash": token_hash})

    async def find_tenant(self, name: TenantName) -> Tenant | None:
        """A tenant, or None."""
        tenant_id = name if isinstance(name, UUID) else as_id(name)
        if tenant_id is None:
            is_slug = isinstance(name, str) and SLUG.fullmatch(name)
            return await self._one(Tenant, {"slug": name}) if is_slug else None
        async with self.open(_LOOK_UP) as session:
            return await session.find(Tenant, tenant_id)

    async def tenant(self, name: TenantName) -> Tenant:
        """A tenant. Raises NotFound."""
        found = await self.find_tenant(name)
        if found is None:
            raise NotFound("There is no such tenant.", where="tenant")
        return found

    async def membership(self, tenant_id: UUID, user_id: UUID) -> Membership | None:
        """A membership, also one that has ended."""
        return await self._one(Membership, {"tenant_id": tenant_id, "user_id": user_id})

    async def access(self, user_id: UUID, name: TenantName | None) -> TenantAccess | None:
        """What a person may enter under this name; None stands for their personal tenant. None where they may not."""
        if name is None:
            tenant = await self._one(Tenant, {"personal_of": user_id})
        else:
            tenant = await self.find_tenant(name)
        if tenant is None:
            return None
        return _access(tenant, await self.membership(tenant.id, user_id))

    async def accesses(self, user_id: UUID) -> list[TenantAccess]:
        """Every tenant that a person may enter, their own first, then by name."""
        memberships = await self.select_all(Membership, {"user_id": user_id})
        by_tenant = {m.tenant_id: m for m in memberships if m.standing is not None}
        tenants = [t for ids in _chunks(list(by_tenant)) for t in await self._tenants(ids)]
        found = [_access(tenant, by_tenant[tenant.id]) for tenant in tenants]
        return sorted((a for a in found if a is not None), key=lambda a: (not a.personal, a.name, a.slug))

    async def principal(self, claims: AccessClaims, *, now: datetime) -> Principal | None:
        """Whom a verified token stands for, None where its session, person or membership does not stand any more."""
        schema = self._store.catalog.schema
        scope = Scope.realm(reason="check a token")
        member = membership_id(claims.tenant_id, claims.user_id)
        keys = (
            (schema(LoginSession), claims.session_id),
            (schema(User), claims.user_id),
            (schema(Membership), member),
        )
        session_row, user_row, member_row = await self._store.read_together(scope, keys)
        if session_row is None or user_row is None or member_row is None:
            return None
        login, membership = LoginSession.stored(session_row), Membership.stored(member_row)
        role = membership.standing
        if login.user_id != claims.user_id or has_ended(login, now) or not user_row["is_active"]:
            return None
        if role is None or membership.epoch != claims.epoch:
            return None
        return Principal(claims.user_id, claims.tenant_id, login.id, role, login.device)

    async def members_among(self, tenant_id: UUID, people: frozenset[UUID]) -> frozenset[UUID]:
        """Those of these people who have a membership of the tenant, ended or not."""
        ids = [membership_id(tenant_id, user_id) for user_id in people]
        found = [
            row
            for start in range(0, len(ids), MAX_LIMIT)
            for row in await self.select_all(Membership, {"id__in": tuple(ids[start : start + MAX_LIMIT])})
        ]
        return frozenset(row.user_id for row in found)

    async def select_all(self, entity: type[E], where: dict[str, Any]) -> list[E]:
        """Every row that matches, however many."""
        found: list[E] = []
        after: str | None = None
        async with self.open(_LOOK_UP) as session:
            while True:
                page = await session.select(entity, where, limit=MAX_LIMIT, after=after)
                found.extend(page.items)
                after = page.next
                if after is None:
                    return found

    async def _tenants(self, ids: list[UUID]) -> list[Tenant]:
        async with self.open(_LOOK_UP) as session:
            return (await session.select(Tenant, {"id__in": ids}, limit=MAX_LIMIT)).items

    async def _one(self, entity: type[E], where: dict[str, Any]) -> E | None:
        async with self.open(_LOOK_UP) as session:
            page = await session.select(entity, where, limit=1)
        return page.items[0] if page.items else None


def has_ended(login: LoginSession, now: datetime) -> bool:
    """Whether a login session is over."""
    return login.revoked_at is not None or now >= login.expires_at


def as_id(text: str) -> UUID | None:
    """The id that a text spells, if it spells one. No slug does."""
    try:
        return parse_id(text) if len(text) == len(str(UUID(int=0))) else None
    except ValueError:
        return None


def _access(tenant: Tenant, membership: Membership | None) -> TenantAccess | None:
    if membership is None or membership.standing is None:
        return None
    return TenantAccess(
        tenant.id, tenant.name, tenant.slug, tenant.personal, membership.standing, membership.epoch
    )


def _chunks(ids: list[UUID]) -> list[list[UUID]]:
    return [ids[start : start + MAX_LIMIT] for start in range(0, len(ids), MAX_LIMIT)]
