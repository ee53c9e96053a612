"""How values are stored: exactly, and in an order that the file's own comparison gives."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.engines.sqlite._values import column_type, reader_of, sortable, store, unsortable
from holdfast.model.types import (
    DecimalType,
    FieldType,
    InstantType,
    IntegerType,
    JsonType,
    TextType,
    UuidType,
)

MONEY, WIDE, FINE = DecimalType(15, 2), DecimalType(38, 0), DecimalType(38, 38)


def back(kind: FieldType, value: object) -> object:
    read = reader_of(kind)
    assert read is not None
    return read(store(kind, value))


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), min_size=2))
def test_large_numbers_sort_as_text(numbers: list[int]) -> None:
    texts = [sortable(number, 38) for number in numbers]
    assert [unsortable(text, 38) for text in texts] == numbers
    assert [unsortable(text, 38) for text in sorted(texts)] == sorted(numbers)


@pytest.mark.parametrize(
    "kind", [MONEY, WIDE, FINE, DecimalType(18, 0), DecimalType(18, 18), DecimalType(19, 4)]
)
@given(data=st.data())
def test_decimals_come_back_to_the_last_digit(kind: DecimalType, data: st.DataObject) -> None:
    number = data.draw(st.integers(1 - 10**kind.precision, 10**kind.precision - 1))
    value = Decimal((number < 0, tuple(map(int, str(abs(number)))), -kind.scale))
    assert kind.normalise(value) == value
    with localcontext(prec=3):  # the application's own context changes nothing
        found = back(kind, value)
    assert isinstance(found, Decimal)
    assert found.as_tuple() == value.as_tuple()


def test_money_is_an_integer_and_what_64_bits_do_not_hold_is_text() -> None:
    assert store(MONEY, Decimal("-12.50")) == -1250
    assert (column_type(MONEY), column_type(DecimalType(18, 2)), column_type(WIDE)) == (
        "integer",
        "integer",
        "text",
    )


def test_instants_are_microseconds() -> None:
    assert store(InstantType(), datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)) == 1_000_001
    assert store(InstantType(), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


@given(st.datetimes().map(lambda moment: moment.replace(tzinfo=UTC)))
def test_instants_come_back(moment: datetime) -> None:
    assert back(InstantType(), moment) == moment


def test_nothing_stays_nothing_and_the_rest_is_as_it_is() -> None:
    assert store(UuidType(), None) is None
    assert store(TextType(), "a") == "a"
    assert store(IntegerType(), 7) == 7
    assert store(JsonType(), {"b": 1, "a": [None, True]}) == '{"a":[null,true],"b":1}'
