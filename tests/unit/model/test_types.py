"""Field types: what each takes, the one form that it makes of it, and its plain form."""

from __future__ import annotations

import decimal
import math
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.changes.change import canonical
from holdfast.model.types import (
    BooleanType,
    BytesType,
    ChoiceType,
    DateType,
    DecimalType,
    FieldType,
    FloatType,
    InstantType,
    IntegerType,
    JsonType,
    TextType,
    UuidType,
    format_instant,
)
from holdfast.testing.strategies import json_values, values

KINDS: list[FieldType] = [
    TextType(),
    TextType(5),
    ChoiceType(("a", "\u00e4")),
    BooleanType(),
    IntegerType(),
    IntegerType(1, 5),
    FloatType(),
    DecimalType(15, 2),
    DecimalType(38, 0),
    DecimalType(38, 38),
    DateType(),
    InstantType(),
    UuidType(),
    JsonType(),
    BytesType(),
]


@st.composite
def typed_values(draw: st.DrawFn) -> tuple[FieldType, Any]:
    kind = draw(st.sampled_from(KINDS))
    return kind, draw(values(kind))


@given(typed_values())
def test_the_plain_form_is_json_and_reads_back_as_what_was_normalised(drawn: tuple[FieldType, Any]) -> None:
    kind, value = drawn
    normal = kind.normalise(value)
    text = orjson.dumps(kind.encode(normal))
    again = kind.decode(orjson.loads(text))
    assert canonical(kind.encode(again)) == canonical(kind.encode(normal))
    assert type(again) is type(normal)


@given(typed_values())
def test_what_is_normalised_stays_as_it_is(drawn: tuple[FieldType, Any]) -> None:
    kind, value = drawn
    once = kind.normalise(value)
    twice = kind.normalise(once)
    assert repr(twice) == repr(once)


@given(st.sampled_from(KINDS), json_values() | st.none())
def test_plain_input_is_read_or_refused_in_words_without_the_value(kind: FieldType, plain: Any) -> None:
    try:
        kind.decode(plain)
    except ValueError as error:
        told = str(error)
        assert told.startswith(("must ", "not a canonical", "whole numbers", "numbers in"))
        assert not isinstance(plain, str) or len(plain) < 4 or plain not in told


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (TextType(), 1),
        (TextType(), b"a"),
        (TextType(), "a\x00b"),
        (TextType(), "\ud800"),
        (TextType(3), "abcd"),
        (ChoiceType(("a",)), "b"),
        (ChoiceType(("a",)), ["a"]),
        (BooleanType(), 1),
        (IntegerType(), True),
        (IntegerType(), 1.0),
        (IntegerType(), 2**63),
        (IntegerType(), -(2**63) - 1),
        (IntegerType(1, 5), 6),
        (FloatType(), True),
        (FloatType(), "1"),
        (FloatType(), math.nan),
        (FloatType(), math.inf),
        (FloatType(), 10**400),
        (DecimalType(5, 2), 1.5),
        (DecimalType(5, 2), True),
        (DecimalType(5, 2), Decimal("1.234")),
        (DecimalType(5, 2), Decimal(1000)),
        (DecimalType(5, 2), Decimal("NaN")),
        (DecimalType(5, 2), Decimal("sNaN")),
        (DecimalType(5, 2), Decimal("-Infinity")),
        (DecimalType(5, 2), Decimal("1e999999")),
        (DecimalType(5, 2), Decimal("1e-999999")),
        (DecimalType(38, 0), Decimal(10**38)),
        (DateType(), datetime(2026, 1, 31, tzinfo=UTC)),
        (DateType(), "2026-01-31"),
        (InstantType(), date(2026, 1, 31)),
        (InstantType(), datetime(2026, 1, 31)),  # noqa: DTZ001 (that it names no offset is the point)
        (InstantType(), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
        (InstantType(), datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-2)))),
        (UuidType(), str(UUID(int=0))),
        (JsonType(), object()),
        (JsonType(), {1: 2}),
        (JsonType(), {"\x00": 1}),
        (JsonType(), ["\ud800"]),
        (JsonType(), [math.nan]),
        (JsonType(), [2**64]),
        (JsonType(), [-(2**63) - 1]),
        (JsonType(), {1, 2}),
        (BytesType(), "abc"),
        (BytesType(2), b"abc"),
    ],
)
def test_what_no_engine_could_hold_is_refused(kind: FieldType, value: Any) -> None:
    with pytest.raises(ValueError, match=r"must|whole numbers|numbers in"):
        kind.normalise(value)


class Drifting(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        return None

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> None:
        return None


def test_a_zone_that_names_no_offset_is_none() -> None:
    with pytest.raises(ValueError, match="offset"):
        InstantType().normalise(datetime(2026, 1, 31, tzinfo=Drifting()))


def test_a_length_counts_characters_and_bytes() -> None:
    assert TextType(2).normalise("\U0001f600\U0001f600") == "\U0001f600" * 2
    assert BytesType(2).normalise(bytearray(b"ab")) == b"ab"
    assert BytesType().normalise(memoryview(b"ab")) == b"ab"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (DecimalType(15, 2), Decimal(1), "1.00"),
        (DecimalType(15, 2), 7, "7.00"),
        (DecimalType(15, 2), Decimal("-0"), "0.00"),
        (DecimalType(15, 2), Decimal("0e5000"), "0.00"),
        (DecimalType(15, 2), Decimal("1.5e3"), "1500.00"),
        (DecimalType(15, 2), Decimal("1.500"), "1.50"),
        (DecimalType(38, 0), Decimal(10**38 - 1), "9" * 38),
        (DecimalType(38, 2), Decimal("-" + "9" * 36 + ".99"), "-" + "9" * 36 + ".99"),
        (DecimalType(38, 38), Decimal("0." + "9" * 38), "0." + "9" * 38),
        (DecimalType(38, 38), 0, "0." + "0" * 38),
    ],
)
def test_a_decimal_stands_at_its_scale(kind: DecimalType, value: Any, expected: str) -> None:
    assert kind.encode(kind.normalise(value)) == expected


def test_the_applications_own_decimal_context_changes_nothing() -> None:
    with decimal.localcontext() as context:
        context.prec, context.rounding = 3, decimal.ROUND_UP
        context.traps[decimal.Inexact] = True
        kind = DecimalType(38, 2)
        assert kind.decode("123456789012345678901234567890123456.12") == Decimal(
            "123456789012345678901234567890123456.12"
        )
        with pytest.raises(ValueError, match="at most"):
            kind.decode("1.005")


@pytest.mark.parametrize("text", ["1", "-1", "01", "0.10", "-0.00", "9" * 13 + ".99"])
def test_a_decimal_is_read_from_text(text: str) -> None:
    assert DecimalType(15, 2).decode(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    ["", "+1", "1.", ".5", "1e3", "NaN", "Infinity", " 1", "1 ", "1_000", "\u0661", "1\n", "0x1", "1,5"],
)
def test_a_decimal_has_no_other_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="decimal number"):
        DecimalType(15, 2).decode(text)


def test_a_zero_has_no_sign() -> None:
    assert math.copysign(1, FloatType().normalise(-0.0)) == 1
    assert math.copysign(1, FloatType().decode(-0.0)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00.000000Z"),
        ("2026-01-31 12:00:00.5+01:30", "2026-01-31T10:30:00.500000Z"),
        ("2026-01-31T12:00:00.123456000Z", "2026-01-31T12:00:00.123456Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_read_from_rfc_3339(text: str, expected: str) -> None:
    kind = InstantType()
    moment = kind.decode(text)
    assert moment.utcoffset() == timedelta(0)
    assert kind.encode(moment) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:00:00.1234567Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+99:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-00:01",
        "2026-W05-6T12:00:00Z",
        "20260131T120000Z",
        "\uff12026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "1769860800",
    ],
)
def test_an_instant_has_no_other_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        InstantType().decode(text)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_the_order_of_instants_is_that_of_their_texts(first: datetime, second: datetime) -> None:
    assert (format_instant(first) < format_instant(second)) is (first < second)
    assert len(format_instant(first)) == 27


@pytest.mark.parametrize(
    "text", ["2026-1-31", "2026-02-30", "20260131", "2026-01-31T00:00:00Z", "0000-01-01", "", "x"]
)
def test_a_date_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="a date such as"):
        DateType().decode(text)


@pytest.mark.parametrize("text", ["a", "YQ", "YQ=", "Y Q==", "\u00e4", "YQ==\n", 3, None])
def test_bytes_are_read_from_base64_alone(text: Any) -> None:
    with pytest.raises(ValueError, match="base64"):
        BytesType().decode(text)


def test_json_is_made_canonical() -> None:
    kind = JsonType()
    value = {"b": (1.0, -0.0, 1.5), "a": {"\u00e4": Decimal("2.50"), "z": None}, "": True}
    normal: Any = kind.normalise(value)
    assert canonical(normal) == b'{"":true,"a":{"z":null,"\xc3\xa4":2.5},"b":[1,0,1.5]}'
    assert list(normal) == ["", "a", "b"]
    assert [type(item) for item in normal["b"]] == [int, int, float]


def test_json_is_copied_and_never_shared() -> None:
    inner = [1]
    normal = JsonType().normalise({"a": inner})
    inner.append(2)
    assert normal == {"a": [1]}


def test_json_is_at_most_64_levels_deep() -> None:
    deep: Any = 1
    for _ in range(64):
        deep = [deep]
    JsonType().normalise(deep)
    with pytest.raises(ValueError, match="64 levels"):
        JsonType().normalise([deep])
    with pytest.raises(ValueError, match="64 levels"):
        JsonType().decode(orjson.loads(b"[" * 65 + b"]" * 65))


def test_whole_numbers_of_64_bits_keep_their_spelling_whatever_they_come_as() -> None:
    kind = JsonType()
    assert kind.normalise([9.3e18, 2**64 - 1, -(2**63)]) == [9_300_000_000_000_000_000, 2**64 - 1, -(2**63)]
    assert type(kind.normalise(9.3e18)) is int
    assert type(kind.normalise(1e20)) is float


def test_the_two_moments_of_an_hour_that_comes_twice_are_written_apart() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    once, again = (datetime(2026, 10, 25, 2, 30, tzinfo=berlin, fold=fold) for fold in (0, 1))
    assert format_instant(once) == "2026-10-25T00:30:00.000000Z"
    assert format_instant(again) == "2026-10-25T01:30:00.000000Z"
