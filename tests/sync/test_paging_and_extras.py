"""What is negotiated: pages, keys, replacements, names of devices; and epochs, events, horizons."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import timedelta
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from holdfast.errors import InvalidInput
from holdfast.sync.devices import collect
from tests.api_platform import Deployment, raw_scope
from tests.sync.device import (
    Device,
    NewDevice,
    Row,
    account,
    as_changes,
    created,
    deleted,
    edited,
    ids_of,
    job,
    new_row_id,
    stored_row,
)

# -- pages ------------------------------------------------------------------------------------------------------------


async def _random_life(writer: Device, *, seed: int, rounds: int) -> None:
    """Rows of three tables are made, edited, deleted and made again."""
    choose = random.Random(seed)
    alive: list[Row] = []
    dead: list[Row] = []
    await writer.pull()
    for _ in range(rounds):
        fresh = [job(hours=choose.randint(0, 9)) for _ in range(choose.randint(0, 3))]
        again = [dead.pop(choose.randrange(len(dead))) for _ in range(bool(dead) and choose.random() < 0.4)]
        gone = [alive.pop(choose.randrange(len(alive))) for _ in range(bool(alive) and choose.random() < 0.5)]
        changed = [edited(r, title=str(choose.random())) for r in alive if choose.random() < 0.3]
        steps = [{"id": new_row_id(), "job_id": row["id"]} for row in (*fresh, *again)]
        await writer.sync(
            jobs={"created": [*fresh, *again], "updated": changed, "deleted": [r["id"] for r in gone]},
            steps=created(*steps),
            financial_accounts=created(account()),
        )
        alive += [*fresh, *again]
        dead += gone


async def _pages(device: Device, limit: int) -> list[int]:
    """Pull to the end, page by page; returns the timestamps of the pages."""
    stamps: list[int] = []
    while True:
        await device.pull(paging="1", limit=str(limit))
        assert device.cursor is not None
        stamps.append(device.cursor)
        if "experimentalHasMore" not in device.last:
            return stamps
        assert device.last["experimentalHasMore"] is True


def _rows(device: Device) -> dict[str, dict[str, Row]]:
    return {table: rows for table, rows in device.rows.items() if rows}


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_pages_together_are_the_whole(phone: Device, device: NewDevice, limit: int) -> None:
    await _random_life(phone, seed=limit, rounds=12)
    whole, paged = device("ada", "whole"), device("ada", "paged")
    await whole.pull()
    stamps = await _pages(paged, limit)
    assert len(stamps) > 5
    assert stamps == sorted(set(stamps))
    assert _rows(paged) == _rows(whole)
    assert paged.cursor == whole.cursor
    await _random_life(phone, seed=limit + 100, rounds=8)
    await whole.pull()
    await _pages(paged, limit)
    assert _rows(paged) == _rows(whole)


@pytest.mark.parametrize("limit", [1, 3])
async def test_every_timestamp_of_a_page_leads_on_by_itself(
    phone: Device, device: NewDevice, limit: int
) -> None:
    """Wherever a device stops paging, one ordinary pull brings all the rest."""
    await _random_life(phone, seed=5, rounds=5)
    whole, paged = device("ada", "whole"), device("ada", "paged")
    await whole.pull()
    while True:
        await paged.pull(paging="1", limit=str(limit))
        stopped = device("ada", "paged")
        stopped.cursor = paged.cursor
        stopped.rows = {table: dict(rows) for table, rows in paged.rows.items()}
        await stopped.pull()
        assert _rows(stopped) == _rows(whole)
        if "experimentalHasMore" not in paged.last:
            return


async def test_what_changes_between_two_pages_is_not_lost(phone: Device, device: NewDevice) -> None:
    rows = [job() for _ in range(6)]
    await phone.sync(jobs=created(*rows))
    paged, whole = device("ada", "paged"), device("ada", "whole")
    await paged.pull(paging="1", limit="2")
    await phone.push(jobs={"updated": [edited(rows[0], title="n"), edited(rows[5], title="n")]})
    await paged.pull(paging="1", limit="2")
    await phone.push(jobs=deleted(rows[1]["id"], rows[4]["id"]))
    await phone.push(jobs=created(rows[1]))
    await _pages(paged, 2)
    await whole.pull()
    assert _rows(paged) == _rows(whole)


async def test_an_edit_rests_on_what_stood_before_the_first_page(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    """The cursors of pages lead on, and are no sign of what the device had when it edited."""
    one, other = job(hours=1, tags='["a"]'), job()
    await ben.sync(jobs=created(one, other))
    await phone.pull()
    await ben.push(jobs=[edited(one, hours=4, tags='["a","ben"]')])
    for title in ("x", "y", "z"):
        await ben.push(jobs=[edited(other, title=title)])
    assert len(await _pages(phone, 1)) > 2
    await phone.push(jobs=[edited(one, hours=2, tags='["a","ada"]')])
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["hours"], stored["tags"]) == (5, ["a", "ben", "ada"])
    await _pages(phone, 1)
    again = edited(phone.rows["jobs"][one["id"]], hours=6, tags='["ben"]')
    await _pages(phone, 1)
    await phone.push(jobs=[again])
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["hours"], stored["tags"]) == (6, ["ben"])


async def test_a_client_that_offers_no_pages_gets_none(phone: Device, ben: Device) -> None:
    await ben.sync(jobs=created(*(job() for _ in range(10))))
    for parameters in ({}, {"limit": "2"}, {"paging": "0", "limit": "2"}):
        answer = (await phone.ask_pull(last_pulled_at="null", **parameters)).json()
        assert len(answer["changes"]["jobs"]["updated"]) == 10
        assert "experimentalHasMore" not in answer


# -- idempotency key --------------------------------------------------------------------------------------------------


async def _keyed(device: Device, body: Any, key: str) -> httpx.Response:
    return await device.client.post(
        "/api/v1/sync/push",
        params={"last_pulled_at": str(device.cursor)},
        json=body,
        headers={"idempotency-key": key},
    )


async def test_a_key_gives_the_same_answer_again(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    await phone.pull()
    await tablet.pull()
    await ben.pull()
    body = as_changes({"jobs": created(job(rank=9)), "steps": created({"id": new_row_id(), "job_id": "x"})})
    first = await _keyed(phone, body, "k1")
    log = len(deployment.engine.data.changes[deployment.people["ada"].tenant_id])
    again = await _keyed(phone, body, "k1")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["conflicts"]
    assert len(deployment.engine.data.changes[deployment.people["ada"].tenant_id]) == log
    other = await _keyed(phone, as_changes({"jobs": created(job())}), "k1")
    assert other.status_code == 409
    for device in (tablet, ben):  # the key is this device's own
        assert (await _keyed(device, as_changes({"jobs": created(job())}), "k1")).json()["accepted"] == 1


async def test_a_key_gives_the_same_answer_to_who_asks_at_once(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    body = as_changes({"jobs": created(job(rank=9))})
    answers = await asyncio.gather(*(_keyed(phone, body, "k1") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["conflicts"]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert len(deployment.engine.data.tables["field.jobs"]) == 1
    assert len(await phone.conflicts(state="all")) == 1
    other = as_changes({"jobs": created(job())})
    answers = await asyncio.gather(*(_keyed(phone, each, "k2") for each in (body, other)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_that_is_none(phone: Device, key: str) -> None:
    await phone.pull()
    assert (await _keyed(phone, {}, key)).status_code == InvalidInput.status


# -- devices and their echo -------------------------------------------------------------------------------------------


async def test_a_named_device_does_not_hear_its_own(phone: Device, tablet: Device) -> None:
    await tablet.pull()
    one, two = job(), job()
    await phone.sync(jobs=created(one, two))
    assert await phone.pull() == {}
    await phone.push(jobs={"updated": [edited(one, title="n")], "deleted": [two["id"]]})
    assert await phone.pull() == {}
    changes = await tablet.pull()
    assert ids_of(changes["jobs"]) == [one["id"]]
    assert (await phone.pull(last_pulled_at="null"))["jobs"]["updated"][0]["title"] == "n"


async def test_a_bare_session_hears_its_own_because_it_may_be_two(device: NewDevice) -> None:
    one_db, other_db = device("ada"), device("ada")
    await other_db.pull()
    one = job()
    await one_db.sync(jobs=created(one))
    changes = await one_db.pull()
    assert [row["id"] for row in changes["jobs"]["updated"]] == [one["id"]]
    assert changes["jobs"]["created"] == []
    assert ids_of((await other_db.pull())["jobs"]) == [one["id"]]


async def test_what_another_has_changed_since_comes_back(phone: Device, ben: Device) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await ben.sync()
    await ben.push(jobs=[edited(one, title="Ben's")])
    assert (await phone.pull())["jobs"]["updated"][0]["title"] == "Ben's"


async def test_what_was_stored_otherwise_than_it_was_sent_comes_back(phone: Device) -> None:
    longer = job(title="x" * 50)
    numbered = account()
    await phone.sync(jobs=created(longer), financial_accounts=created({**numbered, "created_at": 5}))
    changes = await phone.pull()
    assert changes["jobs"]["updated"][0]["title"] == "x" * 40
    assert changes["financial_accounts"]["updated"][0]["created_at"] > 5


async def test_what_the_same_person_does_over_rest_comes_to_the_device(phone: Device) -> None:
    one = account()
    await phone.sync(financial_accounts=created(one))
    answer = await phone.client.patch(f"/api/v1/financial/accounts/{one['id']}", json={"name": "Over REST"})
    assert answer.status_code == 200
    assert (await phone.pull())["financial_accounts"]["updated"][0]["name"] == "Over REST"


async def test_a_cursor_that_another_device_of_the_same_person_was_given(
    phone: Device, tablet: Device, ben: Device
) -> None:
    await phone.pull()
    await ben.sync(jobs=created(job()))
    await tablet.pull()
    assert (await phone.ask_pull(last_pulled_at=str(tablet.cursor))).status_code == 410
    assert (await phone.ask_push({}, last_pulled_at=str(tablet.cursor))).status_code == 410
    assert (await tablet.ask_pull(last_pulled_at=str(phone.cursor))).status_code == 200


# -- the life of the store --------------------------------------------------------------------------------------------


async def test_a_new_epoch_ends_every_cursor(deployment: Deployment, phone: Device) -> None:
    await phone.sync(jobs=created(job()))
    await phone.pull()
    await deployment.epochs.begin("a backup was restored")
    body = as_changes({"jobs": created(job())})
    for answer in (await phone.ask_pull(), await phone.ask_push(body)):
        assert answer.status_code == 410
        assert answer.json()["code"] == "cursor_expired"
    phone.cursor = None
    await phone.pull()
    assert (await phone.push(**{t: dict(a) for t, a in body.items()}))["accepted"] == 1


async def test_a_store_that_went_back_in_time_answers_410_and_never_nothing(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    backup = deployment.copy()
    await phone.sync(jobs=created(job()))
    await phone.pull()
    deployment.engine.data = backup.engine.data  # restored, and nobody has noticed
    answer = await phone.ask_pull()
    assert answer.status_code == 410
    await backup.aclose()


async def test_what_lies_behind_the_horizon_starts_afresh(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    one, two = job(), job()
    await phone.sync(jobs=created(one, two))
    await phone.pull()
    await tablet.pull()
    await ben.pull()
    await phone.push(jobs=deleted(one["id"]))
    tenant = deployment.people["ada"].tenant_id

    waiting = await collect(deployment.store, tenant)
    assert waiting.tombstones == 0  # the tablet has not come
    assert (await tablet.pull())["jobs"]["deleted"] == [one["id"]]

    for device in (phone, tablet):
        await device.pull()
        await device.pull()
    collected = await collect(deployment.store, tenant, forgotten_after=timedelta(days=-1))
    assert collected.devices == 3
    assert collected.tombstones == 1
    answers = [await ben.ask_pull(), await ben.ask_push(as_changes({"jobs": [edited(one, title="Late")]}))]
    for answer in answers:
        assert answer.status_code == 410
        assert answer.json()["code"] == "cursor_expired"
    ben.cursor, ben.rows = None, {}
    await ben.pull()
    assert set(ben.rows["jobs"]) == {two["id"]}
    assert (await phone.ask_pull()).status_code == 200  # it stands at the horizon, or beyond


async def test_a_device_that_was_collected_and_comes_back_in_time_goes_on(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    await phone.sync(jobs=created(job()))
    await phone.pull()
    await phone.pull()
    tenant = deployment.people["ada"].tenant_id
    for _ in range(2):
        await collect(deployment.store, tenant)
    await ben.sync(jobs=created(job()))
    assert len(ids_of((await phone.pull())["jobs"])) == 1


# -- events -----------------------------------------------------------------------------------------------------------


async def test_events_say_the_number_and_no_more(deployment: Deployment, app: ASGIApp, phone: Device) -> None:
    await phone.pull()
    gone = asyncio.Event()
    said: asyncio.Queue[Message] = asyncio.Queue()
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = raw_scope("GET", "/api/v1/sync/events", deployment.tokens["ada"])
    stream = asyncio.create_task(app(scope, receive, said.put))  # type: ignore[arg-type, var-annotated]
    try:
        start = await asyncio.wait_for(said.get(), 5)
        headers = dict(start["headers"])
        assert start["status"] == 200
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        tenant = deployment.people["ada"].tenant_id
        first = await _event(said)
        assert first == {"number": deployment.engine.data.heads.get(tenant, 0)}
        await phone.push(jobs=created(job()))
        second = await _event(said)
        assert second == {"number": deployment.engine.data.heads[tenant]}
        assert second["number"] > first["number"]
    finally:
        gone.set()
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)


async def _event(said: asyncio.Queue[Message]) -> dict[str, int]:
    text = ""
    while "event: head" not in text:
        text += (await asyncio.wait_for(said.get(), 5)).get("body", b"").decode()
    (data,) = [line for line in text.splitlines() if line.startswith("data: ")]
    found: dict[str, int] = json.loads(data.removeprefix("data: "))
    return found


# -- paths and headers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["/api/v1/sync", "/sync"])
async def test_the_alias_is_the_same_and_nothing_is_kept_by_a_cache(phone: Device, root: str) -> None:
    client = phone.client
    pulled = await client.get(f"{root}/pull")
    stamp = pulled.json()["timestamp"]
    answers = [
        pulled,
        await client.post(f"{root}/pull", json={"lastPulledAt": stamp}),
        await client.post(f"{root}/push", params={"lastPulledAt": stamp}, json={}),
        await client.get(f"{root}/conflicts"),
        await client.get(f"{root}/pull", params={"last_pulled_at": "5"}),
        await client.get(f"{root}/pull", params={"last_pulled_at": "x"}),
        await client.post(f"{root}/push", json=[]),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 410, 400, 400]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'self'"
    for answer in answers[:4]:
        assert answer.headers["vary"] == "Authorization"
        assert answer.headers["content-type"] == "application/json"


async def test_a_post_without_a_body_is_a_first_pull(phone: Device) -> None:
    assert (await phone.client.post("/api/v1/sync/pull")).status_code == 200


async def test_the_description_holds_the_routes(phone: Device) -> None:
    document = (await phone.client.get("/openapi.json")).json()
    paths = {path: set(item) - {"parameters"} for path, item in document["paths"].items() if "/sync/" in path}
    root = "/api/v1/sync"
    assert paths == {
        f"{root}/pull": {"get", "post"},
        f"{root}/push": {"post"},
        f"{root}/conflicts": {"get"},
        f"{root}/conflicts/resolve": {"post"},
        f"{root}/conflicts/{{id}}/resolve": {"post"},
        f"{root}/events": {"get"},
    }
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    assert len(names) == len(set(names))
    assert document["paths"][f"{root}/push"]["post"]["security"] == [{"bearer": []}]
