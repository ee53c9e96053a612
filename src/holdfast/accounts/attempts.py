"""How often an account may be knocked at: 100 times in any 15 minutes, and not at all after five failures.

Failures are kept in the realm, so that they survive a restart and are counted by all processes together. The windows are
this process's own. How often one client address may knock is counted by the API.

The attempts of one account take turns in a process. An attempt counts as a failure until its password has been found
right, so without turns six devices of one person that log in at once would lock it.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from holdfast.accounts.directory import Directory
from holdfast.accounts.entities import LoginFailures
from holdfast.errors import AlreadyExists, Busy, NotFound, RateLimited, StaleVersion
from holdfast.identity.lockout import DEFAULT_POLICY, FailureRecord, LockoutPolicy, after_failure
from holdfast.identity.window import SlidingWindow, WindowPolicy

_LABEL: Final = b"holdfast account key v1"
_TRIES: Final = 20
_MAX_TURNS: Final = 50
_REASON: Final = "count a login"
MAILS_TO_ONE_ADDRESS: Final = WindowPolicy(limit=5, window=60 * 60.0)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """Which account a name is, whether there is such an account or not: a keyed hash of the name."""

    digest: bytes

    @property
    def row_id(self) -> UUID:
        """Where its failures are kept."""
        return UUID(bytes=self.digest[:16], version=5)

    @property
    def text(self) -> str:
        """What stands for the account in the log."""
        return self.digest[16:32].hex()


@dataclass(slots=True)
class _Turns:
    """One account's attempts in this process: one at a time, `count` of them in all."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    count: int = 0


class LoginAttempts:
    """Counts requests and failures. Raises RateLimited, with the seconds after which to come back."""

    def __init__(
        self,
        directory: Directory,
        *,
        secret: bytes,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        policy: LockoutPolicy = DEFAULT_POLICY,
    ) -> None:
        self._directory = directory
        self._secret = hmac.digest(secret, _LABEL, "sha256")
        self._clock = clock
        self._monotonic = monotonic
        self._policy = policy
        self._accounts = SlidingWindow(max_keys=100_000)
        self._mails = SlidingWindow(MAILS_TO_ONE_ADDRESS, max_keys=100_000)
        self._turns: dict[str, _Turns] = {}

    def key(self, email_key: str) -> AccountKey:
        """The key of an account's name."""
        return AccountKey(hmac.digest(self._secret, email_key.encode(), "sha256"))

    def may_mail(self, key: AccountKey) -> bool:
        """Whether one more mail may go to this address: at most 5 in any hour."""
        return self._mails.hit(key.text, self._monotonic()) is None

    @asynccontextmanager
    async def turn(self, key: AccountKey) -> AsyncIterator[None]:
        """Wait until no other attempt of this account is being looked at. Raises Busy when too many wait."""
        turns = self._turns.setdefault(key.text, _Turns())
        if turns.count >= _MAX_TURNS:
            raise Busy("too many logins of one account are waiting")
        turns.count += 1
        try:
            async with turns.lock:
                yield
        finally:
            turns.count -= 1
            if not turns.count:
                del self._turns[key.text]

    async def begin(self, key: AccountKey) -> bool:
        """Count an attempt as failed before its password is looked at; say whether another failure made it a lock.

        Counted afterwards, two hundred guesses sent at once would all be looked at before the first of them counted.
        """
        counted = False
        for _ in range(_TRIES):
            row = await self._read(key)
            now = self._clock()
            record = _record(row)
            _refuse_after(record.retry_after(_seconds(now)))
            if not counted:
                # Behind the lock: whoever knocks at a locked account uses nothing up for its owner.
                _refuse_after(self._accounts.hit(key.text, self._monotonic()))
                counted = True
            after = after_failure(record, _seconds(now), policy=self._policy)
            if await self._store(key, row, after, now):
                return after.locked_until is not None and after.locks > record.locks
        raise Busy("this account is being tried too often")

    async def succeeded(self, key: AccountKey) -> None:
        """Forget an account's failures and locks."""
        for _ in range(_TRIES):
            row = await self._read(key)
            if row is None or not row.failures:
                return
            if await self._store(key, row, FailureRecord(), self._clock()):
                return

    async def _read(self, key: AccountKey) -> LoginFailures | None:
        async with self._directory.open(_REASON) as session:
            return await session.find(LoginFailures, key.row_id)

    async def _store(
        self, key: AccountKey, row: LoginFailures | None, record: FailureRecord, now: datetime
    ) -> bool:
        """Replace what was read. False where somebody else has been faster."""
        values = _values(record, now + timedelta(seconds=self._policy.forget_after))
        try:
            async with self._directory.open(_REASON) as session:
                if row is None:
                    await session.put(LoginFailures(id=key.row_id, **values))
                else:
                    await session.patch(LoginFailures, row.id, values, if_version=row.version)
        except (AlreadyExists, StaleVersion, NotFound):
            return False
        return True


def _refuse_after(seconds: float | None) -> None:
    if seconds is not None:
        raise RateLimited("Too many attempts.", retry_after=max(seconds, 1.0))


def _record(row: LoginFailures | None) -> FailureRecord:
    if row is None:
        return FailureRecord()
    until = None if row.locked_until is None else row.locked_until / 1000
    return FailureRecord(tuple(at / 1000 for at in row.failures), row.locks, until)


def _values(record: FailureRecord, expires_at: datetime) -> dict[str, object]:
    until = None if record.locked_until is None else round(record.locked_until * 1000)
    return {
        "failures": [round(at * 1000) for at in record.failures],
        "locks": record.locks,
        "locked_until": until,
        "expires_at": expires_at,
    }


def _seconds(now: datetime) -> float:
    return now.astimezone(UTC).timestamp()
