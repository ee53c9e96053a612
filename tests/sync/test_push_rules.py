"""What a server must do when a device pushes, rule by rule."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import httpx
import pytest

from holdfast.engines.memory.data import Data
from tests.api_platform import Deployment
from tests.sync.device import (
    Device,
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

ABSENT = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"


def snapshot(deployment: Deployment) -> Data:
    """Everything that the store holds, to be compared with later."""
    return copy.deepcopy(deployment.engine.data)


async def test_push_01_a_body_is_taken_whole_or_not_at_all(
    deployment: Deployment, phone: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await phone.pull()
    before = snapshot(deployment)

    def fail(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.engines.memory.transaction.MemoryTransaction._bury", fail)
        patched.setattr("holdfast.engines.memory.transaction.MemoryTransaction._check_membership", fail)
        answer = await phone.ask_push(as_changes({"jobs": created(job(), job()), "wages": created()}))
    assert answer.status_code == 500
    assert snapshot(deployment) == before
    assert (await phone.push(jobs=created(job(), job())))["accepted"] == 2


async def test_push_01_the_rows_of_a_push_commit_together(deployment: Deployment, phone: Device) -> None:
    one = job()
    await phone.pull()
    commits = deployment.engine.data.commits
    step = {"id": new_row_id(), "job_id": one["id"]}
    await phone.push(steps=created(step), jobs=created(one), financial_accounts=created(account()))
    assert deployment.engine.data.commits == commits + 1


async def test_push_02_created_with_an_id_that_exists_is_an_update(
    deployment: Deployment, phone: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    told = await phone.push(jobs=created({**one, "title": "Edited while the push was under way"}))
    assert told == {"accepted": 1, "conflicts": [], "rejected": []}
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert stored["title"] == "Edited while the push was under way"
    assert stored["version"] == 2


async def test_push_03_updated_with_an_unknown_id_creates(deployment: Deployment, phone: Device) -> None:
    one = job(hours=3)
    assert (await phone.sync(jobs=[edited(one, title="New")]))["accepted"] == 1
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["hours"]) == ("New", 3)


async def test_push_03_updated_where_a_tombstone_is_follows_the_policy(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    gone, back = job(), {"id": new_row_id(), "name": "shell"}
    await phone.sync(jobs=created(gone), keepsakes=created(back))
    await phone.pull()
    await ben.sync(jobs=deleted(gone["id"]), keepsakes=deleted(back["id"]))
    told = await phone.push(jobs=[edited(gone, title="late")], keepsakes=[edited(back, colour="red")])
    assert {c["id"]: c["reason"] for c in told["conflicts"]} == {
        gone["id"]: "edit_against_delete",
        back["id"]: "edit_against_delete",
    }
    assert told["rejected"] == []
    assert await stored_row(deployment, "field.jobs", gone["id"]) is None
    kept = await stored_row(deployment, "field.keepsakes", back["id"])
    assert kept is not None
    assert kept["colour"] == "red"
    changes = await phone.pull()
    assert changes["jobs"]["deleted"] == [gone["id"]]


async def test_push_04_deletes_of_what_is_not_there_are_ignored(
    deployment: Deployment, phone: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await phone.push(jobs=deleted(one["id"]))
    before = snapshot(deployment)
    told = await phone.push(jobs=deleted(one["id"], new_row_id(), ABSENT, "no id at all"))
    assert told["rejected"] == told["conflicts"] == []
    assert snapshot(deployment).changes == before.changes


async def test_push_04_a_delete_that_comes_twice_is_one(deployment: Deployment, phone: Device) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    told = await phone.push(jobs=deleted(one["id"], one["id"]))
    assert told["rejected"] == []
    assert await stored_row(deployment, "field.jobs", one["id"]) is None


async def test_push_04_created_and_deleted_in_one_push_is_gone(deployment: Deployment, phone: Device) -> None:
    one, two = job(), job()
    await phone.sync(jobs=created(two))
    await phone.push(
        jobs={"created": [one], "updated": [edited(two, title="x")], "deleted": [one["id"], two["id"]]}
    )
    assert await stored_row(deployment, "field.jobs", one["id"]) is None
    assert await stored_row(deployment, "field.jobs", two["id"]) is None


async def test_push_04_a_delete_goes_down_and_each_row_has_its_version(
    deployment: Deployment, phone: Device, tablet: Device
) -> None:
    one, child = job(), job()
    steps = [{"id": new_row_id(), "job_id": one["id"]} for _ in range(3)]
    child["parent_id"] = one["id"]
    await phone.sync(jobs=created(one, child), steps=created(*steps))
    await tablet.pull()
    await phone.pull()
    await phone.push(jobs=deleted(one["id"]))
    for device in (tablet, phone):  # the one that pushed does not know what went with it
        changes = await device.pull()
        assert set(changes["steps"]["deleted"]) == {step["id"] for step in steps}
        assert [row["parent_id"] for row in changes["jobs"]["updated"]] == [None]
    assert one["id"] not in tablet.rows["jobs"]


async def test_push_04_a_delete_that_a_reference_holds_back_is_corrected(
    deployment: Deployment, phone: Device
) -> None:
    one, free = job(), job()
    hold = {"id": new_row_id(), "job_id": one["id"]}
    await phone.sync(jobs=created(one, free), holds=created(hold))
    await phone.pull()
    told = await phone.push(jobs=deleted(one["id"], free["id"]))
    assert [(r["id"], r["code"], r["retry"]) for r in told["rejected"]] == [
        (one["id"], "still_referenced", False)
    ]
    assert await stored_row(deployment, "field.jobs", free["id"]) is None
    assert ids_of((await phone.pull())["jobs"]) == [one["id"]]
    assert (await phone.push(jobs=deleted(one["id"]), holds=deleted(hold["id"])))["rejected"] == []
    assert await stored_row(deployment, "field.jobs", one["id"]) is None


async def test_push_04_a_delete_beside_an_edit_of_what_would_go_with_it(
    deployment: Deployment, phone: Device
) -> None:
    one = job()
    step = {"id": new_row_id(), "job_id": one["id"], "name": "sand"}
    await phone.sync(jobs=created(one), steps=created(step))
    told = await phone.push(jobs=deleted(one["id"]), steps=[edited(step, name="sand it")])
    assert "experimentalRejectedIds" not in told
    await phone.pull()
    for entity, row in (("jobs", one), ("steps", step)):
        stands = await stored_row(deployment, f"field.{entity}", row["id"]) is not None
        assert (row["id"] in phone.rows.get(entity, {})) == stands


async def test_push_05_a_conflict_never_aborts(deployment: Deployment, phone: Device, ben: Device) -> None:
    one, other = job(), job()
    await phone.sync(jobs=created(one))
    await phone.pull()
    await ben.sync(jobs=[edited(one, title="Ben's", note="b")])
    answer = await phone.ask_push(
        as_changes({"jobs": {"created": [other], "updated": [edited(one, title="Ada's", badge="a")]}})
    )
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 2
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["note"], stored["badge"]) == ("Ada's", "b", "a")
    assert await stored_row(deployment, "field.jobs", other["id"]) is not None


async def test_push_06_the_clients_own_columns_are_no_data(deployment: Deployment, phone: Device) -> None:
    one = account()
    forged = {"id": one["id"], "version": 99, "tenant_id": ABSENT, "user_id": ABSENT, "synced_at": 5}
    forged |= {"created_at": 5, "updated_at": 5, "_status": "synced", "_changed": "name,pos", "pos": 1}
    told = await phone.sync(financial_accounts=[{**one, **forged}])
    assert told == {"accepted": 1, "conflicts": [], "rejected": []}
    stored = await stored_row(deployment, "finance.financial_accounts", one["id"])
    assert stored is not None
    assert stored["user_id"] == deployment.people["ada"].user_id
    assert stored["version"] == 1
    assert stored["created_at"] == stored["updated_at"] == stored["synced_at"]
    assert stored["created_at"].year > 2000
    told = await phone.push(financial_accounts=[{**one, **forged, "_changed": "created_at,user_id"}])
    assert await stored_row(deployment, "finance.financial_accounts", one["id"]) == stored
    (row,) = (await phone.pull())["financial_accounts"]["updated"]
    assert row["created_at"] > 5


@pytest.mark.parametrize("changed", [None, 5, "", "nope", ["title"], {"a": 1}])
async def test_push_06_a_list_that_is_unusable_falls_back_on_the_base(
    deployment: Deployment, phone: Device, ben: Device, changed: Any
) -> None:
    one = job(note="n")
    await phone.sync(jobs=created(one))
    await phone.pull()
    await ben.sync(jobs=[edited(one, badge="b")])
    await phone.push(jobs=[{**one, "title": "Mine", "badge": None, "_changed": changed}])
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    if changed != "nope":  # a list that names something says that nothing else was edited
        assert stored["title"] == "Mine"
    assert stored["badge"] == "b"


async def test_push_07_a_column_that_does_not_come_is_left_alone(
    deployment: Deployment, phone: Device
) -> None:
    one = job(high=3, hours=2, tags='["a"]')
    await phone.sync(jobs=created(one))
    await phone.push(jobs=[{"id": one["id"], "title": "Short"}])
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["high"], stored["hours"], stored["tags"]) == ("Short", 3, 2, ["a"])


async def test_push_08_bad_values_are_mended(deployment: Deployment, phone: Device) -> None:
    one = job(title="x" * 200, hours="many", rank=9, tags="not json", nope=1)
    told = await phone.sync(jobs=created(one), nowhere=created({"id": "a"}))
    stored = await stored_row(deployment, "field.jobs", one["id"])
    assert stored is not None
    assert (stored["title"], stored["hours"], stored["rank"], stored["tags"]) == ("x" * 40, 0, None, [])
    assert told["experimentalRejectedIds"] == {"nowhere": ["a"]}
    (row,) = (await phone.pull())["jobs"]["updated"]
    assert row["title"] == "x" * 40
    (conflict,) = await phone.conflicts()
    assert conflict["reason"] == "invalid"
    sides = {name: side["mine"] for name, side in conflict["fields"].items()}
    assert sides == {"title": "x" * 200, "hours": "many", "rank": 9, "tags": "not json"}


async def test_push_08_rows_are_judged_one_by_one(deployment: Deployment, device: Any) -> None:
    viewer: Device = device("vic")
    one = account()
    told = await viewer.sync(jobs=created(job()), financial_accounts=created(one))
    assert {r["code"] for r in told["rejected"]} == {"forbidden"}
    assert told["accepted"] == 0


async def test_push_08_only_synced_tables_are_there(deployment: Deployment, phone: Device) -> None:
    before = snapshot(deployment)
    names = ["samples", "notices", "readings", "devices", "conflicts", "memberships", "users", "visibility"]
    await phone.pull()
    before = snapshot(deployment)
    answer = await phone.ask_push(as_changes({name: created({"id": new_row_id()}) for name in names}))
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 0
    assert set(answer.json()["experimentalRejectedIds"]) == set(names)
    assert snapshot(deployment).tables.keys() == before.tables.keys()
    assert snapshot(deployment).changes == before.changes


async def test_push_09_success_comes_after_the_commit(
    deployment: Deployment, phone: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    await phone.pull()
    done: list[bool] = []
    commit = "holdfast.engines.memory.transaction.MemoryTransaction.commit"
    from holdfast.engines.memory.transaction import MemoryTransaction

    original = MemoryTransaction.commit

    def committing(self: MemoryTransaction) -> None:
        original(self)
        done.append(True)

    monkeypatch.setattr(commit, committing)
    answer: httpx.Response = await phone.ask_push(as_changes({"jobs": created(job())}))
    assert answer.status_code == 200
    assert done


async def test_push_10_only_what_may_come_right_is_rejected(deployment: Deployment, phone: Device) -> None:
    parent = job()
    step = {"id": new_row_id(), "job_id": parent["id"]}
    told = await phone.sync(steps=created(step))
    assert told["experimentalRejectedIds"] == {"steps": [step["id"]]}
    assert told["rejected"] == [
        {"table": "steps", "id": step["id"], "code": "reference_missing", "retry": True}
    ]
    assert await phone.conflicts("all") == []
    assert await phone.pull() == {}
    await phone.push(jobs=created(parent))
    told = await phone.push(steps=created(step))
    assert told == {"accepted": 1, "conflicts": [], "rejected": []}


async def test_push_10_what_rests_on_a_rejected_row_waits_too(phone: Device, deployment: Deployment) -> None:
    grandchild, child = job(), job(parent_id=new_row_id())
    grandchild["parent_id"] = child["id"]
    step = {"id": new_row_id(), "job_id": grandchild["id"]}
    told = await phone.sync(jobs=created(grandchild, child), steps=created(step))
    assert {t: set(ids) for t, ids in told["experimentalRejectedIds"].items()} == {
        "jobs": {grandchild["id"], child["id"]},
        "steps": {step["id"]},
    }
    assert told["accepted"] == 0


async def test_push_10_a_parent_that_was_deleted_comes_never(phone: Device, deployment: Deployment) -> None:
    parent = job()
    await phone.sync(jobs=created(parent))
    await phone.push(jobs=deleted(parent["id"]))
    await phone.pull()
    step, child = {"id": new_row_id(), "job_id": parent["id"]}, job(parent_id=parent["id"])
    told = await phone.push(steps=created(step), jobs=created(child))
    assert "experimentalRejectedIds" not in told
    assert [(r["id"], r["code"]) for r in told["rejected"]] == [(step["id"], "reference_gone")]
    changes = await phone.pull()
    assert changes["steps"]["deleted"] == [step["id"]]
    assert changes["jobs"]["updated"][0]["parent_id"] is None


async def test_a_chain_of_new_rows_comes_in_any_order(deployment: Deployment, phone: Device) -> None:
    """References within one table and between tables, children first."""
    chain = [job() for _ in range(6)]
    for child, parent in pairwise(chain):
        child["parent_id"] = parent["id"]
    step = {"id": new_row_id(), "job_id": chain[0]["id"]}
    told = await phone.sync(steps=created(step), jobs=created(*chain))
    assert told == {"accepted": 7, "conflicts": [], "rejected": []}
    await phone.push(jobs=deleted(*(row["id"] for row in chain)))
    assert await stored_row(deployment, "field.steps", step["id"]) is None


async def test_what_refers_to_a_row_that_went_for_good_does_not_abort_a_push(
    deployment: Deployment, phone: Device
) -> None:
    """The device has deleted the row, and sends it again before it has heard that it is gone."""
    one = job()
    await phone.sync(jobs=created(one))
    await phone.push(jobs=deleted(one["id"]))
    for _ in range(2):
        step = {"id": new_row_id(), "job_id": one["id"]}
        told = await phone.push(
            jobs=created(one), steps=created(step), keepsakes=created({**job(), "name": "s"})
        )
        assert "experimentalRejectedIds" not in told
        assert await stored_row(deployment, "field.steps", step["id"]) is None
        assert [r["code"] for r in told["rejected"]] == ["reference_gone"]
    assert len(deployment.engine.data.tables["field.keepsakes"]) == 2


async def test_a_push_is_taken_bare_and_wrapped(phone: Device, deployment: Deployment) -> None:
    await phone.pull()
    shapes: list[tuple[dict[str, str], Any]] = []
    for name in ("last_pulled_at", "lastPulledAt"):
        shapes.append(({}, {"changes": as_changes({"jobs": created(job())}), name: phone.cursor}))
        shapes.append(({name: str(phone.cursor)}, as_changes({"jobs": created(job())})))
        shapes.append(({name: str(phone.cursor)}, {"changes": as_changes({"jobs": created(job())})}))
    for parameters, body in shapes:
        answer = await phone.client.post("/api/v1/sync/push", params=parameters, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["accepted"] == 1
    assert len(deployment.engine.data.tables["field.jobs"]) == len(shapes)


async def test_a_member_that_is_referred_to_is_looked_up(phone: Device, deployment: Deployment) -> None:
    ben, eve = deployment.people["ben"].user_id, deployment.people["eve"].user_id
    good, bad = ({"id": new_row_id(), "about": str(who)} for who in (ben, eve))
    told = await phone.sync(labels=created(good, bad))
    assert [c["id"] for c in told["conflicts"]] == [bad["id"]]
    assert told["conflicts"][0]["reason"] == "no_such_member"
    rows = {row["id"]: row["about"] for row in (await phone.pull())["labels"]["updated"]}
    assert rows[bad["id"]] is None
