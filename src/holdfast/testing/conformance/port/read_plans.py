"""`run`, reading: a compiled plan answers what the general path answers, in one round trip."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest

from holdfast.changes.change import Operation
from holdfast.engines.port import (
    Capability,
    GetPlan,
    GetTogetherPlan,
    ListPlan,
    PlannedWrite,
    Row,
    Write,
    WritePlan,
)
from holdfast.errors import (
    MigrationsPending,
    NotSupported,
)
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.query import Condition, Op
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START
from holdfast.testing.conformance.base import EngineTests, needs
from holdfast.testing.conformance.entities import UNMADE, Board, Membership, Note, Specimen, Tenant
from holdfast.testing.conformance.port.values import EDGES, assert_same
from holdfast.testing.conformance.world import World


async def refuses_plans(world: World) -> None:
    """An engine without plans says so, whatever is asked for."""
    schema = world.schema(Board)
    for plan in (GetPlan(schema, new_id()), ListPlan(schema, 10, None)):
        with pytest.raises(NotSupported):
            await world.engine.run(world.ann, plan)
    together = GetTogetherPlan(((world.schema(Tenant), world.tenant),))
    with pytest.raises(NotSupported):
        await world.engine.run(Scope.realm(reason="conformance"), together)
    with pytest.raises(NotSupported):
        await world.engine.run(world.ann, WritePlan(schema, Operation.CREATE, []))


needs_plans = needs(Capability.PLANS, refuses_plans)


class ReadPlanTests(EngineTests):
    """Get and list."""

    @pytest.mark.parametrize("field", EDGES)
    @needs_plans
    async def test_a_body_is_the_rows_plain_form(self, world: World, field: str) -> None:
        for value in EDGES[field]:
            (row,) = await world.put(world.ann, Specimen.model_validate({field: value}))
            body = await world.engine.run(world.ann, GetPlan(world.schema(Specimen), row["id"]))
            assert body is not None
            assert body.version == 1
            assert_plain(world, Specimen, body.json, row)

    @needs_plans
    async def test_only_ones_own_rows_have_a_body(self, world: World) -> None:
        note = Note(title="Bob's")
        await world.put(world.bob, note)
        plan = GetPlan(world.schema(Note), note.id)
        for scope, there in (
            (world.bob, True),
            (world.everyone, True),
            (world.ann, False),
            (world.strangers, False),
        ):
            assert (await world.engine.run(scope, plan) is not None) is there
        assert await world.engine.run(world.bob, GetPlan(world.schema(Note), new_id())) is None

    @needs_plans
    async def test_a_list_comes_in_pages_by_id(self, world: World) -> None:
        rows = await world.put(world.ann, *(Board(name=f"board {turn}") for turn in range(7)))
        await world.put(world.cleo, Board(name="theirs"))
        expected = [str(row["id"]) for row in sorted(rows, key=lambda row: row["id"].bytes)]
        for size in (1, 3, 6, 7, 8):
            assert await _listed(world, world.bob, Board, size) == expected

    @needs_plans
    async def test_a_list_has_only_ones_own_rows(self, world: World) -> None:
        anns = await world.put(world.ann, *(Note(title=f"{turn}") for turn in range(5)))
        bobs = await world.put(world.bob, *(Note(title=f"{turn}") for turn in range(5)))
        for scope, rows in (
            (world.ann, anns),
            (world.bob, bobs),
            (world.everyone, [*anns, *bobs]),
            (world.cleo, []),
        ):
            expected = [str(row["id"]) for row in sorted(rows, key=lambda row: row["id"].bytes)]
            assert await _listed(world, scope, Note, 2) == expected

    @needs_plans
    async def test_rows_of_the_realm_are_read_together(self, world: World) -> None:
        realm = Scope.realm(reason="conformance")
        mine = (Condition("user_id", Op.EQ, world.ann.user_id),)
        (member,) = await world.query(realm, Membership, where=mine)
        tenant = await world.get(realm, Tenant, world.tenant)
        tenants, members = world.schema(Tenant), world.schema(Membership)
        keys = (
            (members, member["id"]),
            (tenants, new_id()),
            (tenants, world.tenant),
            (members, member["id"]),
        )
        found = await world.engine.run(realm, GetTogetherPlan(keys))
        assert found == [member, None, tenant, member]

    @needs_plans
    async def test_a_listed_row_is_the_rows_plain_form(self, world: World) -> None:
        values = {
            field: edges[-1] for field, edges in EDGES.items() if field not in {"text", "blob", "document"}
        }
        (row,) = await world.put(world.ann, Specimen.model_validate(values))
        page = await world.engine.run(world.ann, ListPlan(world.schema(Specimen), 10, None))
        assert page.next is None
        assert_plain(world, Specimen, page.json, row)

    @needs_plans
    async def test_a_plan_of_an_entity_that_was_never_made_awaits_its_migration(self, world: World) -> None:
        plans: list[Any] = [GetPlan(UNMADE, new_id()), ListPlan(UNMADE, 10, None)]
        for plan in [*plans, WritePlan(UNMADE, Operation.DELETE, [_deletion(world, new_id(), UNMADE)])]:
            with pytest.raises(MigrationsPending):
                await world.engine.run(world.ann, plan)


def assert_plain(world: World, entity: type[Entity], body: bytes, row: Row) -> None:
    """The body spells the row, whatever it makes of white space, the order of keys, and 1.0."""
    fields = world.schema(entity).by_name
    plain = orjson.loads(body)
    assert list(plain) == list(fields)
    for name, value in plain.items():
        read = None if value is None else fields[name].type.decode(value)
        assert (read is None) is (row[name] is None)
        if read is not None:
            assert_same(read, row[name])


async def _listed(world: World, scope: Scope, entity: type[Entity], size: int) -> list[str]:
    ids: list[str] = []
    after: UUID | None = None
    while True:
        page = await world.engine.run(scope, ListPlan(world.schema(entity), size, after))
        rows = orjson.loads(b"[" + page.json + b"]")
        assert len(rows) == size or page.next is None
        ids += [row["id"] for row in rows]
        if page.next is None:
            return ids
        assert str(page.next) == ids[-1]
        after = page.next


def _deletion(world: World, row_id: UUID, schema: Any) -> PlannedWrite:
    return PlannedWrite(Write(schema, Operation.DELETE, row_id), world.ann, START)
