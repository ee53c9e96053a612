"""How things are called in the database. Names come from checked declarations; they are quoted all the same."""

from __future__ import annotations

from dataclasses import dataclass

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

GUARD_STATE = "ZH001"
"""SQLSTATE of the guard: a journaled table was written outside a flush."""
TENANT = "app.tenant_id"
USER = "app.user_id"
FLUSH = "app.flush"
EVERYONE = "*"


def quoted(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def table_name(schema: EntitySchema) -> str:
    """The table, qualified."""
    return f"{quoted(schema.pack)}.{quoted(schema.relation)}"


def plan_name(schema: EntitySchema, verb: str) -> str:
    """A generated function, qualified; its suffix changes with the schema."""
    return f"{quoted(schema.pack)}.{quoted(f'{verb}_{schema.relation}_{schema.digest}')}"


@dataclass(frozen=True, slots=True)
class Roles:
    """The database's roles, all named after it, because roles belong to the whole cluster."""

    owner: str
    runtime: str
    realm: str
    maintenance: str
    backup: str

    @classmethod
    def of(cls, database: str, *, runtime: str | None = None) -> Roles:
        """The roles of `database`; `runtime` is the login that a deployment already has."""
        names = {role: f"{database}_{role}"[:63] for role in ("owner", "realm", "maintenance", "backup")}
        return cls(runtime=runtime or f"{database}_runtime"[:63], **names)


def sql_type(kind: FieldType) -> str:
    """The column type. Text is compared bytewise."""
    match kind:
        case TextType(max_length=None) | ChoiceType():
            return 'text collate "C"'
        case TextType(max_length=length):
            return f'varchar({length}) collate "C"'
        case _:
            return record_type(kind)


def record_type(kind: FieldType) -> str:
    """The type in a record that JSON is read into."""
    match kind:
        case TextType() | ChoiceType():
            return "text"
        case BooleanType():
            return "boolean"
        case IntegerType():
            return "bigint"
        case FloatType():
            return "double precision"
        case DecimalType(precision=precision, scale=scale):
            return f"numeric({precision},{scale})"
        case DateType():
            return "date"
        case InstantType():
            return "timestamptz"
        case UuidType():
            return "uuid"
        case JsonType():
            return "jsonb"
        case BytesType():
            return "bytea"


def json_text(kind: FieldType, column: str) -> str:
    """An expression for the JSON text of a column's plain form, `null` where it is NULL."""
    return f"coalesce({_present(kind, column)}, 'null')"


def _present(kind: FieldType, column: str) -> str:
    match kind:
        case TextType() | ChoiceType():
            return f"to_json({column})::text"
        case BooleanType() | IntegerType() | FloatType() | JsonType():
            return f"{column}::text"
        case DecimalType() | UuidType():
            return f"'\"' || {column}::text || '\"'"
        case DateType():
            return f"'\"' || to_char({column}, 'YYYY-MM-DD') || '\"'"
        case InstantType():
            return (
                f"'\"' || to_char({column} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') || '\"'"
            )
        case BytesType():
            return f"'\"' || translate(encode({column}, 'base64'), E'\\n', '') || '\"'"


def row_json(schema: EntitySchema, alias: str) -> str:
    """An expression for the JSON text of a whole row in plain form, fields in declared order."""
    parts = [
        f"{literal(('{' if index == 0 else ',') + chr(34) + name + chr(34) + ':')} || {_piece(schema, name, alias)}"
        for index, name in enumerate(schema.by_name)
    ]
    return " || ".join(parts) + " || '}'"


def _piece(schema: EntitySchema, name: str, alias: str) -> str:
    field = schema.by_name[name]
    column = f"{alias}.{quoted(field.column)}"
    # A reference that newer code declares no more is empty in rows which that code makes.
    absent = field.nullable or field.reference is not None
    expression = json_text(field.type, column) if absent else _present(field.type, column)
    return f"({expression})"
