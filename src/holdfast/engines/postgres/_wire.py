"""Rows in wire form as the database itself spells them: `model.wire` says what each value must read as.

Documents are spelt by Python: the database prints them with their keys by length and with blanks, the wire has them sorted and
without. So they come in columns of their own, between those that hold the text of the row around them.
"""

from __future__ import annotations

import orjson

from holdfast.engines.postgres._names import json_text, literal, quoted
from holdfast.model.ids import TAG
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import (
    BooleanType,
    ChoiceType,
    DateType,
    DecimalType,
    FieldType,
    InstantType,
    JsonType,
    UuidType,
)
from holdfast.model.wire import MAX_EXACT, SIGNIFICANT

DELIMITER = b"\x01"
"""Between the columns. JSON text never holds it."""
_SIMPLE = {b"": b"null", b"{}": b'"{}"', b"[]": b'"[]"'}


def wire_row(schema: EntitySchema, alias: str) -> str:
    """The columns whose texts, documents spelt by `spell_row`, make up the JSON text of a row."""
    columns: list[str] = []
    parts: list[str] = []
    for index, field in enumerate(schema.wire_fields):
        parts.append(literal(("{" if index == 0 else ",") + f'"{field.column}":'))
        if isinstance(field.type, JsonType):
            columns += [" || ".join(parts), f"{alias}.{quoted(field.column)}"]
            parts = []
        else:
            parts.append(f"({_value(field, alias)})")
    return ", ".join([*columns, " || ".join([*parts, literal("}")])])


def has_documents(schema: EntitySchema) -> bool:
    """Whether rows come in more than one column."""
    return any(isinstance(field.type, JsonType) for field in schema.fields)


def spell_row(line: bytes) -> bytes:
    """A line of columns as the JSON text of its row."""
    parts = line.split(DELIMITER)
    for place in range(1, len(parts), 2):
        document = parts[place]
        parts[place] = _SIMPLE.get(document) or _spelt(document)
    return b"".join(parts)


def _spelt(document: bytes) -> bytes:
    text = orjson.dumps(orjson.loads(document), option=orjson.OPT_SORT_KEYS)
    return orjson.dumps(text.decode())


def differs(field: FieldSchema, alias: str) -> str:
    """Whether a column holds something that a device does not assume of a field which it has just learnt of."""
    column = f"{alias}.{quoted(field.column)}"
    match field.type.kind:
        case "text" | "choice":
            condition = f"{column} <> ''"
        case "bytes":
            condition = f"octet_length({column}) > 0"
        case "boolean":
            condition = column
        case "integer" | "float" | "decimal":
            condition = f"{column} <> 0"
        case "instant":
            condition = f"{_milliseconds(column)} <> 0"
        case _:
            condition = f"{column} is not null"
    return f"coalesce({condition}, false)"


def _value(field: FieldSchema, alias: str) -> str:
    column = f"{alias}.{quoted(field.column)}"
    text = _text(field.type, column)
    if text is None:
        return json_text(field.type, column)
    absent = field.nullable or field.reference is not None
    return f"coalesce({text}, 'null')" if absent else text


def _text(kind: FieldType, column: str) -> str | None:
    """The JSON text of a value that is there; None where it is that of the plain form."""
    match kind:
        case BooleanType():
            return f"case when {column} then 'true' when not {column} then 'false' end"
        case InstantType():
            return f"{_milliseconds(column)}::text"
        case DecimalType():
            return _decimal(kind, column)
        case UuidType():
            return _id(column)
        case DateType():
            return f"'\"' || {column}::text || '\"'"  # the stream sets the style
        case ChoiceType(values=values) if all(_is_plain(value) for value in values):
            return f"'\"' || {column} || '\"'"
        case _:
            return None


def _is_plain(text: str) -> bool:
    """Whether a text needs nothing but quotes to be JSON."""
    return text.isascii() and text.isprintable() and not {'"', "\\"} & set(text)


def _milliseconds(column: str) -> str:
    """Cut to the millisecond below, before 1970 too; then a double has the number exactly, which is twice as fast."""
    return (
        f"round(date_part('epoch', date_trunc('milliseconds', {column} at time zone 'UTC')) * 1000)::bigint"
    )


def _decimal(kind: DecimalType, column: str) -> str:
    exact = f"trim_scale({column})::text"
    if kind.precision - kind.scale <= SIGNIFICANT:
        return exact
    return f"case when abs({column}) > {MAX_EXACT} then {column}::double precision::text else {exact} end"


def _id(column: str) -> str:
    """The device's spelling, where the tag says that there is one and it is all letters and digits."""
    raw = f"uuid_send({column})"
    spelled = f"encode(substr({raw}, 1, 6) || substr({raw}, 11), 'base64')"
    return (
        f"'\"' || case when substr({raw}, 7, 4) = '\\x{TAG.hex()}' and {spelled} !~ '[+/]' "
        f"then {spelled} else {column}::text end || '\"'"
    )
