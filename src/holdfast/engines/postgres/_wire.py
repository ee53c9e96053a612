"""Rows in wire form as the database itself spells them: `model.wire` says what each value must read as.

A line that only Python can spell is marked: the database prints a document with its keys by length and with blanks, the wire
has them sorted and without.
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
from holdfast.model.wire import MAX_EXACT, SIGNIFICANT, wire_columns

MARK = b"~"


def wire_row(schema: EntitySchema, alias: str) -> str:
    """An expression for the JSON text of a row, `MARK` before it where `respell` must finish it."""
    parts = [_marked(schema, alias)] if json_fields(schema) else []
    for index, field in enumerate(wire_columns(schema)):
        lead = ("{" if index == 0 else ",") + f'"{field.column}":'
        parts += [literal(lead), f"({_value(field, alias)})"]
    return " || ".join([*parts, literal("}")])


def json_fields(schema: EntitySchema) -> list[str]:
    """The columns that hold documents."""
    return [field.column for field in schema.fields if isinstance(field.type, JsonType)]


def respell(names: list[str], line: bytes) -> bytes:
    """A marked line with the documents in its fields `names` in their canonical spelling."""
    row = orjson.loads(line[len(MARK) :])
    for name in names:
        if row[name] is not None:
            row[name] = orjson.dumps(orjson.loads(row[name]), option=orjson.OPT_SORT_KEYS).decode()
    return orjson.dumps(row)


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


def _marked(schema: EntitySchema, alias: str) -> str:
    simple = " and ".join(
        f"coalesce({alias}.{quoted(name)} in ('{{}}', '[]'), true)" for name in json_fields(schema)
    )
    return f"case when {simple} then '' else {literal(MARK.decode())} end"


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
        case JsonType():
            return f"case {column} when '{{}}' then '\"{{}}\"' when '[]' then '\"[]\"' else to_json({column}::text)::text end"
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
