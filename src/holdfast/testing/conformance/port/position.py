"""Where the medium stands in its own history: what a copy that was taken back betrays itself by."""

from __future__ import annotations

import asyncio

from holdfast.engines.port import Engine, Position
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Tally
from holdfast.testing.conformance.harness import Harness
from holdfast.testing.conformance.world import World


class PositionTests(EngineTests):
    """It moves with what is committed, and never back."""

    async def test_what_is_committed_moves_it_forwards(self, world: World, engine: Engine) -> None:
        """At once, or a moment later where a medium is allowed to be late with what a crash may not take."""
        first = await engine.position()
        assert 0 <= first.moment < 2**63
        store, last = world.store(), first
        for entity in (Board, Tally):
            async with store.session(world.ann) as s:
                await s.put(entity(name="one more"))
            last = await self._moved(engine, last)
        assert last.medium == first.medium

    async def _moved(self, engine: Engine, last: Position) -> Position:
        async with asyncio.timeout(10):
            while (position := await engine.position()).moment == last.moment:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert position.moment > last.moment
        return position

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
