"""Sizes: what is over a limit is refused, whole, before anything is stored."""

from __future__ import annotations

import random

import pytest

from holdfast.engines.port import Capability, Engine
from holdfast.errors import TooLarge
from holdfast.testing.conformance.base import EngineTests, lacks
from holdfast.testing.conformance.entities import Board, Rule, Specimen
from holdfast.testing.conformance.world import World


class LimitTests(EngineTests):
    """Rows and transactions."""

    async def test_a_thousand_rows_go_in_one_transaction_or_are_too_large(
        self, world: World, engine: Engine
    ) -> None:
        writes = [world.creation(world.ann, Rule(text=f"rule {turn}")) for turn in range(1_200)]
        if lacks(engine, Capability.LARGE_TRANSACTIONS):
            with pytest.raises(TooLarge):
                await world.flush(world.ann, *writes)
            assert await world.head(world.ann) == 0
            assert await world.query(world.ann, Rule) == []
            return
        await world.flush(world.ann, *writes)
        assert await world.head(world.ann) == 1_200
        assert len(await world.query(world.ann, Rule, limit=1_000)) == 1_000

    async def test_a_transaction_holds_as_many_items_as_the_engine_says(
        self, world: World, engine: Engine
    ) -> None:
        items = engine.limits.transaction_items
        if items is None:
            assert not lacks(engine, Capability.LARGE_TRANSACTIONS)
            return
        rows = (items - 1) // 2  # a row and its change each, and the counter
        writes = [world.creation(world.ann, Board(name=f"board {turn}")) for turn in range(rows + 1)]
        with pytest.raises(TooLarge):
            await world.flush(world.ann, *writes)
        await world.flush(world.ann, *writes[:rows])
        assert await world.head(world.ann) == rows

    async def test_a_transaction_holds_as_many_bytes_as_the_engine_says(
        self, world: World, engine: Engine
    ) -> None:
        limit = engine.limits.transaction_bytes
        if limit is None:
            assert not lacks(engine, Capability.LARGE_TRANSACTIONS)
            return
        count = limit // 390_000 + 1
        writes = [world.creation(world.ann, Specimen(long="x" * 390_000)) for _ in range(count)]
        with pytest.raises(TooLarge):
            await world.flush(world.ann, *writes)
        await world.flush(world.ann, *writes[:-1])
        assert await world.head(world.ann) == count - 1

    async def test_a_row_is_as_large_as_the_limit_and_no_larger(self, world: World) -> None:
        store = world.store()
        async with store.session(world.ann) as s:
            await s.put(Specimen(long="x" * 399_000))
        for text in ("x" * 400_000, "\u00e4" * 200_000):
            with pytest.raises(TooLarge):
                async with store.session(world.ann) as s:
                    await s.put(Specimen(long=text))
        assert await world.head(world.ann) == 1

    async def test_an_indexed_value_is_as_large_as_the_limit_and_no_larger(self, world: World) -> None:
        """Random bytes, because a medium might squeeze others until they fit."""
        store, limit = world.store(), world.engine.limits.key_bytes
        text = "".join(chr(code) for code in random.Random(7).choices(range(33, 127), k=limit))  # noqa: S311
        specimen = Specimen(text=text)
        async with store.session(world.ann) as s:
            await s.put(specimen)
            await s.put(Board(name="b", shelf="\u00e4" * 200, label="\u00e4" * 200))
        with pytest.raises(TooLarge):
            async with store.session(world.ann) as s:
                await s.put(Specimen(text=text + "x"))
        with pytest.raises(TooLarge):
            async with store.session(world.ann) as s:
                await s.patch(Specimen, specimen.id, {"text": "\u00e4" * (limit // 2 + 1)})
        assert [row["text"] for row in await world.query(world.ann, Specimen, sort="text")] == [text]
