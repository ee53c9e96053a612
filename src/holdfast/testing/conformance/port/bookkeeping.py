"""Rows about the platform's own work: changed in place, beside the counter and the log."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.engines.port import Batch, Row, RowWrite
from holdfast.errors import AlreadyExists, Duplicate, Forbidden, NotSupported, StaleVersion
from holdfast.model.entity import Entity
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Device, Tally
from holdfast.testing.conformance.world import World, log_of


async def write(world: World, scope: Scope, *writes: RowWrite) -> None:
    """Write without a flush."""
    async with world.engine.begin(scope) as tx:
        await tx.write(Batch(writes))


def changed(world: World, entity: type[Entity], row: Row, **values: object) -> RowWrite:
    """The write that changes some fields of a row."""
    new = {**row, **values, "version": row["version"] + 1}
    return RowWrite(world.schema(entity), row["id"], new, row["version"], b"")


class BookkeepingTests(EngineTests):
    """Without counter, change and history."""

    async def test_rows_are_made_changed_and_deleted_in_place(self, world: World) -> None:
        row = world.row(world.ann, Tally(name="pulls"))
        schema = world.schema(Tally)
        await write(world, world.ann, RowWrite(schema, row["id"], row, 0, b""))
        assert await world.get(world.bob, Tally, row["id"]) == row
        update = changed(world, Tally, row, count=3)
        await write(world, world.bob, update)
        assert await world.get(world.ann, Tally, row["id"]) == update.row
        await write(world, world.ann, RowWrite(schema, row["id"], None, 2, b""))
        assert await world.get(world.ann, Tally, row["id"]) is None
        assert await world.head(world.ann) == 0
        assert await world.changes(world.everyone) == []
        assert await world.history(world.everyone, Tally, row["id"]) == []

    async def test_they_wait_for_no_counter(self, world: World) -> None:
        row = world.row(world.ann, Tally(name="pulls"))
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            async with asyncio.timeout(5):
                await write(world, world.bob, RowWrite(world.schema(Tally), row["id"], row, 0, b""))
        assert await world.get(world.ann, Tally, row["id"]) == row

    async def test_they_may_come_with_a_flush(self, world: World) -> None:
        tally = world.row(world.ann, Tally(name="pushes"))
        board = world.creation(world.ann, Board(name="board"))
        async with world.engine.begin(world.ann) as tx:
            head = await tx.lock()
            await tx.write(Batch([RowWrite(world.schema(Tally), tally["id"], tally, 0, b"")]))
            await tx.write(log_of(world.ann, head, [board]))
        assert await world.get(world.ann, Tally, tally["id"]) == tally
        assert [change.row_id for change in await world.changes(world.ann)] == [board.row_id]

    async def test_whoever_comes_first_within_a_flush_too_is_not_overwritten(self, world: World) -> None:
        """The counter keeps nobody away from them: only the version does."""
        row = world.row(world.ann, Tally(name="pushes"))
        await write(world, world.ann, RowWrite(world.schema(Tally), row["id"], row, 0, b""))
        with pytest.raises(StaleVersion):
            await self._flush_what_another_changes(world, row)
        left = await world.get(world.ann, Tally, row["id"])
        assert left is not None
        assert left["count"] == 1

    async def _flush_what_another_changes(self, world: World, row: Row) -> None:
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            await write(world, world.bob, changed(world, Tally, row, count=1))
            await tx.write(Batch([changed(world, Tally, row, count=9)]))

    async def test_rules_hold(self, world: World) -> None:
        row = world.row(world.ann, Device(label="one"))
        made = RowWrite(world.schema(Device), row["id"], row, 0, b"")
        await write(world, world.ann, made)
        with pytest.raises(AlreadyExists):
            await write(world, world.ann, made)
        with pytest.raises(StaleVersion):
            await write(world, world.ann, changed(world, Device, {**row, "version": 4}, seen=1))
        twin = world.row(world.bob, Device(label="one"))
        with pytest.raises(Duplicate):
            await write(world, world.bob, RowWrite(world.schema(Device), twin["id"], twin, 0, b""))

    async def test_they_are_their_owners_and_their_tenants_alone(self, world: World) -> None:
        row = world.row(world.ann, Device(label="mine"))
        await write(world, world.ann, RowWrite(world.schema(Device), row["id"], row, 0, b""))
        for scope in (world.bob, world.cleo, world.strangers):
            assert await world.get(scope, Device, row["id"]) is None
            with pytest.raises(StaleVersion):
                await write(world, scope, changed(world, Device, row, seen=1))
            with pytest.raises(StaleVersion):
                await write(world, scope, RowWrite(world.schema(Device), row["id"], None, 1, b""))
        assert await world.get(world.everyone, Device, row["id"]) == row
        stolen = {**world.row(world.ann, Device(label="his")), "user_id": world.bob.user_id}
        with pytest.raises(Forbidden):
            await write(world, world.ann, RowWrite(world.schema(Device), stolen["id"], stolen, 0, b""))

    # -- through the store --------------------------------------------------------------------------------------------

    async def test_a_session_writes_them_beside_others_or_alone(self, world: World) -> None:
        store, device, board = world.store(), Device(label="mine"), Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(device)
            (outcome,) = await s.commit()
        assert (outcome.version, outcome.number) == (1, None)
        async with store.session(world.ann) as s:
            await s.put(board)
            await s.patch(Device, device.id, {"seen": 7})
        async with store.session(world.ann) as s:
            assert (await s.get(Device, device.id)).seen == 7
        async with store.session(world.ann) as s:
            await s.delete(Device, device.id)
            await s.patch(Board, board.id, {"name": "again"})
        async with store.session(world.ann) as s:
            assert await s.find(Device, device.id) is None
        changes = await world.changes(world.everyone)
        assert [(c.number, c.entity) for c in changes] == [(1, "kit.boards"), (2, "kit.boards")]
        assert await world.history(world.everyone, Device, device.id) == []

    async def test_a_write_set_that_fails_takes_its_bookkeeping_with_it(self, world: World) -> None:
        store, device, board = world.store(), Device(label="mine"), Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(board)
        async with store.session(world.ann) as s:
            await s.put(device)
            await s.patch(Board, board.id, {"name": "no"}, if_version=4)
            with pytest.raises(StaleVersion):
                await s.commit()
        assert await world.get(world.ann, Device, device.id) is None

    async def test_many_at_once_all_count(self, world: World) -> None:
        """Each write reads what stands and is tried again where another came first."""
        store, tally = world.store(), Tally(name="pushes")
        async with store.session(world.ann) as s:
            await s.put(tally)

        async def push(turn: int) -> None:
            async with store.session(world.ann) as s:
                await s.put(Board(name=f"board {turn}"))
                await s.patch(Tally, tally.id, {"count": turn + 1})

        await asyncio.gather(*(push(turn) for turn in range(8)))
        row = await world.get(world.ann, Tally, tally.id)
        assert row is not None
        assert row["version"] == 9
        assert await world.head(world.ann) == 8

    async def test_they_are_not_ingested(self, world: World) -> None:
        with pytest.raises(NotSupported):
            await world.store().ingest(world.ann, [Tally(name="no")])
