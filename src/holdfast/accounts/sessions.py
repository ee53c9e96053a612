"""Login sessions and their refresh families: begin, refresh, switch the tenant, end.

A family has the id of its session: a login makes one of each, and they end together. A rotation is one compare-and-set on
the family's row. Who loses it reads the row again, finds that the presented token is now the predecessor of the live
one, and is given that same successor: of fifty refreshes at once, fifty get one token, and nobody is signed out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from holdfast.accounts.directory import Directory, has_ended
from holdfast.accounts.entities import LoginSession, RefreshFamily, User
from holdfast.accounts.grant import Grant, TenantAccess
from holdfast.accounts.log import Event, RealmLog
from holdfast.errors import Busy, NotAuthenticated, NotFound, StaleVersion
from holdfast.identity.principal import Principal
from holdfast.identity.refresh import (
    DEFAULT_POLICY,
    Expired,
    FamilyState,
    RefreshPolicy,
    RefreshTokens,
    Replay,
    Rotate,
    decide,
)
from holdfast.identity.signing import SigningKey
from holdfast.identity.tokens import ACCESS_LIFETIME, begin_claims, issue
from holdfast.model.ids import new_id

_TRIES: Final = 8
_SHORTEST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """What access tokens are signed with, and the names that they carry."""

    key: SigningKey
    issuer: str
    audience: str

    def issue(self, login: LoginSession, tenant: TenantAccess, *, now: datetime) -> tuple[str, int]:
        """An access token of a session and its life in seconds, which does not outlast the session."""
        lifetime = max(min(ACCESS_LIFETIME, login.expires_at - now), _SHORTEST)
        claims = begin_claims(
            issuer=self.issuer,
            audience=self.audience,
            user_id=login.user_id,
            tenant_id=tenant.id,
            session_id=login.id,
            token_id=new_id(),
            epoch=tenant.epoch,
            methods=login.methods,
            authenticated_at=login.authenticated_at,
            now=now,
            lifetime=lifetime,
        )
        return issue(claims, key=self.key), int(lifetime.total_seconds())


class Sessions:
    """Begins, continues and ends login sessions. `forget` is told of every session that ends before its time."""

    def __init__(
        self,
        directory: Directory,
        log: RealmLog,
        *,
        issuer: TokenIssuer,
        refresh: RefreshTokens,
        clock: Callable[[], datetime],
        forget: Callable[[UUID], None],
        policy: RefreshPolicy = DEFAULT_POLICY,
    ) -> None:
        self._directory = directory
        self._log = log
        self._issuer = issuer
        self._refresh = refresh
        self._clock = clock
        self._forget = forget
        self._policy = policy

    async def begin(self, user: User, tenant: TenantAccess, *, device: str | None) -> Grant:
        """Begin a session of a person who has just shown, or chosen, their password."""
        now = self._clock()
        login = LoginSession(
            user_id=user.id,
            tenant_id=tenant.id,
            device=device,
            methods=["pwd"],
            authenticated_at=now,
            last_seen=now,
            expires_at=now + self._policy.absolute,
        )
        family = RefreshFamily(
            id=login.id,
            user_id=user.id,
            began_at=now,
            last_used=now,
            device=device,
            expires_at=login.expires_at,
        )
        async with self._directory.open("begin a session") as session:
            await session.batch([login, family])
        await self._log.record(Event.LOGIN_SUCCEEDED, user_id=user.id, tenant_id=tenant.id)
        return self._grant(login, tenant, number=0, now=now)

    async def refresh(self, token: str, *, device: str | None) -> Grant:
        """Exchange a refresh token. Raises NotAuthenticated; a copy that came back ends the session for everybody."""
        presented = self._refresh.check(token, device=device)
        for _ in range(_TRIES):
            async with self._directory.open("refresh a session") as session:
                family = await session.find(RefreshFamily, presented.family_id)
                login = await session.find(LoginSession, presented.family_id)
            now = self._clock()
            if family is None or login is None:
                raise _over()
            decision = decide(_state(family), presented, now=now, policy=self._policy)
            if isinstance(decision, Expired):
                raise _over()
            if isinstance(decision, Replay):
                await self._replayed(login, misuse=decision.misuse.value)
                raise _over()
            tenant = await self._standing(login, now)
            rotation = decision.state if isinstance(decision, Rotate) else None
            if rotation is None or await self._rotate(family, login, rotation):
                number = family.counter if rotation is None else rotation.counter
                return self._grant(login, tenant, number=number, now=now)
        raise Busy("this session is being refreshed too often")

    async def switch(self, principal: Principal, tenant: TenantAccess) -> Grant:
        """An access token for another tenant, in the same session. Refreshing goes on in that tenant.

        Tokens of the tenant before it are left to live out their time: another window may still be there.
        """
        now = self._clock()
        login = await self._own(principal, now)
        async with self._directory.open("switch the tenant") as session:
            await session.patch(LoginSession, login.id, {"tenant_id": tenant.id, "last_seen": now})
        return self._grant(login, tenant, number=None, now=now)

    async def end(self, session_id: UUID) -> bool:
        """End a session and its family. False where it was over."""
        for _ in range(_TRIES):
            async with self._directory.open("end a session") as session:
                login = await session.find(LoginSession, session_id)
            if login is None or login.revoked_at is not None:
                self._forget(session_id)
                return False
            if await self._revoke(login):
                self._forget(session_id)
                return True
        raise Busy("this session is changing too often")

    async def end_all(self, user_id: UUID) -> None:
        """End every session of a person."""
        for login in await self._directory.select_all(LoginSession, {"user_id": user_id}):
            if not has_ended(login, self._clock()):
                await self.end(login.id)

    # -- steps ----------------------------------------------------------------------------------------------------

    async def _rotate(self, family: RefreshFamily, login: LoginSession, state: FamilyState) -> bool:
        """The one atomic step: the counter moves on from where it was read, or somebody else has moved it."""
        rotated = {"counter": state.counter, "rotated_at": state.rotated_at, "last_used": state.last_used}
        try:
            async with self._directory.open("refresh a session") as session:
                await session.patch(RefreshFamily, family.id, rotated, if_version=family.version)
                await session.patch(LoginSession, login.id, {"last_seen": state.last_used})
        except (StaleVersion, NotFound):
            return False
        return True

    async def _revoke(self, login: LoginSession) -> bool:
        """Family first, as in a rotation, so that the two never wait for one another."""
        now = self._clock()
        try:
            async with self._directory.open("end a session") as session:
                await session.patch(RefreshFamily, login.id, {"revoked_at": now})
                await session.patch(LoginSession, login.id, {"revoked_at": now}, if_version=login.version)
        except (StaleVersion, NotFound):
            return False
        return True

    async def _replayed(self, login: LoginSession, *, misuse: str) -> None:
        """Of several copies that come back at once, the one that ends the session reports it."""
        if await self.end(login.id):
            await self._log.record(
                Event.REFRESH_REPLAYED,
                user_id=login.user_id,
                tenant_id=login.tenant_id,
                detail={"misuse": misuse},
            )

    async def _standing(self, login: LoginSession, now: datetime) -> TenantAccess:
        """What the session may enter. A person who was sent away does not use their token up, nor lose the family."""
        user = await self._directory.user(login.user_id)
        tenant = await self._directory.access(login.user_id, login.tenant_id)
        if has_ended(login, now) or user is None or not user.is_active or tenant is None:
            raise _over()
        return tenant

    async def _own(self, principal: Principal, now: datetime) -> LoginSession:
        if principal.session_id is None:
            raise NotAuthenticated("There is no login session to go on with.")
        async with self._directory.open("switch the tenant") as session:
            login = await session.find(LoginSession, principal.session_id)
        if login is None or login.user_id != principal.user_id or has_ended(login, now):
            raise _over()
        return login

    def _grant(
        self, login: LoginSession, tenant: TenantAccess, *, number: int | None, now: datetime
    ) -> Grant:
        access, seconds = self._issuer.issue(login, tenant, now=now)
        refresh = None if number is None else self._refresh.mint(login.id, number)
        return Grant(access, refresh, seconds, tenant)


def _state(family: RefreshFamily) -> FamilyState:
    return FamilyState(
        family_id=family.id,
        created_at=family.began_at,
        last_used=family.last_used,
        counter=family.counter,
        rotated_at=family.rotated_at,
        device=family.device,
        revoked=family.revoked_at is not None,
    )


def _over() -> NotAuthenticated:
    return NotAuthenticated("The session is over.", where="session")
