"""`Accounts`: everything that a surface may ask of the identity realm."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from holdfast.accounts.attempts import LoginAttempts
from holdfast.accounts.authenticator import Authenticator, TokenRules
from holdfast.accounts.directory import Directory, TenantName
from holdfast.accounts.entities import Membership, Tenant, User
from holdfast.accounts.grant import Grant, NewUser, TenantAccess
from holdfast.accounts.hashing import HashingPool
from holdfast.accounts.log import Event, RealmLog
from holdfast.accounts.login import PasswordLogin, entered
from holdfast.accounts.mail import MailSender
from holdfast.accounts.members import Members
from holdfast.accounts.people import checked_device
from holdfast.accounts.registration import Registration
from holdfast.accounts.sessions import Sessions, TokenIssuer
from holdfast.accounts.sweep import sweep
from holdfast.errors import Busy, NotFound, StaleVersion
from holdfast.identity.email import parse_email
from holdfast.identity.passwords import PasswordHasher
from holdfast.identity.principal import Principal, Role
from holdfast.identity.refresh import RefreshTokens
from holdfast.identity.signing import SigningKey, VerifyingKey, key_set
from holdfast.store.store import Store

ISSUER: Final = "holdfast"
AUDIENCE: Final = "holdfast-api"
_TRIES: Final = 5


class Accounts:
    """People, tenants and sessions. Safe to share between tasks of one event loop.

    How often one client address may knock is the API's to count; how often one account is knocked at is counted here.
    """

    def __init__(
        self,
        store: Store,
        *,
        signing_key: SigningKey,
        refresh_secret: bytes,
        mail: MailSender,
        development: bool,
        other_keys: Sequence[VerifyingKey] = (),
        issuer: str = ISSUER,
        audience: str = AUDIENCE,
        verification_link: str | None = None,
        hasher: PasswordHasher | None = None,
        clock: Callable[[], datetime] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`other_keys` verify without signing: the next, and the one before while its tokens live.

        `development` signs a new person in at once, and lets people log in whose address is not verified. To
        `verification_link` the token of a mail is appended. `clock` is the store's where none is given.
        """
        self._clock = clock or store.clock
        self._directory = Directory(store)
        self.log = RealmLog(store, clock=self._clock)
        keys = key_set([signing_key.verifying, *other_keys])
        self._authenticator = Authenticator(
            self._directory,
            TokenRules(keys, issuer, audience),
            clock=self._clock,
            monotonic=monotonic,
        )
        self._sessions = Sessions(
            self._directory,
            self.log,
            issuer=TokenIssuer(signing_key, issuer, audience),
            refresh=RefreshTokens(refresh_secret),
            clock=self._clock,
            forget=self._authenticator.forget_session,
        )
        self._attempts = LoginAttempts(
            self._directory, secret=refresh_secret, clock=self._clock, monotonic=monotonic
        )
        self._hashing = HashingPool(hasher or PasswordHasher())
        self._login = PasswordLogin(
            self._directory,
            self.log,
            hashing=self._hashing,
            attempts=self._attempts,
            sessions=self._sessions,
            unverified_may_enter=development,
        )
        self._registration = Registration(
            self._directory,
            self.log,
            hashing=self._hashing,
            attempts=self._attempts,
            sessions=self._sessions,
            mail=mail,
            clock=self._clock,
            development=development,
            verification_link=verification_link,
        )
        self._members = Members(
            self._directory, self.log, clock=self._clock, forget=self._authenticator.forget_member
        )

    # -- at the door ----------------------------------------------------------------------------------------------

    async def register(
        self, email: str, name: str, password: str, *, device: str | None = None
    ) -> Grant | None:
        """Register somebody. None means: answer 202, the mail says the rest.

        A Grant comes back only in development, and only for an address that was not known. Raises InvalidInput for
        what could be nobody's address, name or password.
        """
        return await self._registration.register(email, name, password, device=device)

    async def verify_email(self, token: str) -> None:
        """The answer to a registration's mail. Raises InvalidInput."""
        await self._registration.verify(token)

    async def login(
        self, email: str, password: str, tenant: TenantName | None = None, device: str | None = None
    ) -> Grant:
        """Begin a session in a tenant (id or slug), by default the person's own.

        Raises NotAuthenticated, the same whatever is wrong; RateLimited where the account is locked; Forbidden for a
        tenant that does not have this person as a member, whether it exists or not.
        """
        return await self._login.login(email, password, tenant=tenant, device=device)

    async def refresh(self, token: str, device: str | None = None) -> Grant:
        """Exchange a refresh token for its successor and an access token. Raises NotAuthenticated."""
        return await self._sessions.refresh(token, device=checked_device(device))

    async def members_among(self, tenant_id: UUID, people: frozenset[UUID]) -> frozenset[UUID]:
        """Which of these people are, or have been, members of a tenant: those whom its rows may name."""
        return await self._directory.members_among(tenant_id, people)

    # -- in a session ---------------------------------------------------------------------------------------------

    async def authenticate(self, access_token: str) -> Principal:
        """Whom an access token stands for. Raises NotAuthenticated, TokenExpired.

        What happens elsewhere to the session, the person or the membership takes effect within five seconds; what
        happens through this object, at once.
        """
        return await self._authenticator.authenticate(access_token)

    async def logout(self, principal: Principal) -> None:
        """End the session of this principal, and its refresh family."""
        if principal.session_id is not None and await self._sessions.end(principal.session_id):
            await self.log.record(
                Event.SESSION_ENDED,
                user_id=principal.user_id,
                tenant_id=principal.tenant_id,
                actor=principal.user_id,
            )

    async def switch(self, principal: Principal, tenant: TenantName) -> Grant:
        """An access token for another tenant in the same session; refreshing goes on there. Raises Forbidden.

        The refresh token is the one that the client has.
        """
        access = await entered(self._directory, self.log, principal.user_id, tenant)
        grant = await self._sessions.switch(principal, access)
        await self.log.record(
            Event.TENANT_SWITCHED, user_id=principal.user_id, tenant_id=access.id, actor=principal.user_id
        )
        return grant

    async def tenants(self, user_id: UUID) -> list[TenantAccess]:
        """The tenants that a person may enter, their own first."""
        return await self._directory.accesses(user_id)

    async def record_tenant_scope(self, principal: Principal, reason: str) -> None:
        """Enter in the realm's log, durably, that a person acts for the whole tenant, and why."""
        await self.log.record(
            Event.TENANT_SCOPE_OPENED,
            user_id=principal.user_id,
            tenant_id=principal.tenant_id,
            actor=principal.user_id,
            reason=reason,
        )

    async def user(self, user_id: UUID) -> User:
        """A person. Raises NotFound."""
        found = await self._directory.user(user_id)
        if found is None:
            raise NotFound("There is no such user.", where="user")
        return found

    # -- administration -------------------------------------------------------------------------------------------

    async def add_user(self, email: str, name: str, password: str | None = None) -> NewUser:
        """Add a person, verified, with their own tenant; without a password one is made up and returned.

        Raises Duplicate for an address that is known.
        """
        return await self._registration.add(email, name, password=password)

    async def set_active(self, email: str, *, active: bool) -> None:
        """Deactivate a person, which ends all their sessions, or activate them again. Raises NotFound."""
        for _ in range(_TRIES):
            user = await self._members.user(email)
            if user.is_active is active:
                break
            try:
                async with self._directory.open("activate or deactivate a user") as session:
                    await session.patch(User, user.id, {"is_active": active}, if_version=user.version)
            except StaleVersion:
                continue
            event = Event.USER_ACTIVATED if active else Event.USER_DEACTIVATED
            await self.log.record(event, user_id=user.id)
            break
        else:
            raise Busy("this user is changing too often")
        if not active:
            await self._sessions.end_all(user.id)

    async def add_tenant(self, name: str, owner_email: str) -> Tenant:
        """Make an organisation's tenant with its first owner. Raises NotFound for a person who is not known."""
        return await self._members.add_tenant(name, owner_email)

    async def find_tenant(self, tenant: TenantName) -> Tenant | None:
        """A tenant by id or slug."""
        return await self._directory.find_tenant(tenant)

    async def add_member(
        self, tenant: TenantName, email: str, role: Role, *, actor: Principal | None = None
    ) -> Membership:
        """Make a person a member, or give a member another role.

        Raises NotFound, Conflict where no owner would be left, Forbidden where the `actor` may not.
        """
        return await self._members.set_role(tenant, email, role, actor=actor)

    async def remove_member(self, tenant: TenantName, email: str, *, actor: Principal | None = None) -> None:
        """End a membership. Raises NotFound, Conflict for the last owner, Forbidden where the `actor` may not."""
        await self._members.remove(tenant, email, actor=actor)

    def failures_id(self, email: str) -> UUID:
        """The row in which failed logins of this address are counted, whether it has an account or not."""
        return self._attempts.key(parse_email(email).key).row_id

    async def sweep(self) -> int:
        """Delete what has run out: a job for once an hour."""
        return await sweep(self._directory, now=self._clock())

    async def aclose(self) -> None:
        """Wait until what was begun is done. The store stays open."""
        await self._authenticator.aclose()
        await self.log.aclose()
        self._hashing.close()
