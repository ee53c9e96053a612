"""`run`, writing: a compiled plan does what the general path does, and each write of it is on its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from holdfast.changes.change import Operation, canonical, new_salt
from holdfast.engines.port import (
    Outcome,
    PlannedWrite,
    Row,
    Write,
    WritePlan,
)
from holdfast.errors import (
    AlreadyExists,
    Busy,
    Duplicate,
    NotFound,
    ReferenceMissing,
    StaleVersion,
)
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.plain import encode_row
from holdfast.store._flush import Flusher
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START, ManualClock
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, File, Folder, Note, Specimen
from holdfast.testing.conformance.port.read_plans import assert_plain, needs_plans
from holdfast.testing.conformance.port.values import EDGES
from holdfast.testing.conformance.world import World
from holdfast.testing.planned import WithoutPlans

SYSTEM = ("id", "version", "created_at", "updated_at")


class WritePlanTests(EngineTests):
    """Create, update and delete: several writes of one kind, each on its own."""

    @pytest.mark.parametrize("field", EDGES)
    @needs_plans
    async def test_plans_do_what_the_general_path_does(self, world: World, field: str) -> None:
        """One tenant is written by plans and another by the general path, with the same values, ids and salts."""
        ids = [new_id() for _ in EDGES[field]]
        empty = {name: None for name in world.schema(Specimen).by_name if name not in SYSTEM}
        values = [{**empty, field: _normal(world, field, value)} for value in EDGES[field]]
        turned = [{field: value[field]} for value in [*values[1:], values[0]]]
        steps: list[list[Write]] = [
            [_create(world, row_id, value) for row_id, value in zip(ids, values, strict=True)],
            [_update(world, row_id, value) for row_id, value in zip(ids, turned, strict=True)],
            [_update(world, row_id, value) for row_id, value in zip(ids, turned, strict=True)],
            [_update(world, row_id, {field: None}) for row_id in ids[::2]],
            [_delete(world, row_id) for row_id in ids],
        ]
        twins = Twins(world)
        for step in steps:
            await twins.write(step)

    @needs_plans
    async def test_times_follow_the_same_rule(self, world: World) -> None:
        twins, row_id = Twins(world), new_id()
        empty = {name: None for name in world.schema(Specimen).by_name if name not in SYSTEM}
        await twins.write([_create(world, row_id, empty)])
        for seconds in (5, -60, 0, 120):
            twins.clock.advance(timedelta(seconds=seconds))
            await twins.write([_update(world, row_id, {"whole": seconds})])

    @needs_plans
    async def test_each_write_of_a_plan_is_on_its_own(self, world: World) -> None:
        first, second = Note(title="first"), Note(title="second")
        await world.put(world.ann, first, second)
        await world.put(world.bob, bobs := Note(title="Bob's"))
        schema = world.schema(Note)
        writes = [
            Write(schema, Operation.UPDATE, first.id, {"title": "new"}, if_version=1),
            Write(schema, Operation.UPDATE, second.id, {"title": "new"}, if_version=7),
            Write(schema, Operation.UPDATE, new_id(), {"title": "new"}),
            Write(schema, Operation.UPDATE, bobs.id, {"title": "new"}),
            Write(schema, Operation.UPDATE, second.id, {"title": "second"}),
            Write(schema, Operation.UPDATE, first.id, {"title": "newer"}),
        ]
        outcomes = await _run(world, Operation.UPDATE, writes)
        assert [_told(outcome) for outcome in outcomes] == [
            (2, 4),
            StaleVersion,
            NotFound,
            NotFound,
            (1, None),
            (3, 5),
        ]
        assert await world.head(world.ann) == 5
        assert [change.number for change in await world.changes(world.ann)] == [1, 2, 3, 4, 5]
        left = await world.get(world.bob, Note, bobs.id)
        assert left is not None
        assert left["title"] == "Bob's"

    @needs_plans
    async def test_each_write_of_a_plan_is_its_own_persons(self, world: World) -> None:
        notes = {scope: Note(title="mine") for scope in (world.ann, world.bob)}
        schema = world.schema(Note)
        creations = [
            PlannedWrite(_creation(world, scope, note), scope, START) for scope, note in notes.items()
        ]
        created = await world.engine.run(world.ann, WritePlan(schema, Operation.CREATE, creations))
        assert [_told(outcome) for outcome in created] == [(1, 1), (1, 2)]
        deletions = [
            PlannedWrite(Write(schema, Operation.DELETE, note.id), scope, START)
            for scope in (world.bob, world.ann, world.everyone)
            for note in notes.values()
        ]
        deleted = await world.engine.run(world.ann, WritePlan(schema, Operation.DELETE, deletions))
        assert [_told(outcome) for outcome in deleted] == [
            NotFound,
            (2, 3),
            (2, 4),
            NotFound,
            NotFound,
            NotFound,
        ]
        actors = [change.actor for change in await world.changes(world.everyone)]
        assert actors == [world.ann.user_id, world.bob.user_id, world.bob.user_id, world.ann.user_id]

    @needs_plans
    async def test_a_failure_that_is_no_single_writes_undoes_the_whole_plan(self, world: World) -> None:
        await world.put(world.ann, taken := Note(title="taken", number=1))
        folder = Folder(name="folder")
        await world.put(world.ann, folder)
        cases: list[tuple[type[Exception], list[Entity]]] = [
            (Duplicate, [Note(title="free"), Note(title="again", number=1)]),
            (AlreadyExists, [Note(title="free"), Note(id=taken.id, title="again")]),
            (
                ReferenceMissing,
                [File(folder_id=folder.id, name="file"), File(folder_id=new_id(), name="lost")],
            ),
        ]
        for expected, entities in cases:
            writes = [_creation(world, world.ann, entity) for entity in entities]
            with pytest.raises(expected):
                await _run(world, Operation.CREATE, writes)
            assert await world.peek(world.ann, type(entities[0]), entities[0].id) is None
        with pytest.raises(Duplicate):  # noqa: PT012 (it takes a transaction)
            other = Note(title="other", number=2)
            await world.put(world.ann, other)
            schema = world.schema(Note)
            await _run(world, Operation.UPDATE, [Write(schema, Operation.UPDATE, other.id, {"number": 1})])
        assert await world.head(world.ann) == 3

    @needs_plans
    async def test_a_plan_waits_for_the_counter_and_not_for_ever(self, world: World) -> None:
        write = _create(world, new_id(), {n: None for n in world.schema(Specimen).by_name if n not in SYSTEM})
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            with pytest.raises(Busy):
                await _run(world, Operation.CREATE, [write])
        assert await _run(world, Operation.CREATE, [write])

    @needs_plans
    async def test_plans_and_transactions_share_one_order(self, world: World) -> None:
        empty = {name: None for name in world.schema(Specimen).by_name if name not in SYSTEM}

        async def by_plan() -> None:
            await _run(world, Operation.CREATE, [_create(world, new_id(), empty) for _ in range(2)])

        async def by_hand() -> None:
            await world.put(world.bob, Board(name="by hand"))

        await asyncio.gather(*(by_plan() if turn % 2 else by_hand() for turn in range(16)))
        assert [c.number for c in await world.changes(world.ann)] == list(range(1, 25))


class Twins:
    """Two tenants that are written alike: ours by plans, the other by the general path."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = ManualClock()
        self._general = Flusher(WithoutPlans(world.engine), world.catalog, self.clock)

    async def write(self, writes: list[Write]) -> None:
        """Write both, then compare what is told and all that is kept."""
        world = self.world
        told = await _run(world, writes[0].op, writes, at=self.clock())
        twin = await asyncio.gather(*(self._general.submit(world.cleo, [write]) for write in writes))
        assert [_told(outcome) for outcome in told] == [_told(outcome) for (outcome,) in twin]
        for outcome, (other,) in zip(told, twin, strict=True):
            assert isinstance(outcome, Outcome)
            if outcome.body is not None and other.row is not None:
                assert_plain(world, Specimen, outcome.body, other.row)
        await self._compare(writes)

    async def _compare(self, writes: list[Write]) -> None:
        world = self.world
        mine, theirs = await world.changes(world.ann), await world.changes(world.cleo)
        assert mine == [replace(c, tenant_id=world.tenant, actor=world.ann.user_id) for c in theirs]
        ids = list(dict.fromkeys(write.row_id for write in writes))
        rows = [await world.batch_get(scope, Specimen, ids) for scope in (world.ann, world.cleo)]
        for left, right in zip(*rows, strict=True):
            assert (left and left.salt) == (right and right.salt)
            assert _plain(world, left and left.row) == _plain(world, right and right.row)
        for row_id in ids:
            old = [await world.history(scope, Specimen, row_id) for scope in (world.ann, world.cleo)]
            assert old[0] == old[1]


def _plain(world: World, row: Row | None) -> bytes | None:
    return None if row is None else canonical(encode_row(world.schema(Specimen), row))


def _told(outcome: Outcome | Exception) -> Any:
    return type(outcome) if isinstance(outcome, Exception) else (outcome.version, outcome.number)


async def _run(
    world: World, op: Operation, writes: list[Write], *, at: Any = START
) -> list[Outcome | Exception]:
    planned = [PlannedWrite(write, world.ann, at) for write in writes]
    return await world.engine.run(world.ann, WritePlan(writes[0].schema, op, planned))


def _creation(world: World, scope: Scope, entity: Entity) -> Write:
    row = world.row(scope, entity)
    values = {name: value for name, value in row.items() if name not in SYSTEM}
    return Write(world.schema(type(entity)), Operation.CREATE, entity.id, values, 0, new_salt())


def _normal(world: World, field: str, value: Any) -> Any:
    return world.schema(Specimen).by_name[field].type.normalise(value)


def _create(world: World, row_id: UUID, values: dict[str, Any]) -> Write:
    return Write(world.schema(Specimen), Operation.CREATE, row_id, values, 0, new_salt())


def _update(world: World, row_id: UUID, values: dict[str, Any]) -> Write:
    return Write(world.schema(Specimen), Operation.UPDATE, row_id, values)


def _delete(world: World, row_id: UUID) -> Write:
    return Write(world.schema(Specimen), Operation.DELETE, row_id)
