"""The form that values have on a device: what each type becomes, what is read back, and what is told apart."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.ids import new_id, parse_id
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
)
from holdfast.model.wire import (
    MAX_EXACT,
    decode_wire,
    encode_wire,
    encode_wire_row,
    read_id,
    same_on_wire,
    spell_id,
)
from holdfast.testing.conformance.entities import CATALOG, Note
from holdfast.testing.strategies import values

KINDS: list[FieldType] = [
    TextType(),
    TextType(8),
    ChoiceType(("a", "\u00e4")),
    BooleanType(),
    IntegerType(),
    FloatType(),
    DecimalType(15, 2),
    DecimalType(15, 15),
    DateType(),
    InstantType(),
    UuidType(),
    JsonType(),
    BytesType(),
]
DEVICE = "0123456789abcdef"


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@given(st.data())
def test_a_value_comes_back_as_a_device_holds_it(kind: FieldType, data: st.DataObject) -> None:
    """Through JSON, once and again: what is lost the first time is lost for good, and nothing else is."""
    value = kind.normalise(data.draw(values(kind)))
    wire = orjson.loads(orjson.dumps(encode_wire(kind, value)))
    back = decode_wire(kind, wire)
    assert same_on_wire(kind, back, value)
    assert encode_wire(kind, back) == encode_wire(kind, value)
    if kind.kind not in {"instant", "json"}:
        assert back == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**30), max_value=10**30))
def test_every_decimal_is_a_number_that_json_can_carry(value: Decimal) -> None:
    kind = DecimalType(38, 3)
    wire = encode_wire(kind, kind.normalise(value))
    assert orjson.loads(orjson.dumps(wire)) == wire
    assert float(value) == wire


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("12.50", b"12.5"),
        ("12.00", b"12"),
        ("-0.10", b"-0.1"),
        ("0.00", b"0"),
        ("9999999999999.99", b"9999999999999.99"),
    ],
)
def test_decimals_read_as_javascript_prints_them(value: str, text: bytes) -> None:
    kind = DecimalType(15, 2)
    assert orjson.dumps(encode_wire(kind, kind.normalise(Decimal(value)))) == text


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC), 1),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800_000),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999),
    ],
)
def test_instants_are_cut_to_the_millisecond_below(value: datetime, milliseconds: int) -> None:
    assert encode_wire(InstantType(), value) == milliseconds
    assert decode_wire(InstantType(), milliseconds) <= value


def test_documents_are_canonical_text() -> None:
    assert encode_wire(JsonType(), {"b": [1, None], "a": "\u00e9"}) == '{"a":"\u00e9","b":[1,null]}'
    assert decode_wire(JsonType(), '{"b": 1.0, "a": {}}') == {"a": {}, "b": 1}


@pytest.mark.parametrize(("wire", "value"), [(1, True), (0, False), (True, True), (False, False)])
def test_a_boolean_may_be_a_column_of_sqlite(wire: Any, value: bool) -> None:
    assert decode_wire(BooleanType(), wire) is value


def test_whole_numbers_may_be_written_as_javascript_does() -> None:
    assert decode_wire(IntegerType(), 3.0) == 3
    assert decode_wire(InstantType(), 1e3) == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert decode_wire(DecimalType(15, 2), 0.1) == Decimal("0.10")
    assert decode_wire(DecimalType(15, 2), Decimal("0.1")) == Decimal("0.10")


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (TextType(), 1),
        (TextType(2), "abc"),
        (ChoiceType(("a",)), "b"),
        (BooleanType(), 2),
        (BooleanType(), "true"),
        (IntegerType(), 1.5),
        (IntegerType(), "1"),
        (IntegerType(), True),
        (IntegerType(), 2.0**60),
        (FloatType(), "1"),
        (FloatType(), math.inf),
        (FloatType(), True),
        (DecimalType(15, 2), "1.00"),
        (DecimalType(15, 2), 0.001),
        (DecimalType(20, 0), 1234567890123456),
        (DecimalType(15, 2), math.nan),
        (DecimalType(15, 2), True),
        (DateType(), "2026-02-30"),
        (DateType(), 0),
        (InstantType(), "2026-01-01T00:00:00Z"),
        (InstantType(), 10**15),
        (InstantType(), 0.5),
        (InstantType(), False),
        (InstantType(), math.nan),
        (UuidType(), 1),
        (UuidType(), str(parse_id(DEVICE))),
        (UuidType(), "0123"),
        (JsonType(), {"a": 1}),
        (JsonType(), "{"),
        (JsonType(), "NaN"),
        (BytesType(), "?"),
        (BytesType(1), "YWE="),
    ],
)
def test_what_a_device_must_not_send_is_refused_without_being_quoted(kind: FieldType, wire: Any) -> None:
    with pytest.raises(ValueError) as caught:
        decode_wire(kind, wire)
    assert len(repr(wire)) < 4 or repr(wire) not in str(caught.value)


def test_an_id_has_one_spelling() -> None:
    made, row_id = parse_id(DEVICE), new_id()
    assert (spell_id(made), read_id(DEVICE)) == (DEVICE, made)
    assert (spell_id(row_id), read_id(str(row_id))) == (str(row_id), row_id)
    for refused in (str(made), str(row_id).upper(), "", None, 7, DEVICE + "a"):
        with pytest.raises(ValueError):
            read_id(refused)


@given(st.uuids())
def test_every_id_is_read_as_it_is_spelled(row_id: UUID) -> None:
    assert read_id(spell_id(row_id)) == row_id


@given(st.from_regex(r"[0-9A-Za-z]{16}", fullmatch=True))
def test_every_devices_id_comes_back_to_it(text: str) -> None:
    assert spell_id(read_id(text)) == text


def test_a_device_sees_everything_but_the_version_and_sets_what_is_its_own() -> None:
    schema = CATALOG.schema(Note)
    seen = [field.name for field in schema.wire_fields]
    assert seen[:3] == ["id", "created_at", "updated_at"]
    assert set(seen) == set(schema.by_name) - {"version"}
    assert {field.name for field in schema.pushed_fields} == {"title", "body", "stars", "number"}


def test_a_row_as_a_device_holds_it() -> None:
    row = {
        "id": parse_id(DEVICE),
        "version": 7,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 1, 0, 0, 0, 1_500, tzinfo=UTC),
        "user_id": UUID(int=1),
        "title": "title",
        "body": None,
        "stars": 5,
        "number": None,
        "synced_at": None,
    }
    assert encode_wire_row(CATALOG.schema(Note), row) == {
        "id": DEVICE,
        "created_at": 1_767_225_600_000,
        "updated_at": 1_767_225_600_001,
        "user_id": str(UUID(int=1)),
        "title": "title",
        "body": None,
        "stars": 5,
        "number": None,
        "synced_at": None,
    }


def test_what_a_device_cannot_tell_apart() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert same_on_wire(InstantType(), moment, moment + timedelta(microseconds=999))
    assert not same_on_wire(InstantType(), moment, moment + timedelta(milliseconds=1))
    assert same_on_wire(DecimalType(38, 0), Decimal(MAX_EXACT * 1_000), Decimal(MAX_EXACT * 1_000 + 1))
    assert not same_on_wire(JsonType(), [True], [1])
    assert same_on_wire(TextType(), None, None)
    assert not same_on_wire(TextType(), None, "")
    assert not same_on_wire(DateType(), date(2026, 1, 1), date(2026, 1, 2))
