"""How edits meet: each rule by itself, then with the bases that devices have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from holdfast.model.entity import schema_of
from holdfast.sync.merge import Merged, merge_field
from tests.api_platform import Deployment
from tests.sync.device import (
    Device,
    NewDevice,
    Row,
    created,
    deleted,
    edited,
    ids_of,
    job,
    new_row_id,
    stored_row,
)
from tests.sync.field import Job

FIELDS = schema_of(Job, pack="field").by_name


def D(text: str) -> Decimal:  # noqa: N802
    return Decimal(text)


# field, base, here, pushed, what stands, whether what was pushed is in it
RULES: list[tuple[str, Any, Any, Any, Any, bool]] = [
    ("title", "a", "b", "c", "c", True),
    ("note", "a", "b", "c", "b", False),
    ("note", None, None, "c", None, False),
    ("badge", "a", "b", "c", "c", True),
    ("badge", "a", "b", None, None, True),
    ("ruling", "a", "b", "c", "b", False),
    ("high", 1, 5, 3, 5, False),
    ("high", 1, 3, 5, 5, True),
    ("high", 1, None, 3, 3, True),
    ("high", 1, 3, None, 3, False),
    ("high", 0, -2, -1, -1, True),
    ("low", 9, 5, 3, 3, True),
    ("low", 9, 3, 5, 3, False),
    ("low", 9, None, 5, 5, True),
    ("low", 9, 5, None, 5, False),
    ("low", None, 0, 5, 0, False),
    ("hours", 10, 12, 11, 13, True),
    ("hours", 10, 7, 8, 5, True),
    ("hours", 10, 10, 7, 7, True),
    ("hours", 0, 3, 4, 7, True),
    ("hours", None, 3, 4, 7, True),
    ("cost", None, D("1.10"), D("2.20"), D("3.30"), True),
    ("cost", D("1.00"), None, D("1.50"), D("0.50"), True),
    ("cost", D("1.00"), D("2.00"), None, D("1.00"), True),
    ("cost", D("0.10"), D("0.30"), D("0.20"), D("0.40"), True),
    ("cost", D("0"), D("99999.99"), D("0.01"), D("99999.99"), False),
    ("tags", ["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"], True),
    ("tags", ["a", "b"], ["a"], ["a", "b", "c"], ["a", "c"], True),
    ("tags", ["a", "b"], ["a", "b", "d"], ["b"], ["b", "d"], True),
    ("tags", ["a", "b"], ["b"], ["a"], [], True),
    ("tags", [], ["x"], ["x"], ["x"], True),
    ("tags", None, ["x"], ["y"], ["x", "y"], True),
    ("tags", [1], [1, True], [1, "1"], [1, True, "1"], True),
    ("tags", [{"b": 1, "a": 2}], [{"a": 2, "b": 1}, 5], [], [5], True),
    ("facts", {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 1, "b": 2, "c": 3}, True),
    ("facts", {"a": 1}, {"a": 2}, {"a": 3}, {"a": 3}, True),
    ("facts", {"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}, True),
    ("facts", {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, {"b": 1}, {"b": 1, "c": 1}, True),
    ("facts", {"a": 1, "b": 1}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2}, True),
    ("facts", None, {"a": 1}, {"b": 1}, {"a": 1, "b": 1}, True),
    ("facts", {}, {"n": {"x": 1}}, {"n": {"y": 1}}, {"n": {"y": 1}}, True),
]


@pytest.mark.parametrize(("name", "base", "current", "pushed", "stands", "in_it"), RULES)
def test_a_field_meets_another_edit(
    name: str, base: Any, current: Any, pushed: Any, stands: Any, in_it: bool
) -> None:
    merged = merge_field(FIELDS[name], base=base, current=current, pushed=pushed)
    assert merged == Merged(stands, in_it)
    assert type(merged.value) is type(stands)


def test_a_union_does_not_change_what_it_is_given() -> None:
    base: list[Any] = ["a"]
    current, pushed = ["a", "b"], ["c"]
    merge_field(FIELDS["tags"], base=base, current=current, pushed=pushed)
    assert (base, current, pushed) == (["a"], ["a", "b"], ["c"])
    here, there = {"a": 1}, {"b": 1}
    merge_field(FIELDS["facts"], base={}, current=here, pushed=there)
    assert (here, there) == ({"a": 1}, {"b": 1})


def test_max_of_text_goes_by_code_points_as_the_engines_sort() -> None:
    assert FIELDS["badge"].type.kind == "text"
    from dataclasses import replace

    field = replace(FIELDS["badge"], merge="max")
    assert merge_field(field, base="", current="Z", pushed="a").value == "a"
    assert merge_field(field, base="", current="\uffff", pushed="\U00010000").value == "\U00010000"


# -- over the wire ----------------------------------------------------------------------------------------------------


async def _stored(deployment: Deployment, row: Row, entity: str = "field.jobs") -> Row:
    found = await stored_row(deployment, entity, row["id"])
    assert found is not None
    return found


async def _met(phone: Device, ben: Device, row: Row, mine: Row, theirs: Row) -> dict[str, Any]:
    """Ada has pulled `row`; Ben's edit is pushed first, then hers. Returns what she is told."""
    await phone.sync(jobs=created(row))
    await phone.pull()
    await ben.pull()
    await ben.push(jobs=[edited(row, **theirs)])
    return await phone.push(jobs=[edited(row, **mine)])


async def test_different_fields_are_merged_without_a_word(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=1)
    told = await _met(phone, ben, one, {"badge": "ada", "high": 2}, {"title": "Ben's", "tags": '["b"]'})
    assert told == {"accepted": 1, "conflicts": [], "rejected": []}
    stored = await _stored(deployment, one)
    assert (stored["badge"], stored["high"], stored["title"], stored["tags"]) == ("ada", 2, "Ben's", ["b"])
    (row,) = (await phone.pull())["jobs"]["updated"]
    assert row["title"] == "Ben's"


async def test_the_same_value_on_both_sides_is_no_conflict(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    told = await _met(phone, ben, job(), {"title": "Same", "ruling": "x"}, {"title": "Same", "ruling": "x"})
    assert told["conflicts"] == []


WIRE: list[tuple[str, Any, Any, Any, Any, bool]] = [
    ("title", "t", "mine", "theirs", "mine", False),
    ("note", "n", "mine", "theirs", "theirs", False),
    ("badge", "b", "mine", "theirs", "mine", False),
    ("badge", "b", None, "theirs", None, False),
    ("high", 1, 2, 3, 3, False),
    ("high", None, 2, 1, 2, False),
    ("low", 5, 4, 3, 3, False),
    ("hours", 10, 12, 15, 17, False),
    ("hours", 10, 11, 11, 12, False),
    ("cost", 1.5, 2.5, 1.25, D("2.25"), False),
    ("tags", '["a","b"]', '["a","c"]', '["a","b","d"]', ["a", "d", "c"], False),
    ("facts", '{"a":1}', '{"a":1,"m":1}', '{"t":1}', {"m": 1, "t": 1}, False),
    ("ruling", "r", "mine", "theirs", "theirs", True),
    ("ruling", "r", None, "theirs", "theirs", True),
]


@pytest.mark.parametrize(("name", "before", "mine", "theirs", "stands", "is_open"), WIRE)
async def test_one_field_is_settled_by_its_rule_and_nothing_is_lost(
    deployment: Deployment,
    phone: Device,
    ben: Device,
    name: str,
    before: Any,
    mine: Any,
    theirs: Any,
    stands: Any,
    is_open: bool,
) -> None:
    one = job(**{name: before})
    told = await _met(phone, ben, one, {name: mine}, {name: theirs})
    (conflict,) = told["conflicts"]
    assert (conflict["reason"], conflict["fields"], conflict["open"]) == (
        "edit_against_edit",
        {name: FIELDS[name].merge},
        is_open,
    )
    assert (await _stored(deployment, one))[name] == stands
    (item,) = await phone.conflicts("open" if is_open else "settled")
    assert item["id"] == conflict["conflict"]
    sides = item["fields"][name]
    plain = _plain_of(name)
    assert sides["theirs"] == plain(theirs)
    assert sides["base"] == plain(before)
    assert sides["mine"] == plain(mine)
    assert await phone.conflicts("settled" if is_open else "open") == []
    for device in (phone, ben):
        await device.pull()
    assert phone.rows["jobs"][one["id"]][name] == ben.rows["jobs"][one["id"]][name]


def _plain_of(name: str) -> Any:
    """How the inbox, which speaks as REST does, spells a value of the wire."""
    import json

    match FIELDS[name].type.kind:
        case "json":
            return json.loads
        case "decimal":
            return lambda value: None if value is None else f"{value:.2f}"
        case _:
            return lambda value: value


async def test_a_counter_that_would_not_fit_stays_and_keeps_what_was_pushed(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(cost=0)
    told = await _met(phone, ben, one, {"cost": 99999.99}, {"cost": 0.02})
    assert told["conflicts"][0]["fields"] == {"cost": "counter"}
    assert (await _stored(deployment, one))["cost"] == D("0.02")
    (item,) = await phone.conflicts("settled")
    assert item["fields"]["cost"]["mine"] == "99999.99"


async def test_a_merge_never_makes_a_value_that_the_entity_refuses(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=600)
    await _met(phone, ben, one, {"hours": 950}, {"hours": 700})
    assert (await _stored(deployment, one))["hours"] <= 1_000


# -- bases ------------------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_pushed_again_and_changes_nothing(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=1)
    await phone.sync(jobs=created(one))
    await phone.pull()
    edit = edited(one, title="Mine", hours=4)
    await phone.push(jobs=[edit])
    stored, log = await _stored(deployment, one), len(_log(deployment))
    assert await phone.push(jobs=[edit]) == {"accepted": 1, "conflicts": [], "rejected": []}
    await phone.sync(jobs=[edit])
    await phone.sync(jobs=[edit])
    assert await _stored(deployment, one) == stored
    assert len(_log(deployment)) == log


async def test_a_lost_answer_does_not_undo_what_came_after(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=1)
    await phone.sync(jobs=created(one))
    await phone.pull()
    edit = edited(one, title="Ada's", hours=4, ruling="ada")
    await phone.push(jobs=[edit])  # and the answer is lost
    await ben.pull()
    await ben.push(jobs=[edited(ben.rows["jobs"][one["id"]], title="Ben's", hours=5, ruling="ben")])
    told = await phone.sync(jobs=[edit])
    assert told["conflicts"] == []
    stored = await _stored(deployment, one)
    assert (stored["title"], stored["hours"], stored["ruling"]) == ("Ben's", 5, "ben")


async def test_a_lost_answer_to_a_create(deployment: Deployment, phone: Device, ben: Device) -> None:
    one = job(hours=2)
    await phone.pull()
    await phone.push(jobs=created(one))
    await ben.pull()
    await ben.push(jobs=[edited(one, title="Ben's", hours=3)])
    told = await phone.sync(jobs=created(one))
    assert told["conflicts"] == []
    stored = await _stored(deployment, one)
    assert (stored["title"], stored["hours"]) == ("Ben's", 3)


async def test_an_edit_during_a_push_does_not_reassert_what_was_acknowledged(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    """`_changed` still lists the title, which was pushed before and has been changed by another since."""
    one = job(hours=1)
    await phone.sync(jobs=created(one))
    await phone.pull()
    await phone.push(jobs=[edited(one, title="Ada's", hours=2)])
    await ben.sync()
    await ben.push(jobs=[edited(ben.rows["jobs"][one["id"]], title="Ben's", hours=12)])
    told = await phone.sync(jobs=[edited(one, title="Ada's", hours=2, badge="new")])
    assert told["conflicts"] == []
    stored = await _stored(deployment, one)
    assert (stored["title"], stored["hours"], stored["badge"]) == ("Ben's", 12, "new")


async def test_an_edit_during_a_push_counts_from_what_was_pushed(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=10)
    await phone.sync(jobs=created(one))
    await phone.pull()
    await phone.push(jobs=[edited(one, hours=12)])
    await ben.sync()
    await ben.push(jobs=[edited(ben.rows["jobs"][one["id"]], hours=20)])
    await phone.sync(jobs=[edited(one, hours=13)])
    assert (await _stored(deployment, one))["hours"] == 21


async def test_a_value_that_a_person_sets_back_later_is_an_edit(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(title="First")
    await phone.sync(jobs=created(one))
    await phone.sync(jobs=[edited(one, title="Second")])
    await phone.sync()
    await phone.sync()
    assert (await phone.sync(jobs=[edited(one, title="First")]))["conflicts"] == []
    assert (await _stored(deployment, one))["title"] == "First"
    await ben.sync()
    await ben.push(jobs=[edited(ben.rows["jobs"][one["id"]], title="Ben's")])
    await phone.sync()
    await phone.sync()
    assert phone.rows["jobs"][one["id"]]["title"] == "Ben's"
    await phone.sync(jobs=[edited(phone.rows["jobs"][one["id"]], title="First")])
    assert (await _stored(deployment, one))["title"] == "First"


async def test_an_edit_that_was_made_before_the_pull_meets_what_the_pull_brings(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    """A client pulls right before it pushes, and keeps its own edit over what has come."""
    one = job(hours=1)
    await phone.sync(jobs=created(one))
    await phone.pull()
    await phone.pull()
    mine = edited(one, hours=3, ruling="ada")
    await ben.sync()
    await ben.push(jobs=[edited(ben.rows["jobs"][one["id"]], hours=11, ruling="ben")])
    told = await phone.sync(jobs=[mine])
    assert told["conflicts"][0]["fields"] == {"hours": "counter", "ruling": "manual"}
    stored = await _stored(deployment, one)
    assert (stored["hours"], stored["ruling"]) == (13, "ben")


async def test_replays_change_nothing_also_behind_other_pushes(
    deployment: Deployment, phone: Device, tablet: Device, ben: Device
) -> None:
    one, two = job(hours=1, tags='["a"]'), job()
    await phone.sync(jobs=created(one, two))
    await phone.pull()
    await ben.pull()
    await ben.push(jobs=[edited(one, hours=5, tags='["a","b"]', ruling="ben", note="ben")])
    body = {
        "jobs": {
            "created": [job()],
            "updated": [edited(one, hours=3, tags='["a","c"]', ruling="ada", note="ada", title="x" * 90)],
            "deleted": [two["id"]],
        }
    }
    await phone.push(**body)
    await ben.push(jobs=[edited(one, badge="later", high=7)])
    await tablet.sync(jobs=created(job()))
    rows, log = dict(deployment.engine.data.tables["field.jobs"]), list(_log(deployment))
    inbox = await phone.conflicts("all")
    for _ in range(3):
        told = await phone.push(**body)
        assert told["rejected"] == []
    assert dict(deployment.engine.data.tables["field.jobs"]) == rows
    assert _log(deployment) == log
    assert await phone.conflicts("all") == inbox


async def test_a_replay_of_what_was_refused_is_refused_once(
    deployment: Deployment, device: NewDevice, phone: Device
) -> None:
    one, two = job(), job()
    await phone.sync(jobs=created(one))
    vic = device("vic", "vic's")
    await vic.pull()
    body = {"jobs": {"created": [two], "updated": [edited(one, title="Vic's")]}}
    await vic.push(**body)
    log, inbox = list(_log(deployment)), await vic.conflicts("all")
    assert len(inbox) == 2
    await vic.push(**body)
    assert _log(deployment) == log
    assert await vic.conflicts("all") == inbox
    changes = await vic.pull()
    assert changes["jobs"]["deleted"] == [two["id"]]
    assert ids_of(changes["jobs"]) == [one["id"]]


def _log(deployment: Deployment) -> list[Any]:
    return deployment.engine.data.changes[deployment.people["ada"].tenant_id]


# -- what cannot be taken ---------------------------------------------------------------------------------------------


async def test_an_invalid_value_of_a_row_that_stands_leaves_the_field_alone(
    deployment: Deployment, phone: Device
) -> None:
    one = job(rank=2)
    await phone.sync(jobs=created(one))
    await phone.pull()
    told = await phone.push(jobs=[edited(one, rank=77, title="Good")])
    assert told["accepted"] == 1
    assert told["conflicts"][0]["reason"] == "invalid"
    stored = await _stored(deployment, one)
    assert (stored["rank"], stored["title"]) == (2, "Good")
    (item,) = await phone.conflicts()
    assert item["fields"]["rank"] == {"mine": 77, "theirs": 2, "base": 2}
    assert (await phone.pull())["jobs"]["updated"][0]["rank"] == 2


async def test_what_the_entity_itself_refuses_is_left_empty(deployment: Deployment, phone: Device) -> None:
    one = job(title="forbidden", hours=4)
    await phone.sync(jobs=created(one))
    stored = await _stored(deployment, one)
    assert (stored["title"], stored["hours"]) == ("", 4)
    (item,) = await phone.conflicts()
    assert item["fields"]["title"]["mine"] == "forbidden"
    await phone.push(jobs=[edited(one, title="forbidden", hours=5)])
    assert (await _stored(deployment, one))["hours"] == 5
    assert len(await phone.conflicts()) == 1


async def test_a_create_without_what_it_must_have_is_deleted(deployment: Deployment, phone: Device) -> None:
    await phone.pull()
    one = {"id": new_row_id(), "name": "no job"}
    told = await phone.push(steps=created(one))
    assert [r["code"] for r in told["rejected"]] == ["invalid"]
    assert (await phone.pull())["steps"]["deleted"] == [one["id"]]
    (item,) = await phone.conflicts()
    assert (item["reason"], item["deleted"]) == ("invalid", True)
    assert item["fields"]["name"]["mine"] == "no job"


async def test_a_value_that_is_anothers_is_not_taken(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    theirs, mine = ({"id": new_row_id(), "code": "A1", "name": n} for n in ("ben", "ada"))
    await ben.sync(labels=created(theirs))
    told = await phone.sync(labels=created(mine))
    assert [c["reason"] for c in told["conflicts"]] == ["duplicate"]
    (row,) = (await phone.pull())["labels"]["updated"]
    assert (row["code"], row["name"]) == (None, "ada")
    assert ids_of(phone.last["changes"]["labels"]) == [mine["id"]]
    (item,) = await phone.conflicts()
    assert item["fields"]["code"]["mine"] == "A1"


async def test_one_of_a_kind_moves_within_one_push(deployment: Deployment, phone: Device) -> None:
    """The new main one may come before the old one that gives it up."""
    old, new = ({"id": new_row_id(), "is_main": main} for main in (True, False))
    await phone.sync(labels=created(old, new))
    await phone.pull()
    told = await phone.push(labels=[edited(new, is_main=True), edited(old, is_main=False)])
    assert told["conflicts"] == told["rejected"] == []
    assert (await _stored(deployment, new, "field.labels"))["is_main"] is True
    assert (await _stored(deployment, old, "field.labels"))["is_main"] is False


async def test_a_code_is_handed_over_within_one_push(deployment: Deployment, phone: Device) -> None:
    one, two, three = ({"id": new_row_id(), "code": code} for code in ("A", "B", "C"))
    await phone.sync(labels=created(one, two, three))
    await phone.pull()
    told = await phone.push(
        labels={
            "created": [{"id": new_row_id(), "code": "C"}],
            "updated": [edited(one, code="B"), edited(two, code="D")],
            "deleted": [three["id"]],
        }
    )
    assert told["conflicts"] == told["rejected"] == []
    assert (await _stored(deployment, one, "field.labels"))["code"] == "B"
    assert (await _stored(deployment, two, "field.labels"))["code"] == "D"


async def test_two_that_exchange_a_code_are_settled_somehow_and_lose_nothing(
    deployment: Deployment, phone: Device
) -> None:
    one, two = ({"id": new_row_id(), "code": code} for code in ("A", "B"))
    await phone.sync(labels=created(one, two))
    await phone.pull()
    told = await phone.push(labels=[edited(one, code="B"), edited(two, code="A")])
    assert told["accepted"] == 2
    assert {c["reason"] for c in told["conflicts"]} <= {"duplicate"}


async def test_a_duplicate_and_a_reference_that_is_gone_in_one_row(
    deployment: Deployment, phone: Device
) -> None:
    gone = job()
    taken, mine = {"id": new_row_id(), "code": "A"}, {"id": new_row_id(), "name": "n"}
    await phone.sync(jobs=created(gone), labels=created(taken, mine))
    await phone.sync(jobs=deleted(gone["id"]))
    await phone.pull()
    told = await phone.push(labels=[edited(mine, code="A", job_id=gone["id"], name="m")])
    assert told["accepted"] == 1
    stored = await _stored(deployment, mine, "field.labels")
    assert (stored["code"], stored["job_id"], stored["name"]) == (None, None, "m")


# -- delete against edit ----------------------------------------------------------------------------------------------


async def test_an_edit_of_a_deleted_row_is_kept_in_the_history(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(badge="b")
    await phone.sync(jobs=created(one))
    await phone.pull()
    await ben.sync(jobs=deleted(one["id"]))
    told = await phone.push(jobs=[edited(one, title="Late")])
    assert (told["accepted"], told["rejected"]) == (1, [])
    assert told["conflicts"][0]["open"] is False
    assert (await phone.pull())["jobs"]["deleted"] == [one["id"]]
    (item,) = await phone.conflicts("settled")
    assert item["deleted"] is True
    assert item["fields"]["title"]["mine"] == "Late"


async def test_a_row_that_was_not_edited_simply_goes(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await phone.pull()
    await ben.sync(jobs=deleted(one["id"]))
    assert (await phone.push(jobs=[{**one, "_changed": "title"}]))["conflicts"] == []
    assert (await phone.pull())["jobs"]["deleted"] == [one["id"]]
    assert await phone.conflicts("all") == []


async def test_a_delete_of_an_edited_row_by_policy(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    goes, stays = job(), {"id": new_row_id(), "name": "shell"}
    await phone.sync(jobs=created(goes), keepsakes=created(stays))
    await phone.pull()
    await ben.pull()
    await ben.push(jobs=[edited(goes, title="Ben's")], keepsakes=[edited(stays, colour="blue")])
    told = await phone.push(jobs=deleted(goes["id"]), keepsakes=deleted(stays["id"]))
    assert told["rejected"] == []
    assert {c["reason"] for c in told["conflicts"]} == {"delete_against_edit"}
    assert await stored_row(deployment, "field.jobs", goes["id"]) is None
    assert (await _stored(deployment, stays, "field.keepsakes"))["colour"] == "blue"
    changes = await phone.pull()
    assert ids_of(changes["keepsakes"]) == [stays["id"]]
    assert (await ben.pull())["jobs"]["deleted"] == [goes["id"]]


async def test_ones_own_edit_is_no_obstacle_to_ones_delete(deployment: Deployment, phone: Device) -> None:
    one = {"id": new_row_id(), "name": "shell"}
    await phone.sync(keepsakes=created(one))
    await phone.push(keepsakes=[edited(one, colour="red")])
    assert (await phone.push(keepsakes=deleted(one["id"])))["conflicts"] == []
    assert await stored_row(deployment, "field.keepsakes", one["id"]) is None


async def test_a_row_that_is_made_again_stands_and_is_no_tombstone(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job()
    await phone.sync(jobs=created(one))
    await phone.sync(jobs=deleted(one["id"]))
    await phone.pull()
    assert (await phone.push(jobs=created({**one, "title": "Again"})))["conflicts"] == []
    assert (await _stored(deployment, one))["title"] == "Again"
    changes = await ben.pull()
    assert ids_of(changes["jobs"]) == [one["id"]]
    await phone.push(jobs=[edited(one, title="And again")])
    assert ids_of((await ben.pull())["jobs"]) == [one["id"]]


# -- the inbox --------------------------------------------------------------------------------------------------------


async def _open_conflict(phone: Device, ben: Device) -> tuple[Row, str]:
    one = job(ruling="base")
    told = await _met(phone, ben, one, {"ruling": "mine", "title": "m"}, {"ruling": "theirs", "title": "t"})
    conflict: str = told["conflicts"][0]["conflict"]
    return one, conflict


@pytest.mark.parametrize(
    ("body", "stands"),
    [
        ({"take": "mine"}, "mine"),
        ({"take": "theirs"}, "theirs"),
        ({"take": "value", "values": {"ruling": "both"}}, "both"),
    ],
)
async def test_a_person_decides(
    deployment: Deployment, phone: Device, ben: Device, body: dict[str, Any], stands: str
) -> None:
    one, conflict = await _open_conflict(phone, ben)
    (item,) = await phone.conflicts()
    assert item["fields"]["ruling"] == {"mine": "mine", "theirs": "theirs", "base": "base"}
    answer = await phone.resolve(conflict, **body)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (await _stored(deployment, one))["ruling"] == stands
    assert await phone.conflicts() == []
    (item,) = await phone.conflicts("resolved")
    assert item["resolution"] == body["take"]
    for device in (phone, ben):
        await device.pull()
        assert device.rows["jobs"][one["id"]]["ruling"] == stands
    assert (await phone.resolve(conflict, **body)).status_code == 409


async def test_a_decision_that_is_none(deployment: Deployment, phone: Device, ben: Device) -> None:
    _, conflict = await _open_conflict(phone, ben)
    for body in (
        {"take": "value"},
        {"take": "mine", "values": {}},
        {"take": "both"},
        {"take": "value", "values": {"no_such": 1}},
        {"take": "value", "values": {"ruling": 5}},
        {"take": "value", "values": {"version": 5}},
        {},
    ):
        assert (await phone.resolve(conflict, **body)).status_code == 422, body
    assert len(await phone.conflicts()) == 1


async def test_another_persons_conflict_is_not_there(
    deployment: Deployment, phone: Device, ben: Device, device: NewDevice
) -> None:
    _, conflict = await _open_conflict(phone, ben)
    for other in (ben, device("vic"), device("eve")):
        assert await other.conflicts("all") == []
        assert (await other.resolve(conflict, take="mine")).status_code == 404
    assert (await phone.resolve("0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d", take="mine")).status_code == 404
    assert len(await phone.conflicts()) == 1


async def test_several_are_settled_together(deployment: Deployment, phone: Device, ben: Device) -> None:
    pairs = [await _open_conflict(phone, ben) for _ in range(3)]
    unknown = "0197b3a4-6f0e-7c51-9d0a-2f6f4c1e8b7d"
    assert (await phone.resolve(pairs[0][1], take="theirs")).status_code == 200
    body = {"ids": [*(conflict for _, conflict in pairs), unknown], "take": "mine"}
    answer = await phone.client.post("/api/v1/sync/conflicts/resolve", json=body)
    assert answer.status_code == 200
    said = [item.get("code") or item["state"] for item in answer.json()["items"]]
    assert said == ["conflict", "resolved", "resolved", "not_found"]
    assert [(await _stored(deployment, one))["ruling"] for one, _ in pairs] == ["theirs", "mine", "mine"]
    for bad in (
        {"ids": [], "take": "mine"},
        {"ids": [unknown], "take": "value"},
        {"ids": ["x"], "take": "mine"},
    ):
        assert (await phone.client.post("/api/v1/sync/conflicts/resolve", json=bad)).status_code == 422


async def test_a_refused_row_is_brought_back_from_the_inbox(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    """An edit that a delete won against: with `mine` or a value the row stands again."""
    await phone.pull()
    one = {"id": new_row_id(), "name": "no job"}
    await phone.push(steps=created(one))
    (item,) = await phone.conflicts()
    parent = job()
    await phone.push(jobs=created(parent))
    from holdfast.model.ids import parse_id

    values = {"name": "sand", "job_id": str(parse_id(parent["id"]))}
    answer = await phone.resolve(item["id"], take="value", values=values)
    assert answer.status_code == 200, answer.text
    assert (await _stored(deployment, one, "field.steps"))["name"] == "sand"
    assert ids_of((await phone.pull())["steps"]) == [one["id"]]


async def test_a_refused_delete_is_told_once_however_often_it_comes(
    deployment: Deployment, device: NewDevice, phone: Device
) -> None:
    one, shell, held = job(), {"id": new_row_id(), "name": "shell"}, job()
    await phone.sync(jobs=created(one, held), keepsakes=created(shell))
    await phone.push(holds=created({"id": new_row_id(), "job_id": held["id"]}))
    vic, ben = device("vic", "vic's"), device("ben", "ben's")
    await vic.pull()
    await ben.pull()
    await ben.pull()
    await phone.push(keepsakes=[edited(shell, colour="red")])
    for who, body in (
        (vic, {"jobs": deleted(one["id"])}),
        (ben, {"jobs": deleted(held["id"]), "keepsakes": deleted(shell["id"])}),
    ):
        told = await who.push(**body)
        assert len(told["rejected"]) + len(told["conflicts"]) == len(body)
        inbox = await who.conflicts("all")
        assert len(inbox) == len(body)
        for _ in range(2):
            await who.push(**body)
        assert await who.conflicts("all") == inbox
        await who.pull()
        for table, arrays in body.items():
            assert set(arrays["deleted"]) <= set(who.rows[table])


async def test_a_new_row_is_edited_as_the_pull_has_just_brought_it(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    """It was not there at the cursor which the device showed: what it is edited from, it can only have from the pull."""
    await ben.pull()
    one, gone, shell = job(hours=2, ruling="x"), job(), {"id": new_row_id(), "name": "shell"}
    await phone.sync(jobs=created(one, gone), keepsakes=created(shell))
    await ben.pull()
    told = await ben.push(
        jobs={"updated": [edited(one, hours=5, ruling="y")], "deleted": [gone["id"]]},
        keepsakes=deleted(shell["id"]),
    )
    assert told == {"accepted": 3, "conflicts": [], "rejected": []}
    stored = await _stored(deployment, one)
    assert (stored["hours"], stored["ruling"]) == (5, "y")
    assert await stored_row(deployment, "field.keepsakes", shell["id"]) is None


async def test_a_sum_that_was_not_heard_of_counts_from_what_was_pushed(
    deployment: Deployment, phone: Device, ben: Device
) -> None:
    one = job(hours=10, tags='["a"]')
    await phone.sync(jobs=created(one))
    for device in (phone, phone, ben, ben):
        await device.pull()
    await ben.push(jobs=[edited(one, hours=15, tags='["a","b"]')])
    first = edited(one, hours=11, tags='["a","c"]')
    await phone.push(jobs=[first])
    await phone.sync(jobs=[first])  # the answer was lost
    stored = await _stored(deployment, one)
    assert (stored["hours"], stored["tags"]) == (16, ["a", "b", "c"])
    await phone.push(jobs=[edited(one, hours=13, tags='["c"]')])  # and the row was edited meanwhile
    stored = await _stored(deployment, one)
    assert (stored["hours"], stored["tags"]) == (18, ["b", "c"])


async def test_the_inbox_is_read_in_pages(deployment: Deployment, phone: Device, ben: Device) -> None:
    made = {(await _open_conflict(phone, ben))[1] for _ in range(5)}
    seen: list[str] = []
    after: str | None = None
    while True:
        parameters = {"limit": "2", **({"after": after} if after else {})}
        answer = (await phone.client.get("/api/v1/sync/conflicts", params=parameters)).json()
        seen += [item["id"] for item in answer["items"]]
        after = answer["next"]
        if after is None:
            break
    assert len(seen) == 5
    assert set(seen) == made
