"""Promise 7: text is ordered bytewise; lists come in the order of the sort field, ties by id, absent values first."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from holdfast.engines.port import Row
from holdfast.model.query import Condition, Op
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Specimen
from holdfast.testing.conformance.world import World

_MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)

# Each in ascending order. The texts fall into every trap of locales: case, punctuation, accents, digits, and UTF-16,
# in which an emoji comes before U+FFFD.
ASCENDING: dict[str, list[Any]] = {
    "text": [
        "",
        " ",
        "!",
        "10",
        "9",
        "A",
        "B",
        "Z",
        "_",
        "a",
        "a b",
        "ab",
        "b",
        "e\u0301",
        "z",
        "\u00df",
        "\u00e9",
        "\ufffd",
        "\U0001f600",
    ],
    "choice": ["10", "9", "B", "a", "b", "\u00e4"],
    "flag": [False, True],
    "whole": [-(2**63), -10, -9, -1, 0, 1, 9, 10, 2**53, 2**53 + 1, 2**63 - 1],
    "money": [
        Decimal("-9999999999999.99"),
        Decimal("-1.50"),
        Decimal("0.00"),
        Decimal("0.01"),
        Decimal("9.99"),
        Decimal("10.00"),
    ],
    "wide": [Decimal(-(10**38) + 1), Decimal(0), Decimal(10**37), Decimal(10**38 - 2), Decimal(10**38 - 1)],
    "day": [date(1, 1, 1), date(1969, 12, 31), date(2026, 2, 28), date(2026, 3, 1), date(9999, 12, 31)],
    "moment": [
        datetime(1, 1, 1, tzinfo=UTC),
        _MOMENT,
        _MOMENT + timedelta(microseconds=1),
        _MOMENT + timedelta(seconds=1),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    "link": [
        UUID(int=1),
        UUID(int=2**64),
        UUID("7fffffff-0000-4000-8000-000000000000"),
        UUID("80000000-0000-4000-8000-000000000000"),
        UUID(int=2**128 - 1),
    ],
    "blob": [b"", b"\x00", b"\x00\x01", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff\x00"],
}


async def plant_specimens(world: World, field: str, *, absent: int = 2, ties: int = 2) -> list[Row]:
    """Rows that hold each value of `field` several times, and some without one, in ascending order."""
    values = [None] * absent + [value for value in ASCENDING[field] for _ in range(ties)]
    entities = [Specimen.model_validate({field: value}) for value in values]
    shuffled = random.Random(7).sample(entities, len(entities))  # noqa: S311 (an order, not a secret)
    rows = await world.put(world.ann, *shuffled)
    places = [None, *ASCENDING[field]]
    return sorted(rows, key=lambda row: (places.index(row[field]), row["id"].bytes))


class OrderTests(EngineTests):
    """Sorting."""

    @pytest.mark.parametrize("field", ASCENDING)
    async def test_rows_come_in_the_order_of_the_sort_field(self, world: World, field: str) -> None:
        expected = [row["id"] for row in await plant_specimens(world, field)]
        up = await world.query(world.ann, Specimen, sort=field)
        down = await world.query(world.ann, Specimen, sort=field, descending=True)
        assert [row["id"] for row in up] == expected
        assert [row["id"] for row in down] == expected[::-1]

    async def test_rows_come_in_the_order_of_their_ids_by_default(self, world: World) -> None:
        ids = [UUID(int=1), UUID(int=2**127), UUID(int=2**127 - 1), UUID(int=2**128 - 1), UUID(int=255)]
        await world.put(world.ann, *(Specimen(id=row_id) for row_id in ids))
        expected = sorted(ids, key=lambda row_id: row_id.bytes)
        assert [row["id"] for row in await world.query(world.ann, Specimen)] == expected
        down = await world.query(world.ann, Specimen, descending=True)
        assert [row["id"] for row in down] == expected[::-1]

    async def test_rows_are_sorted_by_their_creation_too(self, world: World) -> None:
        moments = [_MOMENT + timedelta(microseconds=step) for step in (3, 1, 2)]
        writes = [world.creation(world.ann, Specimen()) for _ in moments]
        for write, moment in zip(writes, moments, strict=True):
            assert write.row is not None
            write.row.update(created_at=moment, updated_at=moment)
        await world.flush(world.ann, *writes)
        found = await world.query(world.ann, Specimen, sort="created_at", descending=True)
        assert [row["created_at"] for row in found] == sorted(moments, reverse=True)

    async def test_a_limit_keeps_the_first_rows(self, world: World) -> None:
        expected = await plant_specimens(world, "whole")
        assert await world.query(world.ann, Specimen, sort="whole", limit=5) == expected[:5]
        down = await world.query(world.ann, Specimen, sort="whole", descending=True, limit=1)
        assert down == expected[-1:]


class FilterTests(EngineTests):
    """Comparing."""

    @pytest.mark.parametrize("field", ASCENDING)
    async def test_every_comparison_selects_what_it_says(self, world: World, field: str) -> None:
        values = ASCENDING[field]
        await plant_specimens(world, field, absent=1, ties=1)
        middle = len(values) // 2
        expected = {
            Op.EQ: values[middle : middle + 1],
            Op.GT: values[middle + 1 :],
            Op.GE: values[middle:],
            Op.LT: values[:middle],
            Op.LE: values[: middle + 1],
        }
        for op, wanted in expected.items():
            assert await _found(world, field, op, values[middle]) == wanted, op
        assert await _found(world, field, Op.IN, (values[-1], values[0])) == [values[0], values[-1]]
        assert await _found(world, field, Op.IN, ()) == []
        assert await _found(world, field, Op.EQ, None) == [None]

    async def test_an_absent_value_meets_no_comparison(self, world: World) -> None:
        await world.put(world.ann, Specimen(text="there"), Specimen())
        for op in (Op.GT, Op.GE):
            assert await _found(world, "text", op, "") == ["there"]
        assert await _found(world, "text", Op.LE, "\U0010ffff") == ["there"]
        assert await _found(world, "whole", Op.EQ, None) == [None, None]

    async def test_conditions_hold_together(self, world: World) -> None:
        await world.put(
            world.ann, *(Specimen(text=text, whole=whole) for text in "ab" for whole in (1, 2, 3))
        )
        where = (Condition("text", Op.EQ, "b"), Condition("whole", Op.GT, 1), Condition("whole", Op.LT, 3))
        (row,) = await world.query(world.ann, Specimen, where=where)
        assert (row["text"], row["whole"]) == ("b", 2)
        contradiction = (Condition("whole", Op.EQ, 1), Condition("whole", Op.EQ, 2))
        assert await world.query(world.ann, Specimen, where=contradiction) == []

    async def test_a_filter_on_one_field_goes_with_a_sort_by_another(self, world: World) -> None:
        await world.put(world.ann, *(Specimen(flag=whole % 2 == 0, whole=whole) for whole in (5, 2, 4, 1, 6)))
        found = await world.query(
            world.ann, Specimen, where=(Condition("flag", Op.EQ, True),), sort="whole", descending=True
        )
        assert [row["whole"] for row in found] == [6, 4, 2]

    async def test_ids_are_filtered_too(self, world: World) -> None:
        rows = await world.put(world.ann, *(Specimen() for _ in range(3)))
        wanted = sorted((rows[0]["id"], rows[2]["id"]), key=lambda row_id: row_id.bytes)
        found = await world.query(world.ann, Specimen, where=(Condition("id", Op.IN, tuple(wanted)),))
        assert [row["id"] for row in found] == wanted


async def _found(world: World, field: str, op: Op, value: Any) -> list[Any]:
    rows = await world.query(world.ann, Specimen, where=(Condition(field, op, value),), sort=field)
    return [row[field] for row in rows]
