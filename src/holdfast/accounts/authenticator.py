"""Who sends this request: the token's signature, and whether its session, person and membership still stand.

A signature costs half a request, and the rest three reads. What came out is kept by the SHA-256 of the token for at most
five seconds, counted from before the reads; requests that bring the same new token together wait for one check. What
ends in this process is forgotten at once, here and in checks that are under way; elsewhere it ends with the five seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from holdfast.accounts.directory import Directory
from holdfast.errors import NotAuthenticated
from holdfast.identity.jws import MAX_TOKEN_BYTES
from holdfast.identity.principal import Principal
from holdfast.identity.signing import VerifyingKey
from holdfast.identity.tokens import AccessClaims, verify

KEPT_SECONDS: Final = 5.0
MAX_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What an access token must be signed with and say."""

    keys: Mapping[str, VerifyingKey]
    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class _Kept:
    principal: Principal
    until: float


@dataclass(slots=True, eq=False)
class _Check:
    """A check under way. `stale` says that something ended after its reads may have begun."""

    claims: AccessClaims
    stale: bool = False
    task: asyncio.Task[Principal | None] | None = None


class Authenticator:
    """Checks access tokens."""

    def __init__(
        self,
        directory: Directory,
        rules: TokenRules,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        max_kept: int = MAX_KEPT,
    ) -> None:
        self._directory = directory
        self._rules = rules
        self._clock = clock
        self._monotonic = monotonic
        self._max_kept = max_kept
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._checks: dict[bytes, _Check] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def authenticate(self, token: str) -> Principal:
        """Whom the token stands for, now. Raises NotAuthenticated, or TokenExpired for one that has merely expired."""
        if len(token) > MAX_TOKEN_BYTES:
            raise _refused()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        kept = self._kept.get(digest)
        if kept is not None and self._monotonic() < kept.until:
            return kept.principal
        check = self._checks.get(digest) or self._begin(token, digest)
        assert check.task is not None  # noqa: S101 (a check is listed with its task)
        # A request that goes away leaves the check to the others that wait for it.
        principal = await asyncio.shield(check.task)
        if principal is None:
            raise _refused()
        return principal

    def forget_session(self, session_id: UUID) -> None:
        """A session has ended."""
        self._forget(lambda p: p.session_id == session_id, lambda c: c.session_id == session_id)

    def forget_member(self, tenant_id: UUID, user_id: UUID) -> None:
        """A membership has ended or changed."""
        who = (tenant_id, user_id)
        self._forget(lambda p: (p.tenant_id, p.user_id) == who, lambda c: (c.tenant_id, c.user_id) == who)

    async def aclose(self) -> None:
        """Wait for the checks under way."""
        while self._checks:
            await asyncio.wait([check.task for check in self._checks.values() if check.task])

    # -- steps ----------------------------------------------------------------------------------------------------

    def _begin(self, token: str, digest: bytes) -> _Check:
        """Verify the token and begin to check its standing: no suspension in between, so that one caller does it."""
        rules = self._rules
        claims = verify(
            token, keys=rules.keys, issuer=rules.issuer, audience=rules.audience, now=self._clock()
        )
        check = self._checks[digest] = _Check(claims)
        check.task = asyncio.create_task(self._check(check, digest))
        check.task.add_done_callback(lambda task: self._done(digest, task))
        return check

    async def _check(self, check: _Check, digest: bytes) -> Principal | None:
        while True:
            check.stale = False
            began, now = self._monotonic(), self._clock()
            principal = await self._directory.principal(check.claims, now=now)
            if not check.stale:
                break
        if principal is not None:
            left = (check.claims.expires_at - now).total_seconds()
            self._keep(digest, _Kept(principal, began + min(KEPT_SECONDS, left)))
        return principal

    def _keep(self, digest: bytes, kept: _Kept) -> None:
        self._kept.pop(digest, None)
        self._kept[digest] = kept
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)

    def _done(self, digest: bytes, task: asyncio.Task[Principal | None]) -> None:
        del self._checks[digest]
        if not task.cancelled():
            task.exception()  # looked at, because those who waited for it may all have gone

    def _forget(
        self, kept_matches: Callable[[Principal], bool], claims_match: Callable[[AccessClaims], bool]
    ) -> None:
        for digest in [digest for digest, kept in self._kept.items() if kept_matches(kept.principal)]:
            del self._kept[digest]
        for check in self._checks.values():
            if claims_match(check.claims):
                check.stale = True


def _refused() -> NotAuthenticated:
    return NotAuthenticated("The access token does not hold.", where="token session")
