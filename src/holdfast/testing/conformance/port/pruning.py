"""Old values leave when they are old and no device can need them; the log stays. Plans that nobody declares are found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.changes.change import OldValue
from holdfast.engines.port import Capability, Engine, HistoryKey
from holdfast.errors import NotSupported
from holdfast.model.ids import new_id
from holdfast.model.steps import CreatePlans
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note
from holdfast.testing.conformance.world import World

_FOR_EVER = 2**62


class PruningTests(EngineTests):
    """The history, behind the horizon."""

    async def test_nothing_goes_that_a_device_may_need(self, world: World, engine: Engine) -> None:
        note = await _edited(world, 5)
        assert (await engine.prune_history(world.tenant, _FOR_EVER)).removed == 0
        await engine.collect(world.tenant, 3)
        assert (await engine.prune_history(world.tenant, _FOR_EVER)).removed == 2
        assert [old.number for old in await _history(world, note)] == [4, 5, 6]

    async def test_what_lies_behind_both_marks_goes_and_the_log_stays(
        self, world: World, engine: Engine
    ) -> None:
        note = await _edited(world, 5)
        await engine.collect(world.tenant, _FOR_EVER)
        pruned = await engine.prune_history(world.tenant, 4)
        assert (pruned.removed, pruned.next) == (3, None)
        assert [old.number for old in await _history(world, note)] == [5, 6]
        assert [change.number for change in await world.changes(world.ann)] == [1, 2, 3, 4, 5, 6]
        assert (await engine.prune_history(world.tenant, 4)).removed == 0

    async def test_it_goes_by_pages_and_each_is_looked_at_once(self, world: World, engine: Engine) -> None:
        for _ in range(3):
            await _edited(world, 3)
        await engine.collect(world.tenant, _FOR_EVER)
        after: HistoryKey | None = None
        removed: list[int] = []
        while True:
            pruned = await engine.prune_history(world.tenant, 8, after=after, limit=2)
            removed.append(pruned.removed)
            after = pruned.next
            if after is None:
                break
        assert len(removed) == 5
        assert sum(removed) == 6

    async def test_another_tenants_history_stays(self, world: World, engine: Engine) -> None:
        note, store = Note(title="first"), world.store()
        async with store.session(world.cleo) as s:
            await s.put(note)
        async with store.session(world.cleo) as s:
            await s.patch(Note, note.id, {"title": "second"})
        await _edited(world, 1)
        for tenant in (world.tenant, world.cleo.tenant_id):
            await engine.collect(tenant, _FOR_EVER)
        assert (await engine.prune_history(world.tenant, _FOR_EVER)).removed == 1
        assert (await engine.prune_history(new_id(), _FOR_EVER)).removed == 0
        async with engine.begin(world.cleo, read_only=True) as tx:
            assert len(await tx.read_history(world.schema(Note), note.id)) == 1

    async def test_a_reader_keeps_its_moment_of_the_history(self, world: World, engine: Engine) -> None:
        note = await _edited(world, 2)
        await engine.collect(world.tenant, _FOR_EVER)
        async with engine.begin(world.ann, read_only=True) as tx:
            before = await tx.read_history(world.schema(Note), note.id)
            await engine.prune_history(world.tenant, _FOR_EVER)
            assert await tx.read_history(world.schema(Note), note.id) == before
        assert await _history(world, note) == []


class StalePlanTests(EngineTests):
    """Plans that no declared entity has."""

    async def test_they_are_found_and_dropped(self, world: World, engine: Engine) -> None:
        schemas = list(world.catalog)
        if Capability.PLANS not in engine.capabilities:
            with pytest.raises(NotSupported):
                await engine.stale_plans(schemas)
            return
        assert await engine.stale_plans(schemas) == []
        board = world.schema(Board)
        older = replace(board, indexes=())
        await engine.apply([CreatePlans(older)], revision="older", checksum="older")
        stale = await engine.stale_plans(schemas)  # none where plans are not kept in the medium
        assert all(older.digest in name for name in stale)
        assert await engine.drop_plans([*stale, "nothing", '"pg_catalog"."now"']) == len(stale)
        assert await engine.stale_plans(schemas) == []
        await world.put(world.ann, Board(name="still served"))


async def _edited(world: World, times: int) -> Note:
    """A note that was made and changed so many times, each time leaving one old value."""
    note, store = Note(title="0"), world.store()
    async with store.session(world.ann) as s:
        await s.put(note)
    for turn in range(times):
        async with store.session(world.ann) as s:
            await s.patch(Note, note.id, {"title": f"{turn + 1}"})
    return note


async def _history(world: World, note: Note) -> list[OldValue]:
    async with world.engine.begin(world.ann, read_only=True) as tx:
        return await tx.read_history(world.schema(Note), note.id)
