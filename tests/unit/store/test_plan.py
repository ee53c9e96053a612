"""Planning a write on the row that stands: the new row, the change, the old values. Pure."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from holdfast.changes.change import SALT_FIELD, OldValue, Operation, Tombstone, commitment, value_hash
from holdfast.engines.port import Outcome, PlannedWrite, RowWrite, Stored, Write
from holdfast.errors import NotFound, StaleVersion
from holdfast.identity.principal import Role
from holdfast.model.schema import EntitySchema
from holdfast.store._plan import FlushPlan, changed_fields, plan_write
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START
from holdfast.testing.conformance.entities import CATALOG, Board, Note, Tally

NOTE, BOARD, TALLY = (CATALOG.schema(entity) for entity in (Note, Board, Tally))
ANN = Scope(UUID(int=1), Role.MEMBER, UUID(int=2), device="phone")
ROW_ID, SALT = UUID(int=9), b"s" * 16
VALUES: dict[str, Any] = {
    "user_id": ANN.user_id,
    "title": "first",
    "body": None,
    "stars": 3,
    "number": None,
    "synced_at": None,
}
ROW = {"id": ROW_ID, "version": 4, "created_at": START, "updated_at": START, **VALUES}
STORED = Stored(ROW, SALT)


def planned(op: Operation, values: dict[str, Any] | None = None, **options: Any) -> PlannedWrite:
    return PlannedWrite(Write(NOTE, op, ROW_ID, values or {}, **options), ANN, START + timedelta(seconds=9))


def test_a_new_row_has_version_one_and_the_time_of_the_write() -> None:
    plan = FlushPlan(41)
    physical, outcome = plan_write(plan, planned(Operation.CREATE, VALUES, if_version=0, salt=SALT), None)
    at = START + timedelta(seconds=9)
    row = {"id": ROW_ID, "version": 1, "created_at": at, "updated_at": at, **VALUES}
    assert physical == RowWrite(NOTE, ROW_ID, row, 0, SALT)
    assert outcome == Outcome(1, 42, row=row)
    (change,) = plan.log()
    assert (change.tenant_id, change.number, change.flush_end) == (ANN.tenant_id, 42, 42)
    assert (change.entity, change.row_id, change.op) == ("kit.notes", ROW_ID, Operation.CREATE)
    assert (change.actor, change.device, change.at) == (ANN.user_id, "phone", at)
    assert change.fields == ("body", "number", "stars", "synced_at", "title", "user_id")
    plain = {**VALUES, "user_id": str(ANN.user_id)}
    assert change.commitment == commitment(SALT, 1, {name: value_hash(plain[name]) for name in plain})
    assert plan.old_values == []


def test_an_update_changes_what_differs_and_keeps_what_stood_there() -> None:
    plan = FlushPlan(41)
    values = {"title": "second", "stars": 3, "body": "text"}
    physical, outcome = plan_write(plan, planned(Operation.UPDATE, values), STORED)
    assert physical is not None
    assert physical.row == {
        **ROW,
        "title": "second",
        "body": "text",
        "version": 5,
        "updated_at": START + timedelta(seconds=9),
    }
    assert (physical.if_version, physical.salt) == (4, SALT)
    assert (outcome.version, outcome.number) == (5, 42)
    (change,) = plan.log()
    assert change.fields == ("body", "title")
    assert change.commitment == commitment(
        SALT, 5, {"body": value_hash("text"), "title": value_hash("second")}
    )
    kept = [(old.number, old.field, old.value, old.owner) for old in plan.old_values]
    assert kept == [(42, "body", b"null", ANN.user_id), (42, "title", b'"first"', ANN.user_id)]
    assert ROW["title"] == "first"


def test_a_delete_keeps_every_value_and_the_salt() -> None:
    plan = FlushPlan(41)
    physical, outcome = plan_write(plan, planned(Operation.DELETE), STORED)
    assert physical == RowWrite(NOTE, ROW_ID, None, 4, SALT)
    assert outcome == Outcome(5, 42)
    (change,) = plan.log()
    assert (change.fields, change.version) == ((), 5)
    assert change.commitment == commitment(SALT, 5, {})
    kept = {old.field: old.value for old in plan.old_values}
    assert base64.b64decode(orjson.loads(kept.pop(SALT_FIELD))) == SALT
    assert kept == {"title": b'"first"', "stars": b"3", "user_id": orjson.dumps(str(ANN.user_id))}
    assert {old.owner for old in plan.old_values} == {ANN.user_id}


def test_a_change_that_changes_nothing_takes_no_number() -> None:
    plan = FlushPlan(41)
    physical, outcome = plan_write(plan, planned(Operation.UPDATE, {"title": "first", "body": None}), STORED)
    assert physical is None
    assert outcome == Outcome(4, None, row=ROW)
    assert (plan.head, plan.log(), plan.writes) == (41, [], [])


def test_a_row_is_changed_later_than_it_was_before() -> None:
    for now, expected in (
        (-60, timedelta(microseconds=1)),
        (0, timedelta(microseconds=1)),
        (7, timedelta(seconds=7)),
    ):
        late = replace(planned(Operation.UPDATE, {"stars": 1}), at=START + timedelta(seconds=now))
        _, outcome = plan_write(FlushPlan(0), late, STORED)
        assert outcome.row is not None
        assert outcome.row["updated_at"] == START + expected


@pytest.mark.parametrize("op", [Operation.UPDATE, Operation.DELETE])
def test_only_a_row_that_is_there_at_its_version_is_changed(op: Operation) -> None:
    with pytest.raises(NotFound):
        plan_write(FlushPlan(0), planned(op, {"title": "x"}), None)
    with pytest.raises(StaleVersion):
        plan_write(FlushPlan(0), planned(op, {"title": "x"}, if_version=3), STORED)
    plan_write(FlushPlan(0), planned(op, {"title": "x"}, if_version=4), STORED)


@pytest.mark.parametrize(
    ("old", "new", "differ"),
    [
        ({"a": 1}, {"a": True}, True),
        ({"a": [0]}, {"a": [False]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, False),
        ({}, {}, False),
        ({}, {"a": None}, True),
    ],
)
def test_documents_differ_as_json_does(old: Any, new: Any, *, differ: bool) -> None:
    row = {"name": "a", "shelf": None, "label": None, "position": None, "settings": old}
    changed = changed_fields(BOARD, row, {**row, "settings": new})
    assert [field.name for field in changed] == (["settings"] if differ else [])


def test_what_a_write_set_planned_is_forgotten_with_it() -> None:
    plan = FlushPlan(10)
    plan_write(plan, planned(Operation.UPDATE, {"title": "kept"}), STORED)
    assert [(scope, len(writes)) for scope, writes in plan.take_writes()] == [(ANN, 1)]
    mark = plan.mark()
    plan_write(plan, planned(Operation.UPDATE, {"title": "lost"}), STORED)
    plan_write(plan, planned(Operation.DELETE), STORED)
    plan.back_to(mark)
    assert plan.head == 11
    assert ([change.number for change in plan.log()], len(plan.old_values)) == ([11], 1)
    assert plan.take_writes() == []


def test_writes_of_one_scope_go_together_and_in_order() -> None:
    bob = replace(ANN, user_id=UUID(int=3))
    plan = FlushPlan(0)
    for scope in (ANN, ANN, bob, ANN):
        plan_write(plan, replace(planned(Operation.DELETE), scope=scope), STORED)
    assert [(scope, len(writes)) for scope, writes in plan.take_writes()] == [(ANN, 2), (bob, 1), (ANN, 1)]


def test_a_row_without_a_log_leaves_none() -> None:
    physical, outcome = plan_write(None, planned(Operation.UPDATE, {"stars": 1}), STORED)
    assert physical is not None
    assert (outcome.version, outcome.number) == (5, None)


def test_a_deleted_row_leaves_a_tombstone_of_its_owner_and_the_device() -> None:
    plan = FlushPlan(41)
    plan_write(plan, planned(Operation.DELETE), STORED)
    assert plan.tombstones == [Tombstone("kit.notes", ROW_ID, 42, ANN.user_id, "phone")]
    plan_write(plan, planned(Operation.UPDATE, {"stars": 1}), STORED)
    assert len(plan.tombstones) == 1


def test_a_touch_gives_a_version_where_nothing_changes() -> None:
    plan = FlushPlan(41)
    physical, outcome = plan_write(plan, planned(Operation.UPDATE, {"title": "first"}, touch=True), STORED)
    assert physical is not None
    assert physical.row == {**ROW, "version": 5, "updated_at": START + timedelta(seconds=9)}
    assert (outcome.version, outcome.number) == (5, 42)
    (change,) = plan.log()
    assert (change.fields, change.commitment) == ((), commitment(SALT, 5, {}))
    assert plan.old_values == []


def test_a_value_to_keep_is_kept_though_nothing_changes() -> None:
    plan = FlushPlan(41)
    plan_write(plan, planned(Operation.UPDATE, kept={"title": b'"b"', "body": b"null"}), STORED)
    assert plan.old_values == [
        OldValue("kit.notes", ROW_ID, 42, "body.pushed", b"null", ANN.user_id),
        OldValue("kit.notes", ROW_ID, 42, "title.pushed", b'"b"', ANN.user_id),
    ]


def test_a_touched_delete_of_nothing_is_a_first_version() -> None:
    plan = FlushPlan(41)
    physical, outcome = plan_write(plan, planned(Operation.DELETE, touch=True, kept={"title": b'"x"'}), None)
    assert physical is None
    assert outcome == Outcome(1, 42)
    assert plan.writes == []
    (change,) = plan.log()
    salt, kept = plan.old_values
    raw = base64.b64decode(orjson.loads(salt.value))
    assert (change.op, change.version, change.commitment) == (Operation.DELETE, 1, commitment(raw, 1, {}))
    assert (salt.field, kept.field, salt.owner, kept.owner) == (
        SALT_FIELD,
        "title.pushed",
        ANN.user_id,
        ANN.user_id,
    )
    assert plan.tombstones == [Tombstone("kit.notes", ROW_ID, 42, ANN.user_id, "phone")]
    other = FlushPlan(0)
    plan_write(other, planned(Operation.DELETE, touch=True), None)
    assert other.old_values[0].value != salt.value


@pytest.mark.parametrize("schema", [BOARD, TALLY])
def test_what_belongs_to_nobody_leaves_nobodys(schema: EntitySchema) -> None:
    plan = FlushPlan(41)
    ghost = PlannedWrite(Write(schema, Operation.DELETE, ROW_ID, touch=True), ANN, START)
    if not schema.journaled:
        with pytest.raises(NotFound):
            plan_write(plan, ghost, None)
        return
    plan_write(plan, ghost, None)
    assert plan.tombstones == [Tombstone("kit.boards", ROW_ID, 42, None, "phone")]
    assert plan.old_values[0].owner is None


def test_bookkeeping_goes_along_without_a_number() -> None:
    plan = FlushPlan(41)
    row = {**ROW, "name": "pushes", "count": 1}
    write = PlannedWrite(Write(TALLY, Operation.UPDATE, ROW_ID, {"count": 2}), ANN, START)
    physical, outcome = plan_write(plan, write, Stored(row, b""))
    assert physical is not None
    assert (outcome.version, outcome.number) == (5, None)
    assert (plan.head, plan.log(), plan.old_values, plan.tombstones) == (41, [], [], [])
    assert plan.take_writes() == [(ANN, [physical])]


def test_tombstones_are_forgotten_with_their_write_set() -> None:
    plan = FlushPlan(10)
    plan_write(plan, planned(Operation.DELETE), STORED)
    mark = plan.mark()
    plan_write(plan, planned(Operation.DELETE), STORED)
    plan.back_to(mark)
    assert [grave.number for grave in plan.tombstones] == [11]
