from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.accounts import log as realm_log
from holdfast.accounts.entities import RealmEvent
from holdfast.accounts.log import Event, RealmLog
from holdfast.errors import Busy, HoldfastError, Unavailable
from holdfast.identity.principal import Principal, Role
from holdfast.model.ids import new_id
from tests.accounts_fixtures import Realm, outcome


class Groups:
    """Watches, and may hold up or refuse, what the log hands to the store."""

    def __init__(self, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self._ingest = realm.store.ingest
        monkeypatch.setattr(realm.store, "ingest", self.ingest)

    async def ingest(self, scope: Any, events: Any) -> int:
        lines = list(events)
        self.sizes.append(len(lines))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return await self._ingest(scope, lines)


@pytest.fixture
def groups(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> Groups:
    return Groups(realm, monkeypatch)


@pytest.fixture
def log(realm: Realm) -> RealmLog:
    return RealmLog(realm.store, clock=realm.clock.now)


async def test_an_event_is_durable_when_record_returns(realm: Realm, log: RealmLog) -> None:
    user, tenant, actor = new_id(), new_id(), new_id()
    await log.record(
        Event.TENANT_SWITCHED, user_id=user, tenant_id=tenant, actor=actor, detail={"count": 3, "ok": True}
    )
    [line] = await realm.rows(RealmEvent)
    assert (line.event, line.user_id, line.tenant_id, line.actor) == ("tenant_switched", user, tenant, actor)
    assert line.at == realm.clock.now()
    assert line.detail == {"count": 3, "ok": True}


async def test_what_comes_while_a_group_is_on_its_way_is_the_next_group(
    realm: Realm, log: RealmLog, groups: Groups
) -> None:
    groups.gate.clear()
    waiting = [asyncio.create_task(log.record(Event.LOGIN_SUCCEEDED)) for _ in range(40)]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in waiting)
    groups.gate.set()
    await asyncio.gather(*waiting)
    assert sum(groups.sizes) == 40
    assert len(groups.sizes) <= 2
    assert len(await realm.rows(RealmEvent)) == 40


async def test_a_group_is_bounded(log: RealmLog, groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realm_log, "MAX_GROUP", 7)
    await asyncio.gather(*(log.record(Event.LOGIN_FAILED) for _ in range(20)))
    assert max(groups.sizes) == 7
    assert sum(groups.sizes) == 20


async def test_a_group_that_fails_is_told_to_its_own_and_the_next_one_goes(
    realm: Realm, log: RealmLog, groups: Groups
) -> None:
    groups.failure = Unavailable("the store is away")
    results = await asyncio.gather(*(outcome(log.record(Event.LOGIN_FAILED)) for _ in range(3)))
    assert all(isinstance(result, Unavailable) for result in results)
    groups.failure = None
    await log.record(Event.LOGIN_FAILED)
    assert len(await realm.rows(RealmEvent)) == 1


async def test_who_goes_away_takes_no_event_with_them(realm: Realm, log: RealmLog, groups: Groups) -> None:
    groups.gate.clear()
    leaving = asyncio.create_task(log.record(Event.LOGIN_FAILED))
    staying = asyncio.create_task(log.record(Event.LOGIN_SUCCEEDED))
    await asyncio.sleep(0)
    leaving.cancel()
    groups.gate.set()
    await staying
    await log.aclose()
    assert {line.event for line in await realm.rows(RealmEvent)} == {"login_failed", "login_succeeded"}


async def test_closing_waits_for_what_was_recorded(realm: Realm, log: RealmLog, groups: Groups) -> None:
    recording = [asyncio.create_task(log.record(Event.USER_ADDED)) for _ in range(5)]
    await asyncio.sleep(0)
    await log.aclose()
    assert len(await realm.rows(RealmEvent)) == 5
    await asyncio.gather(*recording)
    await log.aclose()


async def test_what_waits_is_bounded(log: RealmLog, groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realm_log, "MAX_WAITING", 3)
    groups.gate.clear()
    tasks = [asyncio.create_task(outcome(log.record(Event.LOGIN_FAILED))) for _ in range(6)]
    await asyncio.sleep(0.01)
    groups.gate.set()
    results = await asyncio.gather(*tasks)
    assert sum(isinstance(result, Busy) for result in results) >= 2
    assert results.count(None) >= 3


@pytest.mark.parametrize(
    "detail",
    [
        {"email": "ada@example.com"},
        {"token": "rt_00000000000000000000000000000000.0.AAAA"},
        {"hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"},
        {"name": "Ada"},
        {"Reason": "wrong"},
        {"reason": "a" * 33},
        {"reason": ""},
    ],
)
async def test_a_detail_holds_our_own_words_and_no_values(
    realm: Realm, log: RealmLog, detail: dict[str, Any]
) -> None:
    with pytest.raises(HoldfastError) as caught:
        await log.record(Event.LOGIN_FAILED, detail=detail)
    assert all(str(value) not in str(caught.value) for value in detail.values() if value)
    assert await realm.rows(RealmEvent) == []


async def test_why_somebody_acts_for_a_tenant_is_recorded(realm: Realm) -> None:
    principal = Principal(new_id(), new_id(), new_id(), Role.ADMIN, None)
    await realm.serve().record_tenant_scope(principal, "Yearly report, ticket 4711. " * 20)
    [line] = await realm.events(Event.TENANT_SCOPE_OPENED)
    assert (line.user_id, line.actor, line.tenant_id) == (
        principal.user_id,
        principal.user_id,
        principal.tenant_id,
    )
    assert line.reason is not None
    assert line.reason.startswith("Yearly report, ticket 4711.")
