"""Promise 8: values come back as they were normalised."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from holdfast.changes.change import canonical
from holdfast.engines.port import Row
from holdfast.model.ids import parse_id
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Specimen
from holdfast.testing.conformance.world import World

_DEEP: list[Any] = []
for _ in range(62):
    _DEEP = [_DEEP]

EDGES: dict[str, list[Any]] = {
    "text": [
        "",
        " ",
        "a\u0308\u00e4",
        "\U0001f600\u200d\U0001f468",
        '\'; drop table "x" -- %s $1 {} \\x00 \\u0000',
        "\x01\t\r\n\x1f\x7f\x85\u2028\ufeff\uffff",
        "null",
        "\U0010ffff",
        "x" * 1_024,
    ],
    "long": ["x" * 399_000, "\u00e4\U0001f600" * 60_000],
    "short": ["\U0001f600" * 8, "12345678"],
    "choice": ["\u00e4", "10"],
    "flag": [True, False],
    "whole": [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)],
    "ratio": [
        0.0,
        0.1,
        1.0,
        1e16,
        123456789012345680.0,
        -1.5,
        math.pi,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        -1.7976931348623157e308,
        1e22,
        1e23,
    ],
    "money": [Decimal(0), Decimal("-0.01"), Decimal("9999999999999.99"), Decimal("1.1"), Decimal(100)],
    "wide": [Decimal(10**38 - 1), Decimal(-(10**38) + 1), Decimal(0), Decimal(12345678901234567890123456789)],
    "fine": [
        Decimal("0." + "9" * 38),
        Decimal("-0." + "9" * 38),
        Decimal("0." + "0" * 37 + "1"),
        Decimal("0.5"),
    ],
    "day": [date(1, 1, 1), date(1582, 10, 10), date(1970, 1, 1), date(2024, 2, 29), date(9999, 12, 31)],
    "moment": [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, 14, tzinfo=timezone(timedelta(hours=14))),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=2))),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    "link": [UUID(int=0), UUID(int=2**128 - 1), parse_id("Zz09aAbBcCdDeE19")],
    "blob": [b"", b"\x00", bytes(range(256)), b"\\x41"],
    "raw": [bytes(range(256)) * 1_000, b"\xff" * 200_000],
    "document": [
        False,
        True,
        0,
        1,
        -1,
        1.5,
        -0.0,
        1.0,
        1e300,
        1e-300,
        5e-324,
        1.7976931348623157e308,
        0.1,
        2**53 + 1,
        2**63 - 1,
        -(2**63),
        2**63,
        9.3e18,
        2**64 - 1,
        1e20,
        -1e19,
        "",
        '\U0001f600 \x01 \\ "',
        [],
        {},
        [None, [None], {"": None}],
        [True, 1, 1.0, "1", {"1": 1}],
        {"b": 1, "a": {"d": [], "c": {}}, "": 0, "\u00e4": 1, "aa": 2, "B": 3},
        {"\U0001f600": 1, "\ufffd": 2, "z": 3},
        _DEEP,
        ["x" * 100_000],
    ],
}


class ValueTests(EngineTests):
    """Every type at its edges."""

    @pytest.mark.parametrize("field", EDGES)
    async def test_a_value_comes_back_as_it_was_normalised(self, world: World, field: str) -> None:
        for value in EDGES[field]:
            (row,) = await world.put(world.ann, Specimen.model_validate({field: value}))
            await _assert_everywhere(world, row, field)

    @pytest.mark.parametrize("field", EDGES)
    async def test_an_updated_value_comes_back_as_it_was_normalised(self, world: World, field: str) -> None:
        (row,) = await world.put(world.ann, Specimen())
        for value in [*EDGES[field], None]:
            write = await world.update(world.ann, Specimen, row, **{field: value})
            await world.flush(world.ann, write)
            assert write.row is not None
            row = write.row
            await _assert_everywhere(world, row, field)

    async def test_a_row_of_many_values_comes_back_whole(self, world: World) -> None:
        values = {field: edges[0] for field, edges in EDGES.items() if field not in {"long", "raw"}}
        (row,) = await world.put(world.ann, Specimen.model_validate(values))
        found = await world.get(world.ann, Specimen, row["id"])
        assert found is not None
        assert list(found) == list(world.schema(Specimen).by_name)
        for field in values:
            assert_same(found[field], row[field])

    async def test_the_systems_own_fields_come_back_to_the_microsecond(self, world: World) -> None:
        write = world.creation(world.ann, Board(name="board"))
        assert write.row is not None
        for moment in EDGES["moment"]:
            now = moment.astimezone(UTC)
            write.row.update(created_at=now, updated_at=now)
        await world.flush(world.ann, write)
        found = await world.get(world.ann, Board, write.row_id)
        assert found is not None
        assert_same(found["created_at"], write.row["created_at"])
        assert_same(found["updated_at"], write.row["updated_at"])

    async def test_a_row_as_large_as_any_may_be_comes_back(self, world: World) -> None:
        text = "\u00e4" * ((world.engine.limits.row_bytes - 1_000) // 2)
        (row,) = await world.put(world.ann, Specimen(long=text))
        await _assert_everywhere(world, row, "long")


async def _assert_everywhere(world: World, row: Row, field: str) -> None:
    """The value is the same by whichever way the row is read."""
    found = await world.get(world.ann, Specimen, row["id"])
    (stored,) = await world.batch_get(world.ann, Specimen, [row["id"]])
    listed = [other for other in await world.query(world.ann, Specimen) if other["id"] == row["id"]]
    assert found is not None
    assert stored is not None
    for read in (found, stored.row, *listed):
        assert_same(read[field], row[field])


def assert_same(value: Any, expected: Any) -> None:
    """Equal, of the same type, to the last digit and bit."""
    assert _type_of(value) is _type_of(expected)
    if isinstance(expected, Decimal):
        assert value.as_tuple() == expected.as_tuple()
    elif isinstance(expected, float):
        assert struct.pack(">d", value) == struct.pack(">d", expected)
    elif isinstance(expected, datetime):
        assert (value, value.utcoffset()) == (expected, timedelta())
    elif isinstance(expected, list | dict):
        assert canonical(value) == canonical(expected)
    else:
        assert value == expected


def _type_of(value: Any) -> type:
    """The type, but for drivers' own UUIDs, which are as good as any."""
    return UUID if isinstance(value, UUID) else type(value)
