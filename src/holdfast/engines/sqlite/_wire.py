"""Rows in wire form straight from their stored form: `model.wire` says what each value must read as."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

from holdfast.engines.sqlite._names import literal, quoted
from holdfast.engines.sqlite._values import INTEGER_DIGITS, TEXT_DIGITS, reader_of, sortable
from holdfast.model.ids import TAG
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import DateType, DecimalType, FieldType, InstantType, JsonType, UuidType
from holdfast.model.wire import MAX_EXACT, encode_wire, spell_id

_MILLISECOND: Final = 1_000

Convert = Callable[[Any], Any]


class WireRows:
    """How the rows of one schema read on the wire, of records that hold its wire columns in order."""

    def __init__(self, schema: EntitySchema) -> None:
        columns = schema.wire_fields
        self._names = tuple(field.column for field in columns)
        self.columns = ", ".join(f"r.{quoted(name)}" for name in self._names)
        self._converts = tuple(
            (field.column, convert) for field in columns if (convert := _convert(field.type)) is not None
        )

    def read(self, record: Sequence[Any]) -> dict[str, Any]:
        """One row, ready to be written as JSON."""
        row = dict(zip(self._names, record, strict=True))
        for name, convert in self._converts:
            value = row[name]
            if value is not None:
                row[name] = convert(value)
        return row


def differs(field: FieldSchema, alias: str) -> str:
    """Whether a column holds something that a device does not assume of a field which it has just learnt of."""
    column = f"{alias}.{quoted(field.column)}"
    match field.type.kind:
        case "text" | "choice":
            condition = f"{column} <> ''"
        case "bytes":
            condition = f"length({column}) > 0"
        case "boolean" | "integer" | "float":
            condition = f"{column} <> 0"
        case "decimal":
            condition = f"{column} <> {_nought(field.type)}"
        case "instant":
            condition = f"{column} not between 0 and {_MILLISECOND - 1}"
        case _:
            condition = f"{column} is not null"
    return f"coalesce({condition}, false)"


def _nought(kind: FieldType) -> str:
    large = isinstance(kind, DecimalType) and kind.precision > INTEGER_DIGITS
    return literal(sortable(0, TEXT_DIGITS)) if large else "0"


def _convert(kind: FieldType) -> Convert | None:
    """What takes a stored value to its wire form; None where it is that already."""
    match kind:
        case InstantType():
            return lambda stored: stored // _MILLISECOND
        case DateType() | JsonType():
            return None
        case UuidType():
            return _spelled
        case DecimalType(precision=precision, scale=scale) if precision <= INTEGER_DIGITS:
            return _number_of(scale)
        case _ if kind.kind in {"text", "choice", "integer"}:
            return None
        case _:
            read = reader_of(kind)
            return lambda stored: encode_wire(kind, stored if read is None else read(stored))


def _spelled(raw: bytes) -> str:
    if raw[6:10] == TAG:
        return spell_id(UUID(bytes=raw))
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _number_of(scale: int) -> Convert:
    """A scaled integer as a JSON number: one quotient of two whole numbers, which is rounded once."""
    divisor = 10**scale

    def convert(stored: int) -> int | float:
        whole, rest = divmod(stored, divisor)
        return int(whole) if not rest and abs(whole) <= MAX_EXACT else float(stored / divisor)

    return convert
