"""What outlives a deleted row, and what the log tells of some rows: to whom, within which numbers, until it is collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from holdfast.changes.change import Tombstone
from holdfast.engines.port import Engine, Marks, Row
from holdfast.errors import HoldfastError
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import ManualClock
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note
from holdfast.testing.conformance.world import CURSOR_SECRET, World
from holdfast.testing.planned import WithoutPlans

_ALL = 10**9


async def delete(world: World, scope: Scope, entity: type[Entity], row: Row) -> int:
    """Delete a row in a flush of its own; returns its number."""
    return await world.flush(scope, await world.deletion(scope, entity, row))


async def tombstones(
    world: World, scope: Scope, entity: type[Entity], *, after: int = 0, upto: int = _ALL, limit: int = 1_000
) -> list[Tombstone]:
    """An entity's tombstones as `scope` sees them."""
    async with world.engine.begin(scope, read_only=True) as tx:
        return await tx.read_tombstones(world.schema(entity), after, upto, limit=limit)


async def found(
    world: World, scope: Scope, entity: type[Entity], row_ids: Sequence[UUID]
) -> dict[UUID, Tombstone]:
    """Those of some rows, by row."""
    async with world.engine.begin(scope, read_only=True) as tx:
        graves = await tx.find_tombstones(world.schema(entity), row_ids)
    assert len(graves) == len({grave.row_id for grave in graves})
    return {grave.row_id: grave for grave in graves}


async def marks(world: World, scope: Scope) -> Marks:
    """How far the scope's tenant is."""
    async with world.engine.begin(scope, read_only=True) as tx:
        return await tx.marks()


class TombstoneTests(EngineTests):
    """A deleted row leaves one."""

    @pytest.mark.parametrize("plans", ["with plans", "without"])
    async def test_a_delete_leaves_a_tombstone(self, world: World, engine: Engine, plans: str) -> None:
        """By a compiled plan or by the general path: the same."""
        chosen = engine if plans == "with plans" else WithoutPlans(engine)
        store = Store(chosen, world.catalog, cursor_secret=CURSOR_SECRET, clock=ManualClock())
        mine, ours = Note(title="mine"), Board(name="ours")
        async with store.session(world.ann) as s:
            await s.batch([mine, ours])
        phone = replace(world.ann, device="a phone")
        for scope, row in ((phone, mine), (world.bob, ours)):
            async with store.session(scope) as s:
                await s.delete(type(row), row.id)
        assert await tombstones(world, world.ann, Note) == [
            Tombstone("kit.notes", mine.id, 3, world.ann.user_id, "a phone")
        ]
        assert await tombstones(world, world.ann, Board) == [Tombstone("kit.boards", ours.id, 4, None, None)]

    async def test_they_come_by_number_within_a_span(self, world: World) -> None:
        rows = await world.put(world.ann, *(Board(name=f"{turn}") for turn in range(5)))
        for row in reversed(rows):
            await delete(world, world.ann, Board, row)
        graves = await tombstones(world, world.bob, Board)
        assert [grave.row_id for grave in graves] == [row["id"] for row in reversed(rows)]
        assert [grave.number for grave in graves] == [6, 7, 8, 9, 10]
        assert await tombstones(world, world.bob, Board, after=7, upto=9) == graves[2:4]
        assert await tombstones(world, world.bob, Board, limit=2) == graves[:2]
        assert await tombstones(world, world.bob, Board, after=10) == []
        assert await tombstones(world, world.bob, Note) == []

    async def test_the_rows_of_an_owner_are_the_owners_to_know(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="mine"))
        await delete(world, world.ann, Note, row)
        for scope, count in ((world.ann, 1), (world.bob, 0), (world.everyone, 1)):
            assert len(await tombstones(world, scope, Note)) == count
            assert len(await found(world, scope, Note, [row["id"]])) == count

    async def test_another_tenants_are_not_there(self, world: World) -> None:
        (row,) = await world.put(world.ann, Board(name="ours"))
        await delete(world, world.ann, Board, row)
        for scope in (world.cleo, world.strangers):
            assert await tombstones(world, scope, Board) == []
            assert await found(world, scope, Board, [row["id"]]) == {}

    async def test_they_are_found_by_row(self, world: World) -> None:
        dead, alive = await world.put(world.ann, Board(name="dead"), Board(name="alive"))
        await delete(world, world.ann, Board, dead)
        asked = [alive["id"], dead["id"], new_id(), dead["id"]]
        assert await found(world, world.ann, Board, asked) == {
            dead["id"]: Tombstone("kit.boards", dead["id"], 3)
        }
        assert await found(world, world.ann, Note, asked) == {}
        assert await found(world, world.ann, Board, []) == {}

    async def test_a_row_that_dies_twice_has_the_later_one(self, world: World) -> None:
        first = Board(name="first")
        (row,) = await world.put(world.ann, first)
        await delete(world, world.ann, Board, row)
        (row,) = await world.put(world.ann, Board(id=first.id, name="second"))
        assert [g.number for g in await tombstones(world, world.ann, Board)] == [2]
        await delete(world, world.ann, Board, row)
        assert [g.number for g in await tombstones(world, world.ann, Board)] == [4]

    @pytest.mark.parametrize("plans", ["with plans", "without"])
    async def test_an_id_that_had_another_owner_is_the_last_owners(
        self, world: World, engine: Engine, plans: str
    ) -> None:
        chosen = engine if plans == "with plans" else WithoutPlans(engine)
        store = Store(chosen, world.catalog, cursor_secret=CURSOR_SECRET, clock=ManualClock())
        row_id = new_id()
        for scope in (world.bob, world.ann):
            async with store.session(scope) as s:
                await s.put(Note(id=row_id, title="whose?"))
            async with store.session(scope) as s:
                await s.delete(Note, row_id)
        assert [g.number for g in await tombstones(world, world.ann, Note)] == [4]
        assert await tombstones(world, world.bob, Note) == []

    async def test_it_is_undone_with_its_transaction(self, world: World) -> None:
        (row,) = await world.put(world.ann, Board(name="stays"))
        with pytest.raises(HoldfastError):
            await world.flush(
                world.ann,
                await world.deletion(world.ann, Board, row),
                await world.update(world.ann, Board, {**row, "version": 7}, name="stale"),
            )
        assert await tombstones(world, world.ann, Board) == []

    async def test_a_reader_keeps_its_moment(self, world: World) -> None:
        board = Board(name="first")
        (row,) = await world.put(world.ann, board)
        await delete(world, world.ann, Board, row)
        async with world.engine.begin(world.ann, read_only=True) as tx:
            before = await tx.read_tombstones(world.schema(Board), 0, _ALL, limit=10)
            (again,) = await world.put(world.ann, Board(id=board.id, name="again"))
            await delete(world, world.ann, Board, again)
            (other,) = await world.put(world.ann, Board(name="other"))
            await delete(world, world.ann, Board, other)
            await world.engine.collect(world.tenant, 100)
            assert [grave.number for grave in before] == [2]
            assert await tx.read_tombstones(world.schema(Board), 0, _ALL, limit=10) == before
            assert await tx.find_tombstones(world.schema(Board), [board.id, other["id"]]) == before
            assert await tx.marks() == Marks(2, 0)
        assert await tombstones(world, world.ann, Board) == []
        assert await marks(world, world.ann) == Marks(6, 6)


class CollectionTests(EngineTests):
    """When no device can ask for them any more."""

    async def test_a_tenant_that_never_wrote_is_nowhere(self, world: World, engine: Engine) -> None:
        assert await marks(world, world.ann) == Marks(0, 0)
        assert await engine.collect(world.tenant, 10) == 0
        assert await marks(world, world.ann) == Marks(0, 0)

    async def test_those_at_or_below_the_horizon_go(self, world: World, engine: Engine) -> None:
        rows = await world.put(world.ann, *(Note(title=f"{turn}") for turn in range(4)))
        for row in rows[:2]:
            await delete(world, world.ann, Note, row)
        (theirs,) = await world.put(world.cleo, Note(title="theirs"))
        await delete(world, world.cleo, Note, theirs)
        assert await engine.collect(world.tenant, 5) == 1
        assert await marks(world, world.ann) == Marks(6, 5)
        assert [g.number for g in await tombstones(world, world.everyone, Note)] == [6]
        assert len(await tombstones(world, world.strangers, Note)) == 1
        assert await marks(world, world.cleo) == Marks(2, 0)

    async def test_the_horizon_never_sinks_and_never_passes_the_head(
        self, world: World, engine: Engine
    ) -> None:
        rows = await world.put(world.ann, Note(title="a"), Note(title="b"))
        await engine.collect(world.tenant, 2)
        assert await engine.collect(world.tenant, 1) == 0
        assert await marks(world, world.ann) == Marks(2, 2)
        await delete(world, world.ann, Note, rows[0])
        assert await engine.collect(world.tenant, 2) == 0
        assert len(await tombstones(world, world.ann, Note)) == 1
        assert await engine.collect(world.tenant, 2**62) == 1
        assert await marks(world, world.ann) == Marks(3, 3)

    async def test_the_log_goes_on_behind_it(self, world: World, engine: Engine) -> None:
        (row,) = await world.put(world.ann, Board(name="first"))
        await delete(world, world.ann, Board, row)
        await engine.collect(world.tenant, 2)
        assert [change.number for change in await world.changes(world.ann)] == [1, 2]
        (row,) = await world.put(world.ann, Board(name="second"))
        assert await delete(world, world.ann, Board, row) == 4
        assert [g.number for g in await tombstones(world, world.ann, Board)] == [4]

    async def test_a_forgotten_tenant_leaves_none(self, world: World, engine: Engine) -> None:
        (row,) = await world.put(world.ann, Board(name="first"))
        await delete(world, world.ann, Board, row)
        await engine.collect(world.tenant, 1)
        tenant_schemas = [s for s in world.catalog if s.visibility != "realm"]
        await engine.forget_tenant(world.tenant, tenant_schemas)
        assert await tombstones(world, world.everyone, Board) == []
        assert await marks(world, world.ann) == Marks(0, 0)


class LogReadTests(EngineTests):
    """Of some rows, behind a number."""

    async def test_the_changes_of_some_rows_come_by_number(self, world: World) -> None:
        one, two, three = (new_id() for _ in range(3))
        await world.put(
            world.ann, Board(id=one, name="1"), Board(id=two, name="2"), Board(id=three, name="3")
        )
        (note,) = await world.put(world.ann, Note(title="beside"))
        row = await world.get(world.ann, Board, one)
        assert row is not None
        await world.flush(world.ann, await world.update(world.ann, Board, row, name="1a"))
        async with world.engine.begin(world.bob, read_only=True) as tx:
            changes = await tx.read_row_changes([two, one, note["id"], new_id()], 0)
            assert [(c.number, c.row_id) for c in changes] == [
                (1, one),
                (2, two),
                (4, note["id"]),
                (5, one),
            ]
            assert await tx.read_row_changes([one, two], 1) == [changes[1], changes[3]]
            assert await tx.read_row_changes([one], 5) == []
            assert await tx.read_row_changes([], 0) == []
        async with world.engine.begin(world.cleo, read_only=True) as tx:
            assert await tx.read_row_changes([one, two], 0) == []

    async def test_a_reader_keeps_its_moment_of_changes_and_history(self, world: World) -> None:
        store, board = world.store(), Board(name="first")
        async with store.session(world.ann) as s:
            await s.put(board)
        async with world.engine.begin(world.ann, read_only=True) as tx:
            assert len(await tx.read_row_changes([board.id], 0)) == 1
            async with store.session(world.ann) as s:
                await s.patch(Board, board.id, {"name": "second"})
            assert len(await tx.read_row_changes([board.id], 0)) == 1
            assert await tx.read_history_since(world.schema(Board), [board.id], 0) == []

    async def test_old_values_of_some_rows_come_by_number(self, world: World) -> None:
        clock = ManualClock()
        store, mine, his = world.store(clock), Note(title="mine"), Note(title="his")
        for scope, note in ((world.ann, mine), (world.bob, his)):
            async with store.session(scope) as s:
                await s.put(note)
        for turn in range(3):
            clock.advance(timedelta(seconds=1))
            for scope, note in ((world.ann, mine), (world.bob, his)):
                async with store.session(scope) as s:
                    await s.patch(Note, note.id, {"title": f"turn {turn}", "stars": turn + 1})
        ids, schema = [his.id, mine.id, new_id()], world.schema(Note)
        async with world.engine.begin(world.ann, read_only=True) as tx:
            old = await tx.read_history_since(schema, ids, 3)
            assert [(v.number, v.field, v.value) for v in old] == [
                (5, "stars", b"1"),
                (5, "title", b'"turn 0"'),
                (7, "stars", b"2"),
                (7, "title", b'"turn 1"'),
            ]
            assert {v.row_id for v in old} == {mine.id}
            assert await tx.read_history_since(schema, ids, 7) == []
            assert await tx.read_history_since(schema, [], 0) == []
            assert await tx.read_history_since(world.schema(Board), ids, 0) == []
        async with world.engine.begin(world.everyone, read_only=True) as tx:
            old = await tx.read_history_since(schema, ids, 5)
            assert [(v.number, v.row_id) for v in old] == [
                (6, his.id),
                (6, his.id),
                (7, mine.id),
                (7, mine.id),
                (8, his.id),
                (8, his.id),
            ]
        async with world.engine.begin(world.strangers, read_only=True) as tx:
            assert await tx.read_history_since(schema, ids, 0) == []
