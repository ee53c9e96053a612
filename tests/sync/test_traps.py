"""The sixteen traps, as far as a server can show by itself that it does not step into them."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.identity.principal import Role
from holdfast.store import _lane
from holdfast.sync.devices import collect
from holdfast.tenancy.scope import Scope
from tests.api_platform import Deployment, app_of, client_of
from tests.sync.device import (
    Device,
    NewDevice,
    as_changes,
    created,
    deleted,
    edited,
    ids_of,
    job,
    new_row_id,
    stored_row,
)
from tests.sync.field import Job

_REASON = "in a test"


def _head(deployment: Deployment) -> int:
    return deployment.engine.data.heads.get(deployment.people["ada"].tenant_id, 0)


async def test_t1_number_order_is_commit_order(
    deployment: Deployment, phone: Device, ben: Device, device: NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is held open after its number was taken: nobody is given a later number, nor a cursor beyond it."""
    reader = device("vic", "vic's")
    await phone.pull()
    await ben.pull()
    await reader.pull()
    first, second = job(), job()
    held, released = asyncio.Event(), asyncio.Event()
    write = MemoryTransaction.write

    async def slow(self: MemoryTransaction, batch: Any) -> None:
        await write(self, batch)
        if batch.head is not None and not held.is_set():
            held.set()
            await released.wait()

    monkeypatch.setattr(MemoryTransaction, "write", slow)
    one = asyncio.create_task(phone.push(jobs=created(first)))
    await held.wait()
    other = asyncio.create_task(ben.push(jobs=created(second)))
    await asyncio.sleep(0.01)
    assert await reader.pull() == {}
    before = reader.cursor
    assert not other.done()
    released.set()
    await asyncio.gather(one, other)
    assert set(ids_of((await reader.pull())["jobs"])) == {first["id"], second["id"]}
    assert before is not None
    assert reader.cursor == before + 2


async def test_t1_numbers_are_consecutive_and_each_change_has_its_own(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    await phone.pull()
    await ben.pull()
    await asyncio.gather(*(who.push(jobs=created(*(job() for _ in range(7)))) for who in (phone, ben) * 5))
    changes = deployment.engine.data.changes[deployment.people["ada"].tenant_id]
    assert [change.number for change in changes] == list(range(1, len(changes) + 1))
    assert _head(deployment) == len(changes)
    assert all(change.flush_end >= change.number for change in changes)


async def test_t1_a_cursor_that_is_complete_is_the_end_of_a_flush(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    await phone.pull()
    await ben.sync(jobs=created(*(job() for _ in range(5))))
    await phone.pull()
    ends = {c.flush_end for c in deployment.engine.data.changes[deployment.people["ada"].tenant_id]}
    assert phone.cursor is not None
    assert phone.cursor % 2**41 in ends


async def test_t2_the_cursor_is_of_the_view_that_was_read_or_older(
    deployment: Deployment, phone: Device, ben: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something is written after the cursor was read and before the rows are: it is missed by neither pull."""
    one, late = job(), job()
    await ben.sync(jobs=created(one))
    hub = deployment.hub
    remember = hub._remember

    async def meanwhile(*arguments: Any) -> None:
        await remember(*arguments)
        monkeypatch.setattr(hub, "_remember", remember)
        await ben.push(jobs={"created": [late], "updated": [edited(one, title="Meanwhile")]})

    monkeypatch.setattr(hub, "_remember", meanwhile)
    await phone.pull()
    await phone.pull()
    assert set(phone.rows["jobs"]) == {one["id"], late["id"]}
    assert phone.rows["jobs"][one["id"]]["title"] == "Meanwhile"


async def test_t3_an_own_echo_is_updated_and_never_created(device: NewDevice) -> None:
    bare = device("ada")
    one = job()
    await bare.sync(jobs=created(one))
    changes = await bare.pull()
    assert changes["jobs"]["created"] == []
    named = device("ada", "phone")
    await named.pull()
    await named.push(jobs=created(job()))
    assert await named.pull() == {}


async def test_t4_a_lost_answer_is_repeated_for_nothing(deployment: Deployment, phone: Device) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    body = {
        "jobs": [edited(one, title="Mine", hours=2)],
        "steps": created({"id": new_row_id(), "job_id": one["id"]}),
    }
    await phone.push(**body)
    head = _head(deployment)
    for _ in range(3):
        assert await phone.push(**body) == {"accepted": 2, "conflicts": [], "rejected": []}
    assert _head(deployment) == head


async def test_t5_created_for_what_another_has_changed_is_merged(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=1)
    await phone.sync(jobs=created(one))
    await ben.sync()
    await ben.push(jobs=[edited(one, hours=4)])
    assert (await phone.push(jobs=created({**one, "badge": "mine"})))["rejected"] == []
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["hours"], stored["badge"]) == (4, "mine")


async def test_t6_a_hot_row_blocks_nobody(deployment: Deployment, phone: Device, ben: Device) -> None:
    hot = job(hours=0)
    await phone.sync(jobs=created(hot))
    for device in (phone, phone, ben, ben):
        await device.pull()
    for n in range(5):
        others = [job(), job()]
        for who, row in zip((phone, ben), others, strict=True):
            fields = {"hours": who.rows["jobs"][hot["id"]]["hours"] + 1, "title": f"{n}"}
            told = await who.sync(jobs={"created": [row], "updated": [edited(hot, **fields)]})
            assert told["accepted"] == 2
    for device in (phone, ben):
        await device.pull()
        await device.pull()
    assert set(phone.rows["jobs"]) == set(ben.rows["jobs"])
    assert phone.rows["jobs"][hot["id"]] == ben.rows["jobs"][hot["id"]]
    assert phone.rows["jobs"][hot["id"]]["hours"] == 10


async def test_t6_what_waits_is_bounded_in_bytes(
    deployment: Deployment, device: NewDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a push of which little is taken: its body is held all the same."""
    monkeypatch.setattr(_lane, "MAX_WAITING_BYTES", 2_500_000)
    phones = [device("ada", f"phone {n}") for n in range(4)]
    for one in phones:
        await one.pull()
    held, lock = asyncio.Event(), MemoryTransaction.lock

    async def slow(self: MemoryTransaction) -> int:
        await held.wait()
        return await lock(self)

    monkeypatch.setattr(MemoryTransaction, "lock", slow)
    small, large = {"note": "n" * 500_000}, {"note": "n" * 1_200_000}
    pushes = []
    for one, rows in zip(
        phones, ([job(**small)], [job(**small)] * 3, [job(**large), job()], [job()]), strict=True
    ):
        pushes.append(asyncio.create_task(one.ask_push(as_changes({"jobs": created(*rows)}))))
        await asyncio.sleep(0.05)
    counted = sum(lane.size for lane in deployment.store.flusher._lanes.values())
    held.set()
    answers = await asyncio.gather(*pushes)
    assert counted > 1_500_000
    assert [answer.status_code for answer in answers] == [200, 200, 503, 200]
    assert answers[2].json()["retry"]


async def test_t6_what_is_listed_and_was_acknowledged_is_not_asserted_again(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await phone.push(jobs=[edited(one, title="Mine")])
    await ben.sync()
    await ben.push(jobs=[edited(one, title="Ben's")])
    await phone.sync(jobs=[edited(one, title="Mine", high=3)])
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["high"]) == ("Ben's", 3)


async def test_t6_a_merged_row_goes_back_to_who_pushed(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await phone.pull()
    await ben.sync(jobs=[edited(one, badge="b")])
    await phone.push(jobs=[edited(one, title="Mine")])
    (row,) = (await phone.pull())["jobs"]["updated"]
    assert (row["title"], row["badge"]) == ("Mine", "b")
    assert await phone.pull() == {}


async def test_t7_a_refusal_ends_with_the_next_pull(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    bad = {"id": new_row_id(), "name": "a step of nothing"}
    told = await phone.push(steps=created(bad))
    assert "experimentalRejectedIds" not in told
    assert (await phone.pull())["steps"]["deleted"] == [bad["id"]]
    assert await phone.pull() == {}


async def test_t8_a_row_that_is_made_again_is_no_tombstone_and_collecting_leaves_it(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one, gone = job(), job()
    await phone.sync(jobs=created(one, gone))
    await phone.sync(jobs=deleted(one["id"], gone["id"]))
    await phone.pull()
    await phone.push(jobs=created({**one, "title": "Again"}))
    for device in (phone, phone, ben, ben):
        await device.pull()
    await collect(deployment.store, deployment.people["ada"].tenant_id)
    assert await stored_row(deployment, "field.jobs", one["id"]) is not None
    for device in (phone, ben):
        assert await device.pull() == {}
        device.cursor = None
        assert ids_of((await device.pull())["jobs"]) == [one["id"]]


async def test_t8_collecting_waits_for_what_a_device_has_shown_not_for_what_it_was_given(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await ben.pull()
    await phone.push(jobs=deleted(one["id"]))
    answer = await ben.ask_pull()  # which gets lost
    assert answer.json()["changes"]["jobs"]["deleted"] == [one["id"]]
    for _ in range(2):
        await phone.pull()
    await collect(deployment.store, deployment.people["ada"].tenant_id)
    assert (await ben.pull())["jobs"]["deleted"] == [one["id"]]


async def test_t8_a_device_that_comes_where_nothing_happens_is_not_forgotten(
    deployment: Deployment, phone: Device, tablet: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    for _ in range(2):
        await phone.pull()
    clock, written = deployment.store.clock, _last_seen(deployment, "phone")
    await phone.pull()
    assert _last_seen(deployment, "phone") == written
    for hours in range(1, 100 * 24, 20):
        monkeypatch.setattr(deployment.store, "clock", lambda h=hours: clock() + timedelta(hours=h))
        assert await phone.pull() == {}
    await tablet.sync(jobs=deleted(one["id"]))
    collected = await collect(deployment.store, deployment.people["ada"].tenant_id)
    assert (collected.devices, collected.tombstones) == (0, 0)
    assert (await phone.pull())["jobs"]["deleted"] == [one["id"]]


def _last_seen(deployment: Deployment, name: str) -> datetime:
    (found,) = [
        s.row["last_seen"]
        for s in deployment.engine.data.tables["sync.devices"].values()
        if s.row["name"] == name
    ]
    assert isinstance(found, datetime)
    return found


async def test_t9_what_a_role_reads_has_a_number_of_its_own(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    old = {"id": new_row_id(), "amount": 5}
    await phone.sync(wages=created(old))
    await ben.pull()
    tenant = deployment.people["ada"].tenant_id
    await deployment.accounts.add_member(tenant, "ben@example.com", Role.ADMIN)
    assert ids_of((await ben.pull())["wages"]) == [old["id"]]
    await deployment.accounts.add_member(tenant, "ben@example.com", Role.MEMBER)
    assert (await ben.pull())["wages"]["deleted"] == [old["id"]]


async def test_t10_another_life_of_the_store_is_410(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    await deployment.epochs.begin("restored")
    assert (await phone.ask_pull()).status_code == 410
    assert (await phone.ask_push({})).status_code == 410


async def test_t11_the_clock_may_go_back(
    deployment: Deployment, phone: Device, ben: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await ben.pull()
    clock = deployment.store.clock
    for hours in (-1, 1, -24):
        monkeypatch.setattr(deployment.store, "clock", lambda h=hours: clock() + timedelta(hours=h))
        assert (await phone.sync(jobs=[edited(one, title=f"at {hours}")]))["accepted"] == 1
        before = ben.cursor
        changes = await ben.pull()
        assert changes["jobs"]["updated"][0]["title"] == f"at {hours}"
        assert ben.cursor is not None
        assert before is not None
        assert ben.cursor > before


async def test_t12_an_old_app_loses_nothing_and_nulls_nothing(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    """It knows neither keepsakes nor the column `badge`; then it is updated, and asks for both."""
    one, kept = job(badge="b", title="t"), {"id": new_row_id(), "name": "shell"}
    await ben.sync(jobs=created(one), keepsakes=created(kept))
    await phone.pull()
    await phone.pull()
    await phone.push(
        jobs=[{"id": one["id"], "title": "Old app's", "_status": "updated", "_changed": "title"}]
    )
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["badge"]) == ("Old app's", "b")
    migration = {"from": 1, "tables": ["keepsakes"], "columns": [{"table": "jobs", "columns": ["badge"]}]}
    changes = await phone.pull(migration=json.dumps(migration))
    assert changes["keepsakes"]["updated"][0]["id"] == kept["id"]
    assert changes["jobs"]["updated"][0]["badge"] == "b"


async def test_t13_no_cache_keeps_a_pull(phone: Device) -> None:
    for answer in (
        await phone.ask_pull(),
        await phone.ask_pull(last_pulled_at="7"),
        await phone.ask_push({}),
    ):
        assert answer.headers["cache-control"] == "no-store"
    assert (await phone.ask_pull()).headers["vary"] == "Authorization"
    assert "etag" not in (await phone.ask_pull()).headers


async def test_t14_a_migration_longer_than_an_address_comes_by_post(phone: Device, ben: Device) -> None:
    await ben.sync(jobs=created(job(high=1)))
    await phone.pull()
    columns = [{"table": f"table_{n}", "columns": ["a", "b"]} for n in range(2_000)]
    migration = {"from": 1, "tables": [], "columns": [*columns, {"table": "jobs", "columns": ["high"]}]}
    for given in (migration, json.dumps(migration)):
        body = {"lastPulledAt": phone.cursor, "schemaVersion": 9, "migration": given}
        answer = await phone.client.post("/api/v1/sync/pull", json=body)
        assert answer.status_code == 200
        assert len(answer.json()["changes"]["jobs"]["updated"]) == 1


async def test_t15_what_the_client_adds_to_rows_is_not_needed(deployment: Deployment, phone: Device) -> None:
    """An app that takes `_status` and `_changed` away is merged against what the device had."""
    one = job(note="n")
    await phone.sync(jobs=created(one))
    await phone.push(jobs=[{**one, "title": "Without"}])
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["note"]) == ("Without", "n")


async def test_t16_a_page_does_not_go_past_what_it_has_not_delivered(phone: Device, ben: Device) -> None:
    rows = [job() for _ in range(5)]
    await ben.sync(jobs=created(*rows))
    number, more = 0, True
    while more:
        await phone.pull(paging="1", limit="1")
        more = "experimentalHasMore" in phone.last
        seen = len(phone.rows.get("jobs", {}))
        assert number <= seen <= number + 1
        number = seen
        stopped = await phone.ask_pull()
        left = set(ids_of(stopped.json()["changes"].get("jobs")))
        assert left == {row["id"] for row in rows} - set(phone.rows.get("jobs", {}))
    assert number == 5


async def test_an_engine_with_small_transactions_takes_a_push_in_parts() -> None:
    """Each part is whole, and a retry completes what was interrupted."""
    from holdfast.engines.memory.engine import DYNAMODB_LIMITS
    from holdfast.engines.port import Capability
    from tests.sync.field import peopled

    deployment = peopled()
    deployment.engine.limits = DYNAMODB_LIMITS
    deployment.engine.capabilities -= {Capability.LARGE_TRANSACTIONS}
    rows = [job() for _ in range(120)]
    for child, parent in pairwise(rows):
        child["parent_id"] = parent["id"]
    steps = [{"id": new_row_id(), "job_id": row["id"]} for row in rows[:30]]
    phone = Device(app_of(deployment), deployment.tokens["ada"], "phone")
    await phone.pull()
    body = as_changes({"steps": created(*steps), "jobs": created(*rows)})
    answer = await phone.ask_push(body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"accepted": 150, "conflicts": [], "rejected": []}
    head = _head(deployment)
    assert (await phone.ask_push(body)).json()["accepted"] == 150
    assert _head(deployment) == head
    assert len(deployment.engine.data.tables["field.jobs"]) == 120
    assert len(deployment.engine.data.tables["field.steps"]) == 30
    hold = {"id": new_row_id(), "job_id": rows[0]["id"]}
    await phone.push(holds=created(hold))
    told = await phone.push(
        jobs=deleted(*(row["id"] for row in rows)),
        steps=deleted(*(step["id"] for step in steps)),
        holds=deleted(hold["id"]),
    )
    assert told["rejected"] == []
    assert not deployment.engine.data.tables["field.jobs"]
    await phone.client.aclose()
    await deployment.aclose()


async def test_writes_over_the_store_come_to_devices_like_any_other(
    deployment: Deployment, phone: Device
) -> None:
    await phone.pull()
    scope = Scope.system(deployment.people["ada"].tenant_id, reason=_REASON)
    async with deployment.store.session(scope) as session:
        made = Job(title="A job of a job")
        await session.put(made)
    (row,) = (await phone.pull())["jobs"]["updated"]
    assert row["id"] == str(made.id)
    told = await phone.push(jobs=[edited(row, title="Seen")])
    assert told["conflicts"] == []


async def test_the_client_of_a_browser_may_send_its_headers(deployment: Deployment) -> None:
    app = app_of(deployment, cors_origins=frozenset({"https://app.example"}))
    async with client_of(app) as browser:
        answer = await browser.options(
            "/api/v1/sync/push",
            headers={
                "origin": "https://app.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "x-holdfast-device,idempotency-key,content-type",
            },
        )
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "x-holdfast-device" in allowed
