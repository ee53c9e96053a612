"""The realm's log: what happened to people and tenants. It is appended in groups, so that logins never share a lock.

Whoever records an event waits until its group is durable, and while one group is on its way the next one gathers. A line
names people by id. Its detail holds counts and words from our own vocabulary, never a field's value.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from holdfast.accounts.entities import RealmEvent
from holdfast.errors import Busy, HoldfastError, Unavailable
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

MAX_WAITING: Final = 10_000
MAX_GROUP: Final = 500
MAX_REASON: Final = 255
_WORD: Final = re.compile(r"[a-z][a-z0-9_]{0,31}|[0-9a-f]{32}")


class Event(StrEnum):
    """Everything that is recorded."""

    USER_REGISTERED = "user_registered"
    REGISTRATION_REPEATED = "registration_repeated"
    """Somebody registered an address that has an account."""
    EMAIL_VERIFIED = "email_verified"
    USER_ADDED = "user_added"
    USER_DEACTIVATED = "user_deactivated"
    USER_ACTIVATED = "user_activated"
    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_FAILED = "login_failed"
    """Detail: `reason`, and `account`, which tells accounts apart whether they exist or not."""
    ACCOUNT_LOCKED = "account_locked"
    """Five failed logins in 15 minutes: an alarm."""
    SESSION_ENDED = "session_ended"
    TENANT_SWITCHED = "tenant_switched"
    TENANT_REFUSED = "tenant_refused"
    """Somebody asked for a tenant that they do not belong to, or that does not exist."""
    REFRESH_REPLAYED = "refresh_replayed"
    """A refresh token came back that must not: an alarm. Detail: `misuse`."""
    TENANT_ADDED = "tenant_added"
    TENANT_SCOPE_OPENED = "tenant_scope_opened"
    """Somebody acts for the whole tenant, and says why."""
    MEMBER_ADDED = "member_added"
    MEMBER_ROLE_CHANGED = "member_role_changed"
    MEMBER_REMOVED = "member_removed"


Detail = Mapping[str, str | int | bool]


class RealmLog:
    """Appends events. One group is on its way at a time; all that came meanwhile is the next."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._waiting: list[tuple[RealmEvent, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def record(
        self,
        event: Event,
        *,
        user_id: UUID | None = None,
        tenant_id: UUID | None = None,
        actor: UUID | None = None,
        reason: str | None = None,
        detail: Detail | None = None,
    ) -> None:
        """Append an event and return when it is durable. `reason` is what the actor said, where they had to say why.

        Raises what the store raises, and Busy when too much waits.
        """
        words = {} if detail is None else dict(detail)
        _refuse_values(words)
        line = RealmEvent(
            event=event.value,
            at=self._clock(),
            user_id=user_id,
            tenant_id=tenant_id,
            actor=actor,
            reason=reason if reason is None else reason[:MAX_REASON],
            detail=words,
        )
        if len(self._waiting) >= MAX_WAITING:
            raise Busy("too many events wait for the realm's log")
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, durable))
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        await durable

    async def aclose(self) -> None:
        """Wait until everything that was recorded is durable."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                await self._append(group)
        finally:
            self._task = None

    async def _append(self, group: list[tuple[RealmEvent, asyncio.Future[None]]]) -> None:
        failure: Exception | None = Unavailable("the realm's log was interrupted")
        try:
            await self._store.ingest(Scope.realm(reason="append to the realm's log"), [e for e, _ in group])
            failure = None
        except Exception as error:  # noqa: BLE001 (each waiting caller is told, and it ends nobody else's group)
            failure = error
        finally:
            for _, durable in group:
                _settle(durable, failure)


def _settle(durable: asyncio.Future[None], failure: Exception | None) -> None:
    if durable.done():
        return
    if failure is None:
        durable.set_result(None)
    else:
        durable.set_exception(failure)


def _refuse_values(detail: Detail) -> None:
    """Words of our own have no capitals, points or `@`, and are short: addresses, tokens and hashes do not pass."""
    for name, value in detail.items():
        if not _WORD.fullmatch(name) or (isinstance(value, str) and not _WORD.fullmatch(value)):
            raise HoldfastError(
                "The detail of an event holds our own words and numbers only.", where="realm log"
            )
