"""Each step as the statements that carry it out. Text only; nothing here talks to a database."""

from __future__ import annotations

from importlib.resources import files

from holdfast.engines.sqlite._names import (
    CHANGES,
    HEADS,
    HISTORY,
    MEDIUM,
    TOMBSTONES,
    bare_name,
    index_name,
    is_realm,
    lead,
    literal,
    quoted,
    table_name,
    unique_name,
)
from holdfast.engines.sqlite._values import column_type
from holdfast.errors import NotSupported
from holdfast.model.policies import Unique
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.steps import CreateEntity, CreateLog, CreatePlans, CreateTombstones, DropPlans, Step
from holdfast.model.types import BooleanType, ChoiceType, IntegerType, TextType

_NOT_NIL = "tenant_id <> zeroblob(16)"
_LOG = (HEADS, CHANGES, HISTORY)


def statements(step: Step) -> list[str]:
    """What carries `step` out, in order. Each does nothing where it was done before."""
    match step:
        case CreateLog():
            return log()
        case CreateTombstones():
            return tombstones()
        case CreateEntity(schema=schema):
            return entity(schema)
        case CreatePlans(schema=schema) if not (schema.is_renamed or schema.origin):
            return []  # nothing is prepared in the file: statements are compiled by whoever runs them
        case DropPlans():
            return []
        case _:
            raise NotSupported(
                "this engine does not change tables that stand yet", where=step.title, hint="PostgreSQL does."
            )


def medium() -> list[str]:
    """What makes an empty file ours: its name and moment, and the ledger."""
    return _file("medium.sql")


def log() -> list[str]:
    """The counters, the change log and the field history."""
    return [*_file("log.sql"), *(text for table in _LOG for text in _guards(table))]


def tombstones() -> list[str]:
    """The tombstones."""
    return [*_file("tombstones.sql"), *_guards(TOMBSTONES)]


def entity(schema: EntitySchema) -> list[str]:
    """A table with its keys, checks, references, indexes and guard."""
    guards = _guards(bare_name(schema)) if schema.journaled else []
    return [create_table(schema), *_indexes(schema), *guards]


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
    lines += [line for field in schema.fields for line in (_reference(schema, field),) if line]
    body = ",\n  ".join(lines)
    return f"create table if not exists {table_name(schema)} (\n  {body}\n) strict, without rowid"


def column(field: FieldSchema) -> str:
    """A column as it is declared."""
    text = f"{quoted(field.name)} {column_type(field.type)}" + ("" if field.nullable else " not null")
    check = field_check(field)
    return text if check is None else f"{text} check ({check})"


def field_check(field: FieldSchema) -> str | None:
    """What a column's values must meet, beyond their type."""
    name = quoted(field.name)
    match field.type:
        case ChoiceType(values=values):
            return f"{name} in ({', '.join(map(literal, values))})"
        case IntegerType(minimum=low, maximum=high) if (low, high) != (-(2**63), 2**63 - 1):
            return f"{name} between {low} and {high}"
        case TextType(max_length=int(length)):
            return f"length({name}) <= {length}"
        case BooleanType():
            return f"{name} in (0, 1)"
        case _:
            return None


def _reference(schema: EntitySchema, field: FieldSchema) -> str | None:
    if field.reference is None:
        return None
    own = lead(schema, (field.name,))
    if field.reference.table == MEMBERS:
        target = '"realm__memberships" (tenant_id, user_id)'
    else:
        key = "(id)" if is_realm(schema) else "(tenant_id, id)"
        target = f"{quoted(field.reference.table.replace('.', '__'))} {key}"
    return f"foreign key ({own}) references {target} deferrable initially deferred"


def wanted_indexes(schema: EntitySchema) -> list[tuple[str, ...]]:
    """The columns of each index behind the tenant: declared ones, references, and the order of creation."""
    wanted: list[tuple[str, ...]] = []
    if not is_realm(schema):
        wanted.append(("created_at", "id"))
    declared = [rule.fields for rule in schema.indexes]
    references = [(field.name,) for field in schema.fields if field.reference is not None]
    unique = [rule.fields for rule in schema.uniques if rule.when is None]
    for fields in (*declared, *references):
        if not any(other[: len(fields)] == fields and other != fields for other in (*declared, *unique)):
            wanted.append((*fields, "id"))
    return list(dict.fromkeys(wanted))


def _indexes(schema: EntitySchema) -> list[str]:
    made = [create_unique(schema, rule) for rule in schema.uniques]
    made += [create_index(schema, fields) for fields in wanted_indexes(schema)]
    return made


def create_unique(schema: EntitySchema, rule: Unique) -> str:
    """A unique rule's index, over the rows alone for which the rule is."""
    when = f" where {quoted(rule.when)}" if rule.when is not None else ""
    return (
        f"create unique index if not exists {quoted(unique_name(schema, rule))} "
        f"on {table_name(schema)} ({lead(schema, rule.fields)}){when}"
    )


def create_index(schema: EntitySchema, fields: tuple[str, ...]) -> str:
    """One of `wanted_indexes`."""
    return (
        f"create index if not exists {quoted(index_name(schema, fields[:-1]))} "
        f"on {table_name(schema)} ({lead(schema, fields)})"
    )


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
