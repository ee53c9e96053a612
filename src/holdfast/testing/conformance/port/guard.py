"""Promise 6: a journaled table refuses a write that comes by another way than a flush."""

from __future__ import annotations

import pytest

from holdfast.engines.port import Batch, Capability, Engine
from holdfast.errors import HoldfastError, NotSupported
from holdfast.testing.conformance.base import EngineTests, lacks
from holdfast.testing.conformance.entities import Board, Note
from holdfast.testing.conformance.world import World


class GuardTests(EngineTests):
    """A guard against mistakes."""

    async def test_a_journaled_row_is_not_written_without_the_counter(self, world: World) -> None:
        write = world.creation(world.ann, Note(title="past the log"))
        with pytest.raises(HoldfastError):
            async with world.engine.begin(world.ann) as tx:
                await tx.write(Batch([write]))
        assert await world.peek(world.ann, Note, write.row_id) is None

    async def test_the_counter_of_an_earlier_transaction_does_not_count(self, world: World) -> None:
        """The mark of a flush ends with its transaction, also on a connection that is used again."""
        for turn in range(12):
            await world.put(world.ann, Note(title=f"proper {turn}"))
        write = world.creation(world.ann, Note(title="past the log"))
        with pytest.raises(HoldfastError):
            async with world.engine.begin(world.ann) as tx:
                await tx.write(Batch([write]))
        assert await world.peek(world.ann, Note, write.row_id) is None

    async def test_journaled_rows_are_not_ingested(self, world: World) -> None:
        row = world.row(world.ann, Board(name="past the log"))
        with pytest.raises(HoldfastError):
            await world.engine.ingest(world.ann, world.schema(Board), [row])
        assert await world.peek(world.ann, Board, row["id"]) is None

    async def test_the_medium_refuses_a_write_beside_the_port(self, world: World, engine: Engine) -> None:
        row = world.row(world.ann, Board(name="past the log"))
        expected = NotSupported if lacks(engine, Capability.ROW_SECURITY) else Exception
        with pytest.raises(expected):
            await world.harness.write_raw_outside_flush(engine, world.schema(Board), world.tenant, row)
        assert await world.peek(world.ann, Board, row["id"]) is None
