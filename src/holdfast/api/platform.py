"""What the API needs of a deployment: a few attributes and calls, kept by whoever assembles one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from holdfast.identity.principal import Principal, Role
from holdfast.model.pack import Pack
from holdfast.store.store import Store
from holdfast.sync.hub import Hub


class Tenant(Protocol):
    """A tenant as one of its members sees it."""

    @property
    def id(self) -> UUID: ...
    @property
    def name(self) -> str: ...
    @property
    def slug(self) -> str: ...
    @property
    def personal(self) -> bool: ...
    @property
    def role(self) -> Role: ...


class Grant(Protocol):
    """What a sign-in yields: tokens for one tenant. `expires_in` is the access token's life in seconds.

    `refresh_token` is None where a session goes on with the one that it has.
    """

    @property
    def access_token(self) -> str: ...
    @property
    def refresh_token(self) -> str | None: ...
    @property
    def token_type(self) -> str: ...
    @property
    def expires_in(self) -> int: ...
    @property
    def tenant(self) -> Tenant: ...


class Accounts(Protocol):
    """People and their sessions. Every call raises errors of `holdfast.errors` alone."""

    async def register(
        self, email: str, name: str, password: str, *, device: str | None = None
    ) -> Grant | None:
        """Enter a person, known or not. A grant comes back on a development store alone, for a person who is new."""

    async def login(
        self, email: str, password: str, *, tenant: str | None = None, device: str | None = None
    ) -> Grant:
        """Begin a session. Raises NotAuthenticated, the same for every reason, or RateLimited."""

    async def refresh(self, token: str, *, device: str | None = None) -> Grant:
        """The next tokens of a session. Raises NotAuthenticated; a replay ends the session."""

    async def logout(self, principal: Principal) -> None:
        """End the session."""

    async def switch(self, principal: Principal, tenant: str) -> Grant:
        """Tokens for another tenant of the same person, in the same session. Raises Forbidden."""

    async def tenants(self, user_id: UUID) -> Sequence[Tenant]:
        """The tenants in which a person is a member."""

    async def verify_email(self, token: str) -> None:
        """Take a token from a mail. Raises InvalidInput."""

    async def authenticate(self, access_token: str) -> Principal:
        """Who a token stands for, checked against its session. Raises NotAuthenticated or TokenExpired."""

    async def record_tenant_scope(self, principal: Principal, reason: str) -> None:
        """Enter in the realm's log that this person reads for the whole tenant, and why."""


class Platform(Protocol):
    """A deployment, put together and open."""

    @property
    def store(self) -> Store: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def hub(self) -> Hub: ...
    @property
    def packs(self) -> tuple[Pack, ...]: ...
    @property
    def version(self) -> str: ...
    @property
    def development(self) -> bool: ...

    async def health(self) -> Mapping[str, Any]:
        """How the parts are: `status` is `ok` when all are well. May raise what a part raised."""
