"""Values become bytes and values again; lengths tell nothing where they can be made not to; states decide, not looks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.fields import (
    ColumnState,
    canonical_value,
    decode_group,
    decode_value,
    encode_group,
    encode_value,
    is_sealed,
    read_stored,
    width_of,
)
from holdfast.errors import Unreadable
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
from holdfast.testing.strategies import values
from tests.unit.crypto.sealing import ROW, cipher

KINDS: list[FieldType] = [
    TextType(),
    TextType(40),
    ChoiceType(("checking", "savings", "a")),
    BooleanType(),
    IntegerType(),
    IntegerType(0, 9),
    FloatType(),
    DecimalType(15, 2),
    DecimalType(3, 3),
    DecimalType(38, 0),
    DateType(),
    InstantType(),
    UuidType(),
    JsonType(),
    BytesType(),
]
FIXED = [kind for kind in KINDS if kind.kind not in {"text", "json", "bytes"}]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@given(data=st.data())
def test_a_value_of_every_type_goes_through_the_cipher(kind: FieldType, data: st.DataObject) -> None:
    value = data.draw(st.none() | values(kind))
    one = cipher()
    opened = decode_value(kind, one.open(one.seal(encode_value(kind, value), ROW), ROW))
    normal = None if value is None else kind.normalise(value)
    assert opened == normal
    assert str(opened) == str(normal)  # a decimal at its scale


@pytest.mark.parametrize("kind", FIXED, ids=repr)
@given(data=st.data())
def test_the_length_of_a_sealed_value_is_its_types_and_not_its_own(
    kind: FieldType, data: st.DataObject
) -> None:
    value = data.draw(st.none() | values(kind).map(kind.normalise))
    assert len(encode_value(kind, value)) == width_of(kind)


def test_widths_are_those_of_the_longest_values() -> None:
    assert width_of(BooleanType()) == 5
    assert width_of(IntegerType()) == len(str(-(2**63)))
    assert width_of(FloatType()) == len(orjson.dumps(-2.2250738585072014e-308))
    assert width_of(DecimalType(38, 38)) == len(encode_value(DecimalType(38, 38), Decimal(-1).scaleb(-38)))
    assert width_of(TextType(10)) == width_of(JsonType()) == width_of(BytesType()) == 0


@given(data=st.data())
def test_a_group_is_one_document(data: st.DataObject) -> None:
    kinds = {f"f{number}": kind for number, kind in enumerate(KINDS)}
    row = {name: data.draw(st.none() | values(kind).map(kind.normalise)) for name, kind in kinds.items()}
    assert decode_group(kinds, encode_group(kinds, row)) == row


def test_a_group_grows_and_shrinks_without_being_sealed_again() -> None:
    sealed = encode_group({"a": IntegerType(), "b": TextType()}, {"a": 1, "b": "x"})
    assert decode_group({"b": TextType(), "c": TextType()}, sealed) == {"b": "x"}


def test_the_parts_of_a_group_fill_up_too() -> None:
    kinds: dict[str, FieldType] = {"flag": BooleanType(), "kind": ChoiceType(("a", "longer"))}
    lengths = {
        len(encode_group(kinds, {"flag": flag, "kind": kind}))
        for flag in (True, False, None)
        for kind in ("a", "longer", None)
    }
    assert len(lengths) == 1


@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]", b"7", b"null", b'"x"', b"\xff", b'{"a": "x"}'])
def test_what_is_no_document_of_the_group_is_unreadable(spoilt: bytes) -> None:
    with pytest.raises(Unreadable):
        decode_group({"a": IntegerType()}, spoilt)


@pytest.mark.parametrize("spoilt", [b"", b"{", b"true", b'"secret"', b"\xff\x00"])
def test_what_is_no_value_of_the_type_is_unreadable(spoilt: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        decode_value(IntegerType(), spoilt)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@given(data=st.data())
def test_no_plain_form_can_be_taken_for_an_envelope(kind: FieldType, data: st.DataObject) -> None:
    value = data.draw(st.none() | values(kind).map(kind.normalise))
    assert not is_sealed(canonical_value(kind, value), ColumnState.PLAIN)
    assert not is_sealed(canonical_value(kind, value), ColumnState.MIXED)


def test_the_state_of_the_column_decides_and_not_what_it_looks_like() -> None:
    one = cipher()
    envelope, plain = one.seal(b'"x"', ROW), b'"x"'

    def open_(stored: bytes) -> bytes:
        return one.open(stored, ROW)

    assert read_stored(plain, ColumnState.PLAIN, open_) == plain
    assert read_stored(plain, ColumnState.MIXED, open_) == plain
    assert read_stored(envelope, ColumnState.MIXED, open_) == plain
    assert read_stored(envelope, ColumnState.SEALED, open_) == plain
    # Whoever can write to the medium cannot bring a sealed column back to plain values of their own.
    with pytest.raises(Unreadable):
        read_stored(plain, ColumnState.SEALED, open_)
    with pytest.raises(Unreadable):
        read_stored(envelope, ColumnState.PLAIN, open_)


@pytest.mark.parametrize(
    ("kind", "value", "data"),
    [
        (BooleanType(), True, b"true "),
        (DateType(), date(2026, 1, 31), b'"2026-01-31"'),
        (DecimalType(5, 2), Decimal("1.50"), b'"1.50"   '),
        (InstantType(), datetime(2026, 1, 31, tzinfo=UTC), b'"2026-01-31T00:00:00.000000Z"'),
        (UuidType(), UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (JsonType(), {"b": 1, "a": [None]}, b'{"a":[null],"b":1}'),
        (BytesType(), b"\x00", b'"AA=="'),
    ],
    ids=repr,
)
def test_the_bytes_that_are_sealed_stay_what_they_are(kind: FieldType, value: Any, data: bytes) -> None:
    assert encode_value(kind, value) == data
