"""How each type of value is stored, and read back.

decimal   a scaled integer up to 18 digits; beyond, 38 of them as text whose byte order is the order of the numbers
instant   integer microseconds since 1970, UTC          date      'YYYY-MM-DD'
UUID      its 16 bytes                                  JSON      canonical text
boolean   0 or 1                                        others    as SQLite has them
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final
from uuid import UUID, SafeUUID

import orjson

from holdfast.changes.change import canonical
from holdfast.model.schema import EntitySchema
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

Convert = Callable[[Any], Any]
INTEGER_DIGITS: Final = 18
"""As many digits as every 64-bit integer has."""
TEXT_DIGITS: Final = 38
"""As many as any decimal has, so that one may be declared with more digits, and is stored as before."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# Of our own: the default context has 28 digits and belongs to the application, which may change it.
_EXACT: Final = Context(prec=120)


def column_type(kind: FieldType) -> str:
    """The column's type; tables are STRICT, so that it holds."""
    match kind:
        case BooleanType() | IntegerType() | InstantType():
            return "integer"
        case FloatType():
            return "real"
        case DecimalType(precision=precision):
            return "integer" if precision <= INTEGER_DIGITS else "text"
        case UuidType() | BytesType():
            return "blob"
        case TextType() | ChoiceType() | DateType() | JsonType():
            return "text"


def writer_of(kind: FieldType) -> Convert | None:
    """What takes a normalised value to its stored form; None where it is stored as it is."""
    match kind:
        case DecimalType(precision=precision, scale=scale) if precision > INTEGER_DIGITS:
            return lambda value: sortable(_scaled(value, scale), TEXT_DIGITS)
        case DecimalType(scale=scale):
            return lambda value: _scaled(value, scale)
        case InstantType():
            return microseconds
        case DateType():
            return date.isoformat
        case UuidType():
            return lambda value: value.bytes
        case JsonType():
            return lambda value: canonical(value).decode()
        case BooleanType():
            return int
        case _:
            return None


def reader_of(kind: FieldType) -> Convert | None:
    """The inverse of `writer_of`."""
    match kind:
        case DecimalType(precision=precision, scale=scale) if precision > INTEGER_DIGITS:
            return lambda text: Decimal(unsortable(text, TEXT_DIGITS)).scaleb(-scale, _EXACT)
        case DecimalType(scale=scale):
            return lambda number: Decimal(number).scaleb(-scale, _EXACT)
        case InstantType():
            return instant
        case DateType():
            return date.fromisoformat
        case UuidType():
            return uuid_of
        case JsonType():
            return orjson.loads
        case BooleanType():
            return bool
        case _:
            return None


def store(kind: FieldType, value: Any) -> Any:
    """One value in its stored form."""
    convert = writer_of(kind)
    return value if value is None or convert is None else convert(value)


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def instant(number: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(0, 0, number)


def uuid_of(raw: bytes) -> UUID:
    """The UUID of these 16 bytes, past its constructor, which looks at each of the six ways to be told and takes twice as long."""
    value = object.__new__(UUID)
    object.__setattr__(value, "int", int.from_bytes(raw, "big"))
    object.__setattr__(value, "is_safe", SafeUUID.unknown)
    return value


def _scaled(value: Decimal, scale: int) -> int:
    return int(value.scaleb(scale, _EXACT))


def sortable(number: int, digits: int) -> str:
    """A whole number as text that sorts bytewise as the numbers do: the digits of a negative one are turned around."""
    return f"1{number:0{digits}d}" if number >= 0 else f"0{10**digits - 1 + number:0{digits}d}"


def unsortable(text: str, digits: int) -> int:
    """The inverse of `sortable`."""
    number = int(text[1:])
    return number if text[0] == "1" else number - (10**digits - 1)


class Codec:
    """How the rows of one schema are stored and read, in the order of its fields."""

    def __init__(self, schema: EntitySchema) -> None:
        self.names = tuple(schema.by_name)
        self._writers = tuple((name, writer_of(field.type)) for name, field in schema.by_name.items())
        self._readers = tuple(
            (name, convert)
            for name, field in schema.by_name.items()
            if (convert := reader_of(field.type)) is not None
        )

    def read(self, record: Sequence[Any]) -> dict[str, Any]:
        """A row, of a record that begins with its fields."""
        row = dict(zip(self.names, record, strict=False))
        for name, convert in self._readers:
            value = row[name]
            if value is not None:
                row[name] = convert(value)
        return row

    def write(self, row: Mapping[str, Any]) -> list[Any]:
        """A row's values as they are stored."""
        return [
            value if convert is None or value is None else convert(value)
            for value, convert in ((row[name], convert) for name, convert in self._writers)
        ]
