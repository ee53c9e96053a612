"""How two declarations of one stored field differ: what the later one takes that the earlier did not, and the reverse. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from holdfast.model.schema import FieldSchema
from holdfast.model.types import (
    BytesType,
    ChoiceType,
    DecimalType,
    FieldType,
    IntegerType,
    TextType,
    UuidType,
)


def union(old: FieldSchema, new: FieldSchema) -> FieldSchema | None:
    """`new`, taking what `old` takes as well; None where no column holds both."""
    kind = _union(old.type, new.type)
    return None if kind is None else replace(new, type=kind, nullable=old.nullable or new.nullable)


def takes_the_same(one: FieldSchema, other: FieldSchema) -> bool:
    """Whether two declarations of a column take the same values."""
    return one.nullable == other.nullable and _values(one.type) == _values(other.type)


def empty_value(kind: FieldType) -> Any:
    """What stands for nothing in a column that may not be empty, in plain form; None where nothing can."""
    match kind:
        case TextType() | BytesType():
            return ""
        case ChoiceType(values=values):
            return values[0]
        case IntegerType(minimum=low, maximum=high):
            return min(max(0, low), high)
        case DecimalType():
            return kind.encode(kind.normalise(0))
        case _:
            return _EMPTY.get(kind.kind)


_EMPTY: dict[str, Any] = {
    "boolean": False,
    "float": 0.0,
    "json": {},
    "date": "1970-01-01",
    "instant": "1970-01-01T00:00:00.000000Z",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def _values(kind: FieldType) -> Any:
    """What a type takes, as a database column knows it."""
    match kind:
        case ChoiceType(values=values):
            return frozenset(values)
        case BytesType():
            return "bytes"  # their length is the store's to hold
        case _:
            return kind


def _union(old: FieldType, new: FieldType) -> FieldType | None:
    match old, new:
        case TextType(max_length=one), TextType(max_length=other):
            return TextType(None if one is None or other is None else max(one, other))
        case ChoiceType(values=one), ChoiceType(values=other):
            return ChoiceType(tuple(dict.fromkeys((*other, *one))))
        case (TextType(max_length=length), ChoiceType(values=values)) | (
            ChoiceType(values=values),
            TextType(max_length=length),
        ):
            fits = length is not None and all(len(value) <= length for value in values)
            return TextType(length if fits else None)
        case IntegerType(), IntegerType():
            return IntegerType(min(old.minimum, new.minimum), max(old.maximum, new.maximum))
        case DecimalType(), DecimalType() if old.scale == new.scale:
            return DecimalType(max(old.precision, new.precision), new.scale)
        case BytesType(), BytesType():
            return new
        case UuidType(), UuidType():
            return new
        case _:
            return new if old == new else None
