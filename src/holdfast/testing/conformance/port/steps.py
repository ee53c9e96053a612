"""Promise 9: `apply` is idempotent; the ledger tells what was applied; a tenant can be forgotten."""

from __future__ import annotations

import pytest

from holdfast.engines.port import Engine
from holdfast.errors import MigrationsPending
from holdfast.model.catalog import Catalog
from holdfast.model.steps import CreateEntity, CreatePlans, DropPlans
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import CATALOG, KIT, REALM, UNMADE, Board, Note, Unmade
from holdfast.testing.conformance.harness import Harness, first_revision
from holdfast.testing.conformance.world import World


class StepTests(EngineTests):
    """On media of their own."""

    async def test_a_new_medium_has_an_empty_ledger(self, harness: Harness) -> None:
        engine = await harness.make_engine(())
        try:
            assert await engine.applied() == {}
            assert (await engine.inspect(list(CATALOG))).findings != ()
        finally:
            await harness.close(engine)

    async def test_applying_the_same_steps_again_changes_nothing(self, harness: Harness) -> None:
        engine = await harness.make_engine(())
        steps = first_revision(CATALOG)
        try:
            await engine.apply(steps, revision="kit", checksum="1f9c")
            world = await World.make(harness, engine)
            (row,) = await world.put(world.ann, Note(title="there"))
            await engine.apply(steps, revision="kit", checksum="1f9c")
            await engine.apply(steps[:3], revision="part", checksum="02ab")
            assert await engine.applied() == {"kit": "1f9c", "part": "02ab"}
            assert await world.get(world.ann, Note, row["id"]) == row
            await world.put(world.ann, Note(title="still writable"))
            assert await world.head(world.ann) == 2
            assert (await engine.inspect(list(CATALOG))).findings == ()
        finally:
            await harness.close(engine)

    async def test_a_later_revision_adds_to_what_is_there(self, harness: Harness) -> None:
        engine = await harness.make_engine(first_revision(CATALOG))
        larger = Catalog({"realm": REALM, "kit": (*KIT, Unmade)})
        try:
            world = await World.make(harness, engine)
            (row,) = await world.put(world.ann, Board(name="there"))
            assert (await engine.inspect(list(larger))).findings != ()
            await engine.apply((CreateEntity(UNMADE), CreatePlans(UNMADE)), revision="later", checksum="9")
            later = World(
                harness, engine, world.ann, world.bob, world.everyone, world.cleo, world.strangers, larger
            )
            (new,) = await later.put(later.ann, Unmade(name="made"))
            assert await later.get(later.bob, Unmade, new["id"]) == new
            assert await later.get(later.bob, Board, row["id"]) == row
            assert set(await engine.applied()) == {"kit", "later"}
            await engine.apply((DropPlans(UNMADE), DropPlans(UNMADE)), revision="last", checksum="8")
            assert await later.get(later.bob, Unmade, new["id"]) == new
        finally:
            await harness.close(engine)


class LifeTests(EngineTests):
    """On the class's own medium."""

    async def test_an_engine_says_what_it_is(self, engine: Engine) -> None:
        assert engine.name
        assert engine.limits.row_bytes == 400_000
        await engine.ping()
        assert (await engine.inspect(list(CATALOG))).findings == ()

    async def test_an_entity_that_was_never_made_awaits_its_migration(self, world: World) -> None:
        async with world.engine.begin(world.ann, read_only=True) as tx:
            with pytest.raises(MigrationsPending):
                await tx.get(UNMADE, world.tenant)

    async def test_a_forgotten_tenant_leaves_nothing_and_the_others_alone(self, world: World) -> None:
        store = world.store()
        note = Note(title="ours")
        async with store.session(world.ann) as s:
            await s.put(note)
        async with store.session(world.ann) as s:
            await s.patch(Note, note.id, {"title": "changed"})
        (theirs,) = await world.put(world.cleo, Note(title="theirs"))
        await world.engine.forget_tenant(world.tenant, list(CATALOG))
        assert await world.peek(world.ann, Note, note.id) is None
        assert await world.changes(world.everyone) == []
        assert await world.history(world.everyone, Note, note.id) == []
        assert await world.head(world.everyone) == 0
        assert await world.get(world.cleo, Note, theirs["id"]) == theirs
        assert await world.head(world.cleo) == 1
