"""Promise 7, page by page: wherever a page ends, the next one goes on with the row behind it."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.engines.port import Row
from holdfast.model.query import Condition, Key, Op
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Specimen
from holdfast.testing.conformance.port.ordering import ASCENDING, plant_specimens
from holdfast.testing.conformance.world import World


class PagingTests(EngineTests):
    """Keyset paging, both ways."""

    @pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
    @pytest.mark.parametrize("field", [*ASCENDING, "id"])
    async def test_the_list_goes_on_behind_any_of_its_rows(
        self, world: World, field: str, *, descending: bool
    ) -> None:
        await plant_specimens(world, "whole" if field == "id" else field)
        whole = await world.query(world.ann, Specimen, sort=field, descending=descending)
        for place, row in enumerate(whole):
            rest = await world.query(
                world.ann, Specimen, sort=field, descending=descending, after=_key(row, field)
            )
            assert [found["id"] for found in rest] == [left["id"] for left in whole[place + 1 :]]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    async def test_pages_of_any_size_make_up_the_list(self, world: World, size: int) -> None:
        await plant_specimens(world, "choice", absent=3, ties=3)
        for field, descending in (("choice", False), ("choice", True), ("id", False), ("id", True)):
            whole = await world.query(world.ann, Specimen, sort=field, descending=descending)
            assert await _by_pages(world, size, sort=field, descending=descending) == whole

    async def test_a_filter_holds_on_every_page(self, world: World) -> None:
        await plant_specimens(world, "whole", absent=3)
        where = (Condition("whole", Op.GE, -9),)
        whole = await world.query(world.ann, Specimen, where=where, sort="whole")
        assert await _by_pages(world, 2, where=where, sort="whole") == whole
        absent = (Condition("whole", Op.EQ, None),)
        assert len(await _by_pages(world, 2, where=absent, sort="whole")) == 3

    async def test_a_page_goes_on_though_the_row_before_it_is_gone(self, world: World) -> None:
        rows = await plant_specimens(world, "whole")
        await world.flush(world.ann, await world.deletion(world.ann, Specimen, rows[4]))
        rest = await world.query(world.ann, Specimen, sort="whole", after=_key(rows[4], "whole"))
        assert rest == rows[5:]

    async def test_a_row_that_comes_in_before_the_page_does_not_shift_it(self, world: World) -> None:
        rows = await plant_specimens(world, "whole")
        await world.put(world.ann, Specimen(whole=-(2**62)))
        rest = await world.query(world.ann, Specimen, sort="whole", after=_key(rows[6], "whole"))
        assert rest == rows[7:]

    async def test_pages_of_one_tenant_leave_out_the_others(self, world: World) -> None:
        boards = await world.put(world.ann, *(Board(name=f"{turn}", position=turn // 2) for turn in range(6)))
        await world.put(world.cleo, *(Board(name="theirs", position=turn) for turn in range(6)))
        rest = await world.query(world.bob, Board, sort="position", after=_key(boards[1], "position"))
        assert {row["id"] for row in rest} <= {row["id"] for row in boards}
        assert len(rest) in {4, 5}


def _key(row: Row, field: str) -> Key:
    return Key(None if field == "id" else row[field], row["id"])


async def _by_pages(world: World, size: int, **query: Any) -> list[Row]:
    rows: list[Row] = []
    after: Key | None = None
    while True:
        page = await world.query(world.ann, Specimen, limit=size, after=after, **query)
        rows.extend(page)
        if len(page) < size:
            return rows
        after = _key(page[-1], query["sort"])
