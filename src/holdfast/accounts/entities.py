"""The rows of the identity realm, declared like any others, in the pack `realm`.

Realm rows belong to no tenant and are not journaled: who changes one names the version that it was read at, and the
engine's compare-and-set decides. Rows of tenants refer to `memberships (tenant_id, user_id)` and never to `users`, so a
membership that ends is kept, with the time of its end.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from holdfast.identity.principal import Role
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength, Ref
from holdfast.model.policies import Index, Realm, Unique
from holdfast.model.schema import EntitySchema

PACK = "realm"

Text255 = Annotated[str, MaxLength(255)]


class User(Entity, table="users", policies=(Realm(), Unique("email_key"))):
    """A person. `email` is as it was given, `email_key` what accounts are compared by."""

    email: Text255 = Field(repr=False)
    email_key: Text255 = Field(repr=False)
    name: Text255 = Field(repr=False)
    avatar_url: Annotated[str, MaxLength(2048)] | None = Field(default=None, repr=False)
    email_verified: bool = False
    is_active: bool = True
    provider: Annotated[str, MaxLength(50)] = "email"


class Credential(Entity, table="credentials", policies=(Realm(), Unique("user_id", "kind"))):
    """What a person proves themselves with. `hash` is a PHC string."""

    user_id: Annotated[UUID, Ref("users")]
    kind: Literal["password"] = "password"
    hash: Annotated[str, MaxLength(512)] = Field(repr=False)


class Tenant(Entity, table="tenants", policies=(Realm(), Unique("slug"), Unique("personal_of"))):
    """A tenant. `personal_of` names the person whose own it is; None for an organisation's.

    `roster` counts the changes of its memberships. Each change raises it by compare-and-set, so that two of them never
    decide on the same picture: of two owners who remove one another, one stays.
    """

    name: Text255 = Field(repr=False)
    slug: Annotated[str, MaxLength(63)]
    personal_of: Annotated[UUID, Ref("users")] | None = None
    roster: int = 0

    @property
    def personal(self) -> bool:
        """Whether this is a person's own tenant."""
        return self.personal_of is not None


def membership_id(tenant_id: UUID, user_id: UUID) -> UUID:
    """The id of the membership of this person in this tenant: known without looking it up.

    SHA-256 over both ids, its first 16 bytes as a UUID of version 8 (RFC 9562).
    """
    raw = bytearray(hashlib.sha256(tenant_id.bytes + user_id.bytes).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))


def new_membership(tenant_id: UUID, user_id: UUID, role: Role) -> Membership:
    """A membership under the id that it always has."""
    row_id = membership_id(tenant_id, user_id)
    return Membership(id=row_id, tenant_id=tenant_id, user_id=user_id, role=role.value)


class Membership(
    Entity,
    table="memberships",
    policies=(Realm(), Unique("tenant_id", "user_id"), Index("user_id"), Index("tenant_id", "role")),
):
    """That a person belongs to a tenant, as what, and until when.

    `epoch` is raised when a membership ends, and tokens carry it: one of an earlier membership stays dead when the
    person comes back.
    """

    tenant_id: Annotated[UUID, Ref("tenants")]
    user_id: Annotated[UUID, Ref("users")]
    role: Literal["owner", "admin", "member", "viewer"]
    epoch: int = 0
    ended_at: datetime | None = None

    @property
    def standing(self) -> Role | None:
        """The role that is held, None once the membership has ended."""
        return Role(self.role) if self.ended_at is None else None


class LoginSession(Entity, table="sessions", policies=(Realm(), Index("user_id"), Index("expires_at"))):
    """A login, and for which tenant its next tokens are. It ends at `expires_at`, or before that at `revoked_at`."""

    user_id: Annotated[UUID, Ref("users")]
    tenant_id: Annotated[UUID, Ref("tenants")]
    device: Text255 | None = None
    methods: list[str]
    authenticated_at: datetime
    last_seen: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


class RefreshFamily(Entity, table="refresh_families", policies=(Realm(), Index("expires_at"))):
    """The refresh tokens of a login session, whose id is also the family's. Token `counter` is the live one.

    No token is kept: each is derived from the server's secret, the family's id and its number.
    """

    user_id: Annotated[UUID, Ref("users")]
    counter: int = 0
    began_at: datetime
    last_used: datetime
    rotated_at: datetime | None = None
    device: Text255 | None = None
    revoked_at: datetime | None = None
    expires_at: datetime


class Verification(
    Entity,
    table="verifications",
    policies=(Realm(), Unique("token_hash"), Index("user_id"), Index("expires_at")),
):
    """A mail that was sent to find out whether an address belongs to who typed it.

    `name` and `password_hash` are those of a later registration of the same address. They take effect when *its* mail
    is answered: whoever registers somebody else's address first does not thereby choose their password.
    """

    user_id: Annotated[UUID, Ref("users")]
    token_hash: Annotated[str, MaxLength(64)] = Field(repr=False)
    name: Text255 | None = Field(default=None, repr=False)
    password_hash: Annotated[str, MaxLength(512)] | None = Field(default=None, repr=False)
    expires_at: datetime


class LoginFailures(Entity, table="login_failures", policies=(Realm(), Index("expires_at"))):
    """Failed logins of one account, known or not: its id is a keyed hash of the name. Times are milliseconds."""

    failures: list[int]
    locks: int = 0
    locked_until: int | None = None
    expires_at: datetime


class RealmEvent(
    Entity,
    table="realm_log",
    policies=(Realm(), Index("at"), Index("event"), Index("user_id"), Index("tenant_id")),
):
    """One line of the realm's log. It refers to nothing, because it outlives what it names."""

    event: Annotated[str, MaxLength(64)]
    at: datetime
    user_id: UUID | None = None
    tenant_id: UUID | None = None
    actor: UUID | None = None
    reason: Text255 | None = None
    detail: dict[str, Any] = Field(default_factory=dict)


ENTITIES: tuple[type[Entity], ...] = (
    User,
    Credential,
    Tenant,
    Membership,
    LoginSession,
    RefreshFamily,
    Verification,
    LoginFailures,
    RealmEvent,
)


def schemas() -> tuple[EntitySchema, ...]:
    """The schemas of the realm, in an order in which references point back."""
    return tuple(Catalog({PACK: ENTITIES}))
