"""What a server must do when a device pulls, rule by rule."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import orjson
import pytest

from tests.api_platform import Deployment
from tests.sync.device import Device, account, as_changes, created, deleted, edited, ids_of, job

SAMPLES = "/api/v1/data/lab/samples"


async def test_pull_01_a_first_pull_is_everything_and_a_later_one_all_that_came_after(
    phone: Device, ben: Device
) -> None:
    one, two, three = job(), job(), job()
    money = account()
    await ben.sync(jobs=created(one, two), keepsakes=created({"id": job()["id"], "name": "shell"}))
    await phone.sync(financial_accounts=created(money))

    tablet_view = await phone.pull(last_pulled_at="null")
    assert set(ids_of(tablet_view["jobs"])) == {one["id"], two["id"]}
    assert len(ids_of(tablet_view["keepsakes"])) == 1
    assert ids_of(tablet_view["financial_accounts"]) == [money["id"]]

    await ben.sync(
        jobs={
            "created": [three],
            "updated": [edited(ben.rows.get("jobs", {}).get(one["id"], one), title="x")],
            "deleted": [two["id"]],
        }
    )
    later = await phone.pull()
    assert set(ids_of(later["jobs"])) == {one["id"], three["id"]}
    assert later["jobs"]["deleted"] == [two["id"]]
    assert await phone.pull() == {}


async def test_pull_01_all_tables_come_from_one_view(phone: Device, ben: Device) -> None:
    """A job and a step that are pushed together are never seen apart."""
    await ben.pull()

    async def write() -> None:
        for _ in range(10):
            one = job()
            step = {"id": job()["id"], "job_id": one["id"]}
            await ben.push(jobs=created(one), steps=created(step))

    async def read() -> None:
        for _ in range(20):
            await phone.pull()
            owners = {row["job_id"] for row in phone.rows.get("steps", {}).values()}
            assert owners == set(phone.rows.get("jobs", {}))
            await asyncio.sleep(0)

    await asyncio.gather(write(), read())
    await phone.pull()
    assert len(phone.rows["steps"]) == 10


async def test_pull_02_the_timestamp_is_a_positive_integer_and_leads_on(phone: Device, ben: Device) -> None:
    answer = (await phone.ask_pull()).json()
    assert type(answer["timestamp"]) is int
    assert 2**41 <= answer["timestamp"] < 2**53
    phone.cursor = answer["timestamp"]
    await ben.sync(jobs=created(job()))
    assert len(ids_of((await phone.pull())["jobs"])) == 1
    before = phone.cursor
    await phone.pull()
    assert phone.cursor >= before


@pytest.mark.parametrize("first", ["null", "", "0", "undefined", None])
async def test_pull_02_every_spelling_of_a_first_sync(phone: Device, ben: Device, first: str | None) -> None:
    await ben.sync(jobs=created(job()))
    await phone.pull()
    if first is None:
        answer = await phone.client.get("/api/v1/sync/pull")
    else:
        answer = await phone.ask_pull(last_pulled_at=first)
    assert answer.status_code == 200
    assert len(answer.json()["changes"]["jobs"]["updated"]) == 1


@pytest.mark.parametrize("first", [None, "", "null", "undefined", 0, "0", 0.0])
@pytest.mark.parametrize("name", ["last_pulled_at", "lastPulledAt"])
async def test_pull_02_every_spelling_in_a_body(phone: Device, ben: Device, first: object, name: str) -> None:
    await ben.sync(jobs=created(job()))
    answer = await phone.client.post("/api/v1/sync/pull", json={name: first})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["changes"]["jobs"]["updated"]) == 1


async def test_pull_03_a_table_has_three_arrays_or_is_left_out(phone: Device, ben: Device) -> None:
    assert (await phone.ask_pull()).json()["changes"] == {}
    one = job()
    await ben.sync(jobs=created(one))
    assert (await phone.pull())["jobs"].keys() == {"created", "updated", "deleted"}
    await ben.sync(jobs=deleted(one["id"]))
    changes = await phone.pull()
    assert changes == {"jobs": {"created": [], "updated": [], "deleted": [one["id"]]}}


async def test_pull_04_an_id_comes_once(phone: Device, tablet: Device, ben: Device) -> None:
    """Whatever happened to a row meanwhile, it is in one of the arrays, and once."""
    await phone.pull()
    one, two, three = job(), job(), job()
    await ben.sync(jobs=created(one, two, three))
    await ben.sync(jobs=[edited(one, title="again")])
    await ben.sync(jobs=deleted(two["id"], three["id"]))
    await ben.sync(jobs=created(three))
    changes = (await phone.pull())["jobs"]  # its shape is looked at as it comes in
    assert set(ids_of(changes)) == {one["id"], three["id"]}
    assert changes["deleted"] == [two["id"]]
    fresh = (await tablet.pull())["jobs"]
    assert set(ids_of(fresh)) == {one["id"], three["id"]}


async def test_pull_04_also_with_a_migration(phone: Device, ben: Device) -> None:
    await ben.sync(jobs=created(job(high=1)))
    await phone.pull()
    await ben.sync(jobs=[edited(row, title="new") for row in ben.rows.get("jobs", {}).values()])
    await ben.sync(jobs=created(job(high=2)))
    migration = {"from": 1, "tables": ["jobs"], "columns": [{"table": "jobs", "columns": ["high"]}]}
    changes = await phone.pull(migration=json.dumps(migration))
    assert len(ids_of(changes["jobs"])) == 2


async def test_pull_05_no_status_of_the_client_and_no_name_of_a_prototype(phone: Device, ben: Device) -> None:
    await ben.sync(jobs=[{**job(), "_status": "created", "_changed": "", "__proto__": 1, "constructor": 2}])
    (row,) = (await phone.pull())["jobs"]["updated"]
    assert not {"_status", "_changed", "__proto__", "constructor", "version", "tenant_id"} & set(row)


async def test_pull_06_ids_are_text_in_the_spelling_of_their_maker(
    phone: Device, deployment: Deployment
) -> None:
    one = account()
    await phone.sync(financial_accounts=created(one))
    rest = await phone.client.post(
        "/api/v1/financial/accounts", json={"name": "n", "account_type": "checking"}
    )
    posted = {"id": "aBcDeFgHiJkLmNoP", "account_id": one["id"], "posted": "2026-01-02", "amount": 1}
    await phone.push(transactions=created(posted))
    phone.cursor = None
    changes = await phone.pull()
    assert set(ids_of(changes["financial_accounts"])) == {one["id"], rest.json()["id"]}
    assert changes["transactions"]["updated"][0]["account_id"] == one["id"]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", i) for i in ids_of(changes["financial_accounts"]))


async def test_pull_07_types_are_those_of_the_columns(phone: Device) -> None:
    one = account(balance=1234567890123.45, interest_rate=0.0425, is_active=1, metadata='{"b":1,"a":[]}')
    goal = {"id": job()["id"], "name": "g", "goal_type": "savings", "target_amount": 10}
    goal |= {"target_date": "2027-03-01", "priority": 3}
    await phone.sync(financial_accounts=created(one), financial_goals=created(goal))
    phone.cursor = None
    changes = await phone.pull()
    (row,) = changes["financial_accounts"]["updated"]
    assert (row["balance"], row["interest_rate"]) == (1234567890123.45, 0.0425)
    assert row["is_active"] is True
    assert row["metadata"] == '{"a":[],"b":1}'
    assert row["institution"] is None
    assert all(type(row[name]) is int for name in ("created_at", "updated_at", "synced_at"))
    assert row["created_at"] > 1_700_000_000_000
    (row,) = changes["financial_goals"]["updated"]
    assert (row["target_amount"], row["target_date"], row["priority"]) == (10, "2027-03-01", 3)


async def test_pull_07_money_comes_back_as_it_was_sent(phone: Device) -> None:
    amounts = [0.1, 0.3, -0.01, 9999999999999.99, -9999999999999.99, 12, 12.5, 0]
    await phone.sync(financial_accounts=created(*(account(balance=amount) for amount in amounts)))
    raw = (await phone.ask_pull(last_pulled_at="null")).content
    rows = orjson.loads(raw)["changes"]["financial_accounts"]["updated"]
    assert sorted(row["balance"] for row in rows) == sorted(amounts)
    assert b"12.0" not in raw


async def test_pull_08_rows_are_whole(phone: Device, ben: Device) -> None:
    names = {"id", "created_at", "updated_at", "title", "note", "badge", "high", "low", "hours", "cost"}
    names |= {"tags", "facts", "ruling", "rank", "parent_id"}
    one = job()
    await ben.sync(jobs=created(one))
    assert set((await phone.pull())["jobs"]["updated"][0]) == names
    await ben.sync(jobs=[{"id": one["id"], "title": "Only this"}])
    assert set((await phone.pull())["jobs"]["updated"][0]) == names


async def test_pull_09_a_migration_brings_tables_whole_and_columns_that_are_filled(
    phone: Device, ben: Device
) -> None:
    filled, empty = job(high=4), job()
    keepsake = {"id": job()["id"], "name": "shell"}
    await ben.sync(jobs=created(filled, empty), keepsakes=created(keepsake))
    await phone.pull()
    fresh = job()
    await ben.sync(jobs=created(fresh))
    migration = {
        "from": 1,
        "tables": ["keepsakes", "no_such_table", "__proto__", 5],
        "columns": [
            {"table": "jobs", "columns": ["high", "no_such_column", "__proto__"]},
            {"table": "nowhere", "columns": ["x"]},
        ],
    }
    changes = await phone.pull(migration=json.dumps(migration))
    assert set(changes) == {"jobs", "keepsakes"}
    assert [row["id"] for row in changes["keepsakes"]["updated"]] == [keepsake["id"]]
    assert changes["keepsakes"]["created"] == []
    assert {row["id"] for row in changes["jobs"]["updated"]} == {filled["id"], fresh["id"]}
    assert changes["jobs"]["created"] == []


@pytest.mark.parametrize("nothing", ["null", "", "undefined", "0"])
async def test_pull_09_no_migration_is_null_in_any_spelling(phone: Device, nothing: str) -> None:
    await phone.pull()
    assert await phone.pull(migration=nothing) == {}


async def test_pull_09_a_whole_table_brings_what_was_deleted_too(phone: Device, ben: Device) -> None:
    one, two = job(), job()
    await ben.sync(jobs=created(one, two))
    await phone.pull()
    await ben.sync(jobs=deleted(one["id"]))
    changes = await phone.pull(migration=json.dumps({"from": 1, "tables": ["jobs"], "columns": []}))
    assert [row["id"] for row in changes["jobs"]["updated"]] == [two["id"]]
    assert changes["jobs"]["deleted"] == [one["id"]]


@pytest.mark.parametrize(
    "value", ["{", "[]", "5", '{"tables":5}', '{"columns":[5]}', '{"columns":[{"table":"jobs"}]}', '"x"']
)
async def test_pull_09_a_migration_that_is_none_is_refused(phone: Device, value: str) -> None:
    await phone.pull()
    answer = await phone.ask_pull(migration=value)
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_sync"


async def test_pull_11_a_first_sync_deletes_nothing(phone: Device, ben: Device) -> None:
    one, two = job(), job()
    await ben.sync(jobs=created(one, two))
    await ben.sync(jobs=deleted(one["id"]))
    changes = await phone.pull()
    assert changes == {"jobs": {"created": [], "updated": changes["jobs"]["updated"], "deleted": []}}
    assert ids_of(changes["jobs"]) == [two["id"]]


async def test_pull_12_a_replacement_is_announced_and_holds_every_table(phone: Device, ben: Device) -> None:
    await ben.sync(jobs=created(job()))
    await phone.pull()
    answer = (await phone.ask_pull(last_pulled_at="null", replacement="1")).json()
    assert answer["experimentalStrategy"] == "replacement"
    assert len(answer["changes"]["jobs"]["updated"]) == 1
    assert answer["changes"]["keepsakes"] == {"created": [], "updated": [], "deleted": []}
    assert "experimentalStrategy" not in (await phone.ask_pull(replacement="1")).json()
    assert "experimentalStrategy" not in (await phone.ask_pull(last_pulled_at="null")).json()


async def test_pull_13_what_turbo_login_reads(phone: Device, ben: Device) -> None:
    """Three keys a table, no id twice, `deleted` empty, `timestamp` at the top, in JSON text of one piece."""
    await ben.sync(jobs=created(*(job() for _ in range(50))))
    answer = await phone.ask_pull(last_pulled_at="null")
    read: Any = answer.json()
    assert set(read) == {"changes", "timestamp"}
    for arrays in read["changes"].values():
        assert set(arrays) == {"created", "updated", "deleted"}
        assert arrays["deleted"] == []
        ids = ids_of(arrays)
        assert len(ids) == len(set(ids))


async def test_a_large_answer_is_sent_piece_by_piece_and_is_whole(phone: Device, ben: Device) -> None:
    rows = [job(note="n" * 500) for _ in range(600)]
    await ben.pull()
    answer = await ben.ask_push(as_changes({"jobs": created(*rows)}))
    assert answer.status_code == 200
    answer = await phone.ask_pull()
    assert "content-length" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert {row["id"] for row in answer.json()["changes"]["jobs"]["updated"]} == {row["id"] for row in rows}
