"""From values to the bytes that are sealed, and back; and which of the two some stored bytes are. Pure.

A value is sealed in its canonical plain form, the JSON that is hashed and kept in the history. The cipher hides everything but the
length, so values of all types but text, JSON and bytes are filled up with spaces to the longest that their type has: the lengths
of `true` and `false`, of a choice, of an amount, would tell what they are. JSON allows the spaces; nothing has to take them off.

Fields of a group are sealed together, as one JSON object under their stable names.

Plain forms begin with none but `"`, `-`, a digit, `t`, `f`, `n`, `[` or `{`; an envelope begins with byte 1. So bytes that can be
either are told apart by the first. Whether they may be either is a matter of the column's state, never of what they look like:
in a sealed column, plain bytes that somebody has put there are refused, and in a plain one an envelope is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

import orjson

from holdfast.crypto.envelope import is_envelope, unreadable
from holdfast.model.types import (
    BooleanType,
    ChoiceType,
    DateType,
    DecimalType,
    FieldType,
    FloatType,
    InstantType,
    IntegerType,
    UuidType,
)

_NULL: Final = b"null"
_FLOAT_WIDTH: Final = 24
"""The longest that a double is written with: `-2.2250738585072014e-308`."""


class ColumnState(StrEnum):
    """What a column's stored bytes may be, in rows and history. It goes from plain over mixed to sealed."""

    PLAIN = "plain"
    MIXED = "mixed"
    """Being sealed: what is written is sealed, what is read may be either."""
    SEALED = "sealed"


def is_sealed(stored: bytes, state: ColumnState) -> bool:
    """Whether stored bytes are to be opened. Raises Unreadable for what the column's state does not allow."""
    sealed = is_envelope(stored)
    if (sealed and state is ColumnState.PLAIN) or (not sealed and state is ColumnState.SEALED):
        raise unreadable()
    return sealed


def read_stored(stored: bytes, state: ColumnState, open_: Callable[[bytes], bytes]) -> bytes:
    """The canonical plain form in stored bytes, opened by `open_` where they are sealed. Raises Unreadable."""
    return open_(stored) if is_sealed(stored, state) else stored


def encode_value(kind: FieldType, value: Any) -> bytes:
    """A normalised value as it is sealed. None is sealed too, where somebody asks for it."""
    data = canonical_value(kind, value)
    width = width_of(kind)
    return data.ljust(width) if width else data


def decode_value(kind: FieldType, data: bytes) -> Any:
    """The normalised value of opened bytes. Raises Unreadable for what is none of this type."""
    try:
        plain = orjson.loads(data)
        return None if plain is None else kind.decode(plain)
    except ValueError:
        raise unreadable() from None


def canonical_value(kind: FieldType, value: Any) -> bytes:
    """A normalised value in canonical plain form: what is hashed, and what blind indexes are made of."""
    return _NULL if value is None else orjson.dumps(kind.encode(value), option=orjson.OPT_SORT_KEYS)


def encode_group(kinds: Mapping[str, FieldType], values: Mapping[str, Any]) -> bytes:
    """The values of a group's fields, by stable name, as they are sealed together."""
    members = (
        orjson.dumps(name) + b":" + encode_value(kinds[name], values.get(name)) for name in sorted(kinds)
    )
    return b"{" + b",".join(members) + b"}"


def decode_group(kinds: Mapping[str, FieldType], data: bytes) -> dict[str, Any]:
    """The values of those fields that were sealed. One that the group has come to have since is not among them.

    Raises Unreadable for what is no such document.
    """
    try:
        plain: Any = orjson.loads(data)
        if not isinstance(plain, dict):
            raise unreadable()
        return {
            name: None if plain[name] is None else kind.decode(plain[name])
            for name, kind in kinds.items()
            if name in plain
        }
    except (ValueError, TypeError):
        raise unreadable() from None


@cache
def width_of(kind: FieldType) -> int:
    """The bytes of this type's longest plain form, None included; 0 where lengths are as long as the values are."""
    match kind:
        case BooleanType():
            return len("false")
        case ChoiceType(values=values):
            return max(len(_NULL), *(len(orjson.dumps(value)) for value in values))
        case IntegerType(minimum=low, maximum=high):
            return max(len(_NULL), len(str(low)), len(str(high)))
        case DecimalType(precision=digits, scale=scale):
            return digits + len('"-."') + (scale == digits)
        case FloatType():
            return _FLOAT_WIDTH
        case DateType():
            return len('"2026-01-31"')
        case InstantType():
            return len('"2026-01-31T12:00:00.000000Z"')
        case UuidType():
            return 38
        case _:
            return 0
