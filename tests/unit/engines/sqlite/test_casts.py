"""What a stored value becomes in another type is what `model.conversions` says, value for value."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from holdfast.engines.sqlite._casts import converted
from holdfast.engines.sqlite._values import store
from holdfast.model.conversions import can_convert, convert
from holdfast.model.types import (
    BooleanType,
    DateType,
    DecimalType,
    FieldType,
    InstantType,
    IntegerType,
    TextType,
    UuidType,
)

ID = UUID("0198b7a1-0000-7fff-a00f-00ff10abcdef")
TEXTS = (
    *(
        "",
        "7",
        "007",
        "-0",
        "-7",
        "-0.50",
        "0.5",
        "12.345",
        "99999",
        "1.",
        "-",
        ".5",
        "abc",
        "1e5",
        "--5",
        "5-",
        "5 ",
    ),
    *(
        "1" * 18,
        "1" * 19,
        "-" + "9" * 20 + ".25",
        "9" * 36 + ".12",
        "9223372036854775807",
        "７",
        "\n7",
        "7\n",
    ),
    *("true", "false", "True", str(UUID(int=0)), str(ID), str(ID).upper()),
    *(
        "2020-01-31",
        "2020-02-29",
        "2023-02-29",
        "2023-02-30",
        "0000-01-01",
        "0001-01-01",
        "9999-12-31",
        "2020-1-31",
    ),
)
INTEGERS = (0, 1, -1, 7, -7, 100, 123_456, 2**63 - 1, -(2**63), 10**17, -(10**18))
DATES = (date(2020, 1, 31), date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31), date(1970, 1, 1))
INSTANTS = (
    *(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in DATES),
    datetime(2020, 1, 31, 5, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
DECIMALS = tuple(
    DecimalType(precision, scale)
    for precision, scale in ((8, 2), (8, 4), (18, 0), (3, 3), (24, 2), (38, 38), (38, 0), (20, 10))
)


def decimals(kind: DecimalType) -> Iterator[Decimal]:
    most = 10**kind.precision - 1
    for number in (0, 1, 5, 50, 100, 1234, 12_300, most, 10 ** (kind.precision - 1), 3 * 10**kind.scale):
        for each in (number, -number):
            if abs(each) <= most:
                yield Decimal(each).scaleb(-kind.scale, Context(prec=60))


TYPES: tuple[tuple[FieldType, tuple[Any, ...]], ...] = (
    (TextType(), TEXTS),
    (TextType(5), tuple(text for text in TEXTS if len(text) <= 5)),
    (IntegerType(), INTEGERS),
    (IntegerType(0, 9), (0, 1, 9)),
    (BooleanType(), (True, False)),
    (DateType(), DATES),
    (InstantType(), INSTANTS),
    (UuidType(), (UUID(int=0), ID)),
    *((kind, tuple(decimals(kind))) for kind in DECIMALS),
)
PAIRS = [(old, new, values) for (old, values), (new, _) in product(TYPES, TYPES) if can_convert(old, new)]


@pytest.mark.parametrize(("old", "new", "values"), PAIRS, ids=[f"{old}-{new}" for old, new, _ in PAIRS])
def test_the_expression_says_what_the_conversion_says(
    old: FieldType, new: FieldType, values: tuple[Any, ...]
) -> None:
    text = f"select {converted(old, new, 'r.x')} from (select ? as x) r"
    with closing(sqlite3.connect(":memory:")) as raw:
        for value in (*values, None):
            (found,) = raw.execute(text, [store(old, value)]).fetchone()
            wanted = store(new, convert(old, new, value))
            assert (type(found), found) == (type(wanted), wanted), value
