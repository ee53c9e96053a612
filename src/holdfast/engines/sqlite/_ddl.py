"""What makes new things, as the statements that make it. Text only; nothing here talks to a database."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from holdfast.engines.sqlite._names import (
    CHANGES,
    HEADS,
    HISTORY,
    MEDIUM,
    TOMBSTONES,
    bare_name,
    is_realm,
    lead,
    literal,
    made_name,
    quoted,
    table_name,
    table_of,
    unique_name,
)
from holdfast.engines.sqlite._values import (
    INTEGER_DIGITS,
    TEXT_DIGITS,
    column_type,
    sortable,
    store,
)
from holdfast.model.policies import Unique
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.steps import CreateEntity, CreateLog, CreatePlans, CreateTombstones, DropPlans
from holdfast.model.types import BooleanType, ChoiceType, DecimalType, FieldType, IntegerType, TextType

Making = CreateLog | CreateTombstones | CreateEntity | CreatePlans | DropPlans
"""Steps that touch nothing that others use."""

_NOT_NIL = "tenant_id <> zeroblob(16)"
_LOG = (HEADS, CHANGES, HISTORY)


def medium() -> list[str]:
    """What makes an empty file ours: its name and moment, and the ledger."""
    return [*_file("medium.sql"), *ledger()]


def ledger() -> list[str]:
    """The ledger of revisions, of their steps, and of what was set aside."""
    return _file("ledger.sql")


def log() -> list[str]:
    """The counters, the change log and the field history."""
    return [*_file("log.sql"), *(text for table in _LOG for text in _guards(table))]


def tombstones() -> list[str]:
    """The tombstones."""
    return [*_file("tombstones.sql"), *_guards(TOMBSTONES)]


def entity(schema: EntitySchema) -> list[str]:
    """A table with its keys, checks, references, indexes and guard."""
    return [create_table(schema), *surroundings(schema)]


def surroundings(schema: EntitySchema) -> list[str]:
    """What stands beside a table: its indexes and its guard."""
    guards = _guards(bare_name(schema)) if schema.journaled else []
    return [*_indexes(schema), *guards]


def _file(name: str) -> list[str]:
    text = files("holdfast.engines.sqlite").joinpath("sql", name).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";") if statement.strip()]


def create_table(schema: EntitySchema) -> str:
    """The table with its keys, checks and references, the tenant leading each."""
    realm = is_realm(schema)
    lines = [] if realm else [f"tenant_id blob not null check ({_NOT_NIL})"]
    lines += ["id blob not null", "version integer not null check (version >= 1)"]
    lines += ["created_at integer not null", "updated_at integer not null"]
    if schema.journaled:
        lines.append("commit_salt blob not null")
    lines += [column(field) for field in schema.fields]
    lines.append("primary key (id)" if realm else "primary key (tenant_id, id)")
    lines += references(schema)
    return f"create table if not exists {table_name(schema)} {shape(lines)}"


def shape(lines: list[str]) -> str:
    """What stands behind a table's name, of its columns, keys and references."""
    body = ",\n  ".join(lines)
    return f"(\n  {body}\n) strict, without rowid"


def column(field: FieldSchema) -> str:
    """A column as it is declared."""
    return spelled_column(
        field.column, column_type(field.type), required=not field.nullable, check=field_check(field)
    )


def spelled_column(
    name: str, kind: str, *, required: bool = False, default: str | None = None, check: str | None = None
) -> str:
    """A column of all its parts, the default as an expression."""
    parts = [quoted(name), kind, "not null" if required else ""]
    parts.append("" if default is None else f"default {default}")
    parts.append("" if check is None else f"check ({check})")
    return " ".join(filter(None, parts))


def field_check(field: FieldSchema) -> str | None:
    """What a column's values must meet, beyond their type."""
    name = quoted(field.column)
    match field.type:
        case ChoiceType(values=values):
            return f"{name} in ({', '.join(map(literal, sorted(values)))})"
        case IntegerType(minimum=low, maximum=high) if (low, high) != (-(2**63), 2**63 - 1):
            return f"{name} between {low} and {high}"
        case TextType(max_length=int(length)):
            return f"length({name}) <= {length}"
        case BooleanType():
            return f"{name} in (0, 1)"
        case _:
            return None


def field_limit(field: FieldSchema) -> str | None:
    """The same, and what the store alone holds new values to: asked of rows that stand when a field is narrowed."""
    match field.type:
        case DecimalType(precision=precision):
            most = 10**precision - 1
            ends = (-most, most) if precision <= INTEGER_DIGITS else _ends(most)
            return f"{quoted(field.column)} between {ends[0]} and {ends[1]}"
        case _:
            return field_check(field)


def _ends(most: int) -> tuple[str, str]:
    return literal(sortable(-most, TEXT_DIGITS)), literal(sortable(most, TEXT_DIGITS))


def value_sql(kind: FieldType, plain: Any) -> str:
    """A value in plain form as a constant of its stored form."""
    stored = store(kind, kind.decode(plain))
    match stored:
        case bytes():
            return f"x'{stored.hex()}'"
        case str():
            return literal(stored)
        case _:
            return repr(stored)


def references(schema: EntitySchema) -> list[str]:
    """The foreign keys."""
    return [
        reference(field.column, field.reference.table, realm=is_realm(schema))
        for field in schema.fields
        if field.reference is not None
    ]


def reference(name: str, target: str, *, realm: bool) -> str:
    """A column's foreign key."""
    to = '"realm__memberships" (tenant_id, user_id)'
    if target != MEMBERS:
        to = f"{quoted(table_of(target))} " + ("(id)" if realm else "(tenant_id, id)")
    return f"foreign key ({lead((name,), realm=realm)}) references {to} deferrable initially deferred"


def _indexes(schema: EntitySchema) -> list[str]:
    made = [create_unique(schema, rule) for rule in schema.uniques]
    realm, table = is_realm(schema), bare_name(schema)
    made += [index(table, columns, realm=realm) for columns in schema.index_columns]
    return made


def create_unique(schema: EntitySchema, rule: Unique) -> str:
    """A unique rule's index."""
    when = schema.by_name[rule.when].column if rule.when is not None else None
    columns = schema.columns(rule.fields)
    return unique(unique_name(schema, rule), bare_name(schema), columns, when, realm=is_realm(schema))


def unique(name: str, table: str, columns: tuple[str, ...], when: str | None, *, realm: bool) -> str:
    """A unique index, over the rows alone for which the rule is."""
    where = f" where {quoted(when)}" if when is not None else ""
    return (
        f"create unique index if not exists {quoted(name)} on {quoted(table)} "
        f"({lead(columns, realm=realm)}){where}"
    )


def index(table: str, columns: tuple[str, ...], *, realm: bool) -> str:
    """An index; `columns` with the id that ends them."""
    name = made_name(table, columns[:-1], "idx")
    return f"create index if not exists {quoted(name)} on {quoted(table)} ({lead(columns, realm=realm)})"


def _guards(table: str) -> list[str]:
    """Refuse a write that comes by another way than a flush: a guard against mistakes, not against an attacker.

    The mark stands in the file while a flush runs, where none but its own transaction sees it. A function that our connections
    register would be called back into Python for each row.
    """
    return [
        f"create trigger if not exists {quoted(f'{table}__guard_{verb}')} before {verb} on {quoted(table)} "
        f"when (select flush from {MEDIUM}) is not 1 "
        "begin select raise(abort, 'journaled rows are written by a flush'); end"
        for verb in ("insert", "update", "delete")
    ]
