"""Where the medium stands in its own history: what a copy that was taken back betrays itself by."""

from __future__ import annotations

from holdfast.engines.port import Engine
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Tally
from holdfast.testing.conformance.harness import Harness
from holdfast.testing.conformance.world import World


class PositionTests(EngineTests):
    """It moves with what is committed, and never back."""

    async def test_every_commit_moves_it_forwards(self, world: World, engine: Engine) -> None:
        positions = [await engine.position()]
        store = world.store()
        for turn in range(3):
            async with store.session(world.ann) as s:
                await s.put(Board(name=f"{turn}"))
            positions.append(await engine.position())
            async with store.session(world.ann) as s:
                await s.put(Tally(name=f"{turn}"))
            positions.append(await engine.position())
        assert len({position.medium for position in positions}) == 1
        moments = [position.moment for position in positions]
        assert moments == sorted(set(moments))
        assert all(0 <= moment < 2**63 for moment in moments)

    async def test_it_stands_while_nothing_is_written_or_moves_on(self, world: World, engine: Engine) -> None:
        first = await engine.position()
        await world.query(world.ann, Board)
        second = await engine.position()
        assert second.medium == first.medium
        assert second.moment >= first.moment

    async def test_another_medium_has_another_name(self, harness: Harness, engine: Engine) -> None:
        other = await harness.make_engine(())
        try:
            assert (await other.position()).medium != (await engine.position()).medium
        finally:
            await harness.close(other)
