"""The form that values have on the sync wire, which is that of WatermelonDB's columns: text, numbers, booleans, null.

    instant   integer milliseconds since 1970          decimal   number of at most 15 significant digits
    date      `YYYY-MM-DD`                             JSON      canonical text: sorted keys, no white space
    bytes     base64 text                              UUID      the device's own 16 characters where it has them

A device holds a value no more exactly than this, so two values that are equal here are the same to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.model.ids import DEVICE_LENGTH, device_spelling, parse_id
from holdfast.model.schema import EntitySchema
from holdfast.model.types import FieldType

Wire = None | bool | int | float | str

MAX_EXACT: Final = 2**53 - 1
"""The largest whole number that a JavaScript number holds exactly."""
SIGNIFICANT: Final = 15
"""How many digits of a decimal every double gives back."""
_FIFTEEN: Final = Context(prec=SIGNIFICANT)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def spell_id(row_id: UUID) -> str:
    """An id as devices read it."""
    return device_spelling(row_id) or str(row_id)


def read_id(text: Any) -> UUID:
    """The id that a device sent. Raises ValueError, also for the UUID form of an id that has a device's spelling."""
    if not isinstance(text, str):
        raise ValueError("must be text")
    row_id = parse_id(text)
    if len(text) > DEVICE_LENGTH and spell_id(row_id) != text:
        raise ValueError("this id has a device's spelling, and only that is read here")
    return row_id


def encode_wire_row(schema: EntitySchema, row: Mapping[str, Any]) -> dict[str, Wire]:
    """A row as a device holds it."""
    return {field.column: encode_wire(field.type, row[field.name]) for field in schema.wire_fields}


def encode_wire(kind: FieldType, value: Any) -> Wire:
    """A normalised value as a device holds it."""
    if value is None:
        return None
    encode = _ENCODERS.get(kind.kind)
    plain = kind.encode(value) if encode is None else encode(value)
    assert not isinstance(plain, list | dict)  # noqa: S101 (only JSON is one, and is text here)
    return plain


def decode_wire(kind: FieldType, wire: Any) -> Any:
    """The normalised value of what a device sent for a field. Raises ValueError with a reason that quotes nothing."""
    read = _READERS.get(kind.kind)
    if read is not None:
        return kind.normalise(read(wire))
    return read_id(wire) if kind.kind == "uuid" else kind.decode(wire)


def same_on_wire(kind: FieldType, one: Any, other: Any) -> bool:
    """Whether a device could not tell these two normalised values apart."""
    if one is None or other is None:
        return one is other
    return encode_wire(kind, one) == encode_wire(kind, other)


def _decimal_number(value: Decimal) -> int | float:
    """The JSON number, a whole one without a point: `12.50` is 12.5, and `12.00` is 12, as JavaScript prints them."""
    return int(value) if value == value.to_integral_value() and abs(value) <= MAX_EXACT else float(value)


def _json_float(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) <= MAX_EXACT else value


def _milliseconds(moment: datetime) -> int:
    return int((moment - _EPOCH) // _MILLISECOND)


def _canonical_text(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


_ENCODERS: Final[Mapping[str, Callable[[Any], Wire]]] = {
    "instant": _milliseconds,
    "decimal": _decimal_number,
    "json": _canonical_text,
    "uuid": spell_id,
    "float": _json_float,
}
"""Kinds that devices hold otherwise than in their plain form."""


def _truth(wire: Any) -> Any:
    return bool(wire) if wire in (0, 1) else wire


def _number(wire: Any) -> Any:
    if isinstance(wire, bool) or not isinstance(wire, int | float | Decimal):
        raise ValueError("must be a number")
    return float(wire) if isinstance(wire, Decimal) else wire


def _exact(wire: Any) -> Decimal:
    """A decimal number exactly as it is written; of a float, the shortest text that reads as it."""
    if isinstance(wire, bool) or not isinstance(wire, int | float | Decimal):
        raise ValueError("must be a number")
    number = Decimal(repr(wire)) if isinstance(wire, float) else Decimal(wire)
    if number.is_finite() and number.normalize(_FIFTEEN) != number:
        raise ValueError(f"must have at most {SIGNIFICANT} significant digits")
    return number


def _whole(wire: Any) -> Any:
    if isinstance(wire, float | Decimal) and abs(float(wire)) <= MAX_EXACT and wire == int(wire):
        return int(wire)
    return wire


def _instant(wire: Any) -> datetime:
    milliseconds = _whole(wire)
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int):
        raise ValueError("must be whole milliseconds since 1970")
    try:
        return _EPOCH + milliseconds * _MILLISECOND
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999") from None


def _document(wire: Any) -> Any:
    if not isinstance(wire, str):
        raise ValueError("must be JSON text")
    try:
        return orjson.loads(wire)
    except orjson.JSONDecodeError:
        raise ValueError("must be JSON text") from None


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "instant": _instant,
    "decimal": _exact,
    "integer": _whole,
    "float": _number,
    "json": _document,
    "boolean": _truth,
}
"""Kinds that devices send otherwise than in their plain form: to a Python value that is yet to be normalised."""
