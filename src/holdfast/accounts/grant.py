"""What a login gives: tokens, and the tenant that they are for."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from holdfast.identity.principal import Role


@dataclass(frozen=True, slots=True)
class TenantAccess:
    """A tenant as one of its members sees it."""

    id: UUID
    name: str = field(repr=False)
    slug: str
    personal: bool
    role: Role
    epoch: int = field(default=0, repr=False)
    """Which of the person's memberships this is; tokens carry it."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens for one tenant. `expires_in` is the access token's life in seconds.

    `refresh_token` is None where a session goes on with the one it has: who shows an access token is not given more.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int
    tenant: TenantAccess
    token_type: str = "Bearer"  # noqa: S105 (a scheme's name, RFC 6750)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A person whom an operator has added. `password` is there where one was made up: it is shown once."""

    user_id: UUID
    tenant_id: UUID
    password: str | None = field(default=None, repr=False)
