"""Logging in with a password. Unknown, wrong, unverified and inactive look alike, in words and in work."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from holdfast.accounts.attempts import AccountKey, LoginAttempts
from holdfast.accounts.directory import Directory, TenantName
from holdfast.accounts.entities import Credential, User
from holdfast.accounts.grant import Grant, TenantAccess
from holdfast.accounts.hashing import HashingPool
from holdfast.accounts.log import Event, RealmLog
from holdfast.accounts.people import checked_device
from holdfast.accounts.sessions import Sessions
from holdfast.errors import Forbidden, NotAuthenticated, NotFound, StaleVersion
from holdfast.identity.email import parse_email
from holdfast.identity.passwords import shape_fault

_REASON: Final = "log in"


class PasswordLogin:
    """Checks a password and begins a session."""

    def __init__(
        self,
        directory: Directory,
        log: RealmLog,
        *,
        hashing: HashingPool,
        attempts: LoginAttempts,
        sessions: Sessions,
        unverified_may_enter: bool,
    ) -> None:
        self._directory = directory
        self._log = log
        self._hashing = hashing
        self._attempts = attempts
        self._sessions = sessions
        self._unverified_may_enter = unverified_may_enter

    async def login(
        self, email: str, password: str, *, tenant: TenantName | None, device: str | None
    ) -> Grant:
        """Begin a session in a tenant, by default the person's own.

        Raises NotAuthenticated, RateLimited for an account that is locked or asked for too often, and Forbidden where
        the password is right and the person is no member of the tenant, or there is no such tenant.
        """
        address, device = parse_email(email), checked_device(device)
        key = self._attempts.key(address.key)
        async with self._attempts.turn(key):
            locks = await self._attempts.begin(key)
            user = await self._directory.user_by_email(address.key)
            fault = await self._fault(user, key, password)
            if user is None or fault is not None:
                await self._failed(user, key, reason=fault or "unknown", locks=locks)
                raise NotAuthenticated("The e-mail address or the password is not right.")
            await self._attempts.succeeded(key)
        access = await entered(self._directory, self._log, user.id, tenant)
        return await self._sessions.begin(user, access, device=device)

    async def _fault(self, user: User | None, key: AccountKey, password: str) -> str | None:
        """Why this login fails, or None. Two reads and one hash whatever the reason."""
        credential = await self._directory.credential(key.row_id if user is None else user.id)
        usable = user is not None and credential is not None and shape_fault(password) is None
        stored = credential.hash if credential is not None and usable else None
        matches = await self._hashing.verify(stored, password if usable else "")
        if user is None:
            return "unknown"
        if not matches:
            return "password"
        if not user.is_active:
            return "inactive"
        if not user.email_verified and not self._unverified_may_enter:
            return "unverified"
        if credential is not None and self._hashing.needs_rehash(credential.hash):
            await self._rehash(credential, password)
        return None

    async def _rehash(self, credential: Credential, password: str) -> None:
        """Keep the password at today's cost. Where the record has just changed, there is nothing to keep."""
        hashed = await self._hashing.hash(password)
        try:
            async with self._directory.open(_REASON) as session:
                await session.patch(
                    Credential, credential.id, {"hash": hashed}, if_version=credential.version
                )
        except (StaleVersion, NotFound):
            return

    async def _failed(self, user: User | None, key: AccountKey, *, reason: str, locks: bool) -> None:
        user_id = None if user is None else user.id
        detail = {"account": key.text}
        await self._log.record(Event.LOGIN_FAILED, user_id=user_id, detail={**detail, "reason": reason})
        if locks:
            await self._log.record(Event.ACCOUNT_LOCKED, user_id=user_id, detail=detail)


async def entered(
    directory: Directory, log: RealmLog, user_id: UUID, tenant: TenantName | None
) -> TenantAccess:
    """The tenant that a person asks for. Raises Forbidden, the same for one that does not exist."""
    access = await directory.access(user_id, tenant)
    if access is None:
        await log.record(Event.TENANT_REFUSED, user_id=user_id, actor=user_id)
        raise Forbidden("This person is not a member of such a tenant.", where="tenant")
    return access
