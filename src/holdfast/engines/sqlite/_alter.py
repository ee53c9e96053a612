"""Each step on a file that is in use. One call is one transaction of its caller's, and does nothing where all is done."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from holdfast.engines.port import Control
from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._links import drop_links, link_statements, may_be_filled
from holdfast.engines.sqlite._names import (
    ASIDE,
    SET_ASIDE,
    aside_name,
    bare_name,
    lead,
    made_name,
    quoted,
    table_of,
)
from holdfast.engines.sqlite._reshape import Standing, can_edit, columns_of, is_of_tenants, is_there
from holdfast.engines.sqlite._values import INTEGER_DIGITS, column_type
from holdfast.errors import NotSupported, SchemaError
from holdfast.model.foresight import look_ahead
from holdfast.model.schema import (
    MEMBERS,
    MEMBERSHIPS,
    EntitySchema,
    FieldSchema,
    describe_field,
    restore_field,
)
from holdfast.model.steps import (
    AddField,
    AddIndex,
    AddReference,
    AddUnique,
    ChangeOwner,
    CreateEntity,
    CreateLog,
    CreatePlans,
    CreateTombstones,
    DropEntity,
    DropField,
    DropIndex,
    DropPlans,
    DropReference,
    DropUnique,
    LinkFields,
    NarrowField,
    PurgeField,
    ReleaseField,
    RestoreEntity,
    RestoreField,
    Step,
    UnlinkFields,
    WidenField,
)
from holdfast.model.types import DecimalType
from holdfast.model.widening import empty_value

Raw = sqlite3.Connection
_MEND = "Change these rows first."
_SHOWN = 5


def carry_out(raw: Raw, step: Step, control: Control) -> None:
    """Do what `step` says, of every kind but a fill. Raises SchemaError where rows stand in its way."""
    match step:
        case CreateLog():
            _run(raw, _ddl.log())
        case CreateTombstones():
            _run(raw, _ddl.tombstones())
        case CreateEntity(schema) | RestoreEntity(schema):
            _create(raw, schema)
        case DropEntity(schema):
            _set_table_aside(raw, schema, control)
        case CreatePlans() | DropPlans() | ChangeOwner():
            pass  # nothing is prepared in the file, and who sees a row is in the statements of whoever asks
        case AddField() | ReleaseField() | DropField() | RestoreField() | PurgeField():
            _change_field(raw, step)
        case WidenField(table, _, new):
            standing = Standing(raw, table_of(table))
            standing.declare(
                new.column, required=False if new.nullable else None, check=_ddl.field_check(new)
            )
            standing.settle()
        case NarrowField(table, old, new):
            _narrow(raw, table, old, new)
        case LinkFields(table, old, new):
            _link(raw, table, old, new)
        case UnlinkFields(table, old, new):
            _unlink(raw, table, old, new)
        case AddIndex(table, columns, realm):
            _run(raw, [_ddl.index(table_of(table), columns, realm=realm)])
        case DropIndex(table, columns):
            _run(raw, [f"drop index if exists {quoted(made_name(table_of(table), columns[:-1], 'idx'))}"])
        case AddUnique() | DropUnique():
            _change_rule(raw, step)
        case AddReference() | DropReference():
            _change_reference(raw, step)
        case _:
            raise TypeError(type(step).__name__)


def refuse(steps: Sequence[Step]) -> None:
    """Raises NotSupported for what this engine cannot do, before anything is done."""
    for step in steps:
        if not isinstance(step, WidenField | NarrowField):
            continue
        old, new = step.old.type, step.new.type
        if isinstance(old, DecimalType) and isinstance(new, DecimalType) and _is_large(old) != _is_large(new):
            raise NotSupported(
                f"on SQLite a decimal does not pass {INTEGER_DIGITS} digits in place, because it is stored otherwise",
                where=f"{step.table}.{step.new.column}",
                hint="Declare a new field that is Converted from this one.",
            )


def _is_large(kind: DecimalType) -> bool:
    return kind.precision > INTEGER_DIGITS


def _run(raw: Raw, texts: Sequence[str]) -> None:
    for text in texts:
        raw.execute(text)


def _probe(
    raw: Raw, source: str, message: str, hint: str = _MEND, *, shown: str = "r.id", given: Sequence[Any] = ()
) -> None:
    """Refuse what rows stand in the way of: how many, and some of them. `source` is a FROM clause with its WHERE."""
    (count,) = raw.execute(f"select count(*) from {source}", given).fetchone()
    if not count:
        return
    rows = raw.execute(f"select {shown} from {source} limit {_SHOWN}", given).fetchall()
    ids = ", ".join(str(UUID(bytes=row_id)) for (row_id,) in rows)
    raise SchemaError(f"{count} {message} (such as {ids})", hint=hint)


def foresee(raw: Raw, steps: Sequence[Step], control: Control) -> None:
    """Raises SchemaError where rows stand in the way of steps, as far as that can be seen before the first of them."""
    names = [name for (name,) in raw.execute("select name from sqlite_schema where type = 'table'")]
    columns = {name: columns_of(raw, name) for name in names}
    for step in steps:
        for table in _tables_of(step):
            columns.setdefault(table, columns.get(table_of(table), frozenset()))
    there = {name: found for name, found in columns.items() if found}
    for step, here in look_ahead(steps, there, _aside_of):
        _look(raw, step, here, control)


def _tables_of(step: Step) -> tuple[str, ...]:
    """By their stable names."""
    schema: EntitySchema | None = getattr(step, "schema", None)
    if schema is None:
        named = (getattr(step, "table", None), getattr(step, "target", None))
        return tuple(name for name in named if isinstance(name, str))
    referred = (field.reference.table for field in schema.fields if field.reference is not None)
    return (schema.stable_name, _aside_of(schema), *referred)


def _aside_of(schema: EntitySchema) -> str:
    """What `table_of` makes the table's name of, once it is set aside."""
    return f"{ASIDE}{schema.digest}.{bare_name(schema)}"


def _look(raw: Raw, step: Step, here: Step, control: Control) -> None:
    """What a step looks for, in rows that stand under the names in `here`."""
    match step, here:
        case NarrowField(name, _, told), NarrowField(table, old, new):
            limit = _ddl.field_limit(new)
            if limit is not None:
                _probe_beyond(
                    raw, table, limit, f"rows of {name} hold in {told.column} what it will not take"
                )
            if old.nullable and not new.nullable:
                _probe_absent(raw, table, new.column, f"rows of {name} hold nothing in {told.column}")
        case UnlinkFields(name, one, other), UnlinkFields(table, old, new):
            message = f"rows of {name} hold in {one.column} what has no counterpart in {other.column}"
            _probe_parted(raw, table, old, new, message)
        case AddUnique(), AddUnique():
            _probe_unique(
                raw, here, f"rows of {step.table} hold the same {', '.join(step.columns)} as others"
            )
        case AddReference(), AddReference():
            _probe_orphans(raw, here, step)
        case DropEntity(schema), _:
            _probe_rows(raw, schema, control)
        case _:
            raise TypeError(type(step).__name__)


# -- columns ------------------------------------------------------------------------------------------------------


def _change_field(raw: Raw, step: AddField | ReleaseField | DropField | RestoreField | PurgeField) -> None:
    table = table_of(step.table)
    match step:
        case AddField(_, field):
            _add(raw, step.table, field)
        case ReleaseField(_, field):
            held = field.default if field.default is not None else empty_value(field.type)
            standing = Standing(raw, table)
            standing.declare(field.column, default=_ddl.value_sql(field.type, held))
            standing.settle()
        case DropField(_, field):
            _set_aside(raw, step.table, field)
        case RestoreField(_, field):
            _bring_back(raw, step.table, field)
            if not field.nullable:
                _require(raw, step.table, field)
        case PurgeField(_, column):
            if ASIDE + column in columns_of(raw, table):
                raw.execute(f"alter table {quoted(table)} drop column {quoted(ASIDE + column)}")
            _forget(raw, step.table, column)


def _add(raw: Raw, table: str, field: FieldSchema) -> None:
    name, column = table_of(table), field.column
    default = None if field.default is None else _ddl.value_sql(field.type, field.default)
    if column not in columns_of(raw, name):
        _refuse_other_type(raw, table, field)
        if not _bring_back(raw, table, field):
            _add_column(raw, name, field, default)
            if field.nullable or default is not None:
                return
    _refuse_beyond(raw, table, field)
    standing = Standing(raw, name)
    if default is not None and not standing.has_default(column):
        standing.declare(column, default=default)
    standing.declare(column, check=_ddl.field_check(field))
    standing.settle(stricter=True)
    if not field.nullable:
        _require(raw, table, field)


def _add_column(raw: Raw, name: str, field: FieldSchema, default: str | None) -> None:
    """Its check comes afterwards, where that costs nothing: SQLite would look at every row, and all hold the default."""
    check, later = _ddl.field_check(field), can_edit(raw)
    text = _ddl.spelled_column(
        field.column,
        column_type(field.type),
        required=default is not None and not field.nullable,
        default=default,
        check=None if later else check,
    )
    raw.execute(f"alter table {quoted(name)} add column {text}")
    standing = Standing(raw, name)
    standing.declare(field.column, check=check)
    standing.settle()


def _refuse_other_type(raw: Raw, table: str, field: FieldSchema) -> None:
    text = f"select declared from {SET_ASIDE} where entity = ? and field = ?"
    found = raw.execute(text, [table, field.column]).fetchone()
    if found is None or ASIDE + field.column not in columns_of(raw, table_of(table)):
        return
    held = restore_field(orjson.loads(found[0]))
    if _storage(held) != _storage(field):
        raise SchemaError(
            f"{table}.{field.column} was set aside with another type",
            hint=f"Take its values over or lose them: a PurgeField step removes {ASIDE}{field.column}.",
        )


def _storage(field: FieldSchema) -> tuple[Any, ...]:
    """What two declarations of a column must agree in to read the same values."""
    match field.type:
        case DecimalType(scale=scale):
            return "decimal", scale, _is_large(field.type)
        case _:
            return ({"choice": "text"}.get(field.type.kind, field.type.kind),)


def _set_aside(raw: Raw, table: str, field: FieldSchema) -> None:
    name, column = table_of(table), field.column
    if column not in columns_of(raw, name):
        return
    standing = Standing(raw, name)
    standing.declare(column, required=False)
    standing.settle()
    raw.execute(f"alter table {quoted(name)} rename column {quoted(column)} to {quoted(ASIDE + column)}")
    raw.execute(
        f"insert or replace into {SET_ASIDE} (entity, field, declared) values (?, ?, ?)",
        [table, column, orjson.dumps(describe_field(field)).decode()],
    )


def _bring_back(raw: Raw, table: str, field: FieldSchema) -> bool:
    """In its place again, where it stands aside; whether it did."""
    name, column = table_of(table), field.column
    there = columns_of(raw, name)
    if column in there or ASIDE + column not in there:
        return False
    raw.execute(f"alter table {quoted(name)} rename column {quoted(ASIDE + column)} to {quoted(column)}")
    _forget(raw, table, column)
    return True


def _forget(raw: Raw, table: str, column: str) -> None:
    raw.execute(f"delete from {SET_ASIDE} where entity = ? and field = ?", [table, column])


def _require(raw: Raw, table: str, field: FieldSchema) -> None:
    """NOT NULL; of a column that is kept in step with another one, that which keeps it so sees to it."""
    name, column = table_of(table), field.column
    standing = Standing(raw, name)
    if standing.is_required(column):
        return
    _probe_absent(raw, table, column, f"rows of {table} hold nothing in {column}")
    if not may_be_filled(raw, name, column):
        standing.declare(column, required=True)
        standing.settle(stricter=True)


def _probe_absent(raw: Raw, table: str, column: str, message: str) -> None:
    source = f"{quoted(table_of(table))} r where r.{quoted(column)} is null"
    _probe(raw, source, message, f"Give them a value, or let the field be None. {_MEND}")


def _probe_beyond(raw: Raw, table: str, limit: str, message: str) -> None:
    _probe(raw, f"{quoted(table_of(table))} r where not ({limit})", message)


def _refuse_beyond(raw: Raw, table: str, field: FieldSchema) -> None:
    limit = _ddl.field_limit(field)
    if limit is not None:
        _probe_beyond(raw, table, limit, f"rows of {table} hold in {field.column} what it will not take")


def _narrow(raw: Raw, table: str, old: FieldSchema, new: FieldSchema) -> None:
    _refuse_beyond(raw, table, new)
    standing = Standing(raw, table_of(table))
    standing.declare(new.column, check=_ddl.field_check(new))
    standing.settle(stricter=True)
    if old.nullable and not new.nullable:
        _require(raw, table, new)


def _link(raw: Raw, table: str, old: FieldSchema, new: FieldSchema) -> None:
    """Code that knows the one column does not name the other: no default stands in its way, and `old` is filled afterwards."""
    name = table_of(table)
    standing = Standing(raw, name)
    standing.declare(old.column, required=False, default=None)
    standing.declare(new.column, default=None)
    standing.settle()
    drop_links(raw, name, old.column, new.column)
    _run(raw, link_statements(name, old, new, realm=not is_of_tenants(raw, name)))


def _unlink(raw: Raw, table: str, old: FieldSchema, new: FieldSchema) -> None:
    name = table_of(table)
    there = columns_of(raw, name)
    if {old.column, new.column} <= there:
        message = f"rows of {table} hold in {old.column} what has no counterpart in {new.column}"
        _probe_parted(raw, table, old, new, message)
    drop_links(raw, name, old.column, new.column)
    if old.column in there:
        standing = Standing(raw, name)
        standing.declare(old.column, required=False)
        standing.settle()
    if new.column in there and not new.nullable:
        _require(raw, table, new)


def _probe_parted(raw: Raw, table: str, old: FieldSchema, new: FieldSchema, message: str) -> None:
    lost = f"r.{quoted(old.column)} is not null and r.{quoted(new.column)} is null"
    _probe(raw, f"{quoted(table_of(table))} r where {lost}", message)


# -- unique rules, references -------------------------------------------------------------------------------------


def _change_rule(raw: Raw, step: AddUnique | DropUnique) -> None:
    table, when = table_of(step.table), step.when
    index = made_name(table, (*step.columns, *((when,) if when else ())), "key")
    if isinstance(step, DropUnique):
        raw.execute(f"drop index if exists {quoted(index)}")
        return
    _probe_unique(raw, step, f"rows of {step.table} hold the same {', '.join(step.columns)} as others")
    raw.execute(_ddl.unique(index, table, step.columns, when, realm=step.realm))


def _probe_unique(raw: Raw, step: AddUnique, message: str) -> None:
    columns = lead(step.columns, realm=step.realm)
    conditions = [f"{quoted(column)} is not null" for column in step.columns]
    conditions += [quoted(step.when)] if step.when else []
    _probe(
        raw,
        f"(select id, count(*) over (partition by {columns}) as others from {quoted(table_of(step.table))} "
        f"where {' and '.join(conditions)}) r where r.others > 1",
        message,
    )


def _change_reference(raw: Raw, step: AddReference | DropReference) -> None:
    table = table_of(step.table)
    standing = Standing(raw, table)
    line = _ddl.reference(step.column, step.target, realm=step.realm)
    if isinstance(step, DropReference):
        standing.part(line)
        standing.settle()
        return
    _probe_orphans(raw, step, step)
    standing.refer(line)
    standing.settle()


def _probe_orphans(raw: Raw, here: AddReference, told: AddReference) -> None:
    """In rows that stand under the names in `here`; people know them as in `told`."""
    members = here.target == MEMBERS
    target, name = (MEMBERSHIPS if members else each.target for each in (here, told))
    same = "" if here.realm else "p.tenant_id = r.tenant_id and "
    key, column = "user_id" if members else "id", quoted(here.column)
    _probe(
        raw,
        f"{quoted(table_of(here.table))} r where r.{column} is not null and not exists "
        f"(select 1 from {quoted(table_of(target))} p where {same}p.{key} = r.{column})",
        f"rows of {told.table} refer by {told.column} to no row of {name}",
    )


# -- whole tables -------------------------------------------------------------------------------------------------


def _create(raw: Raw, schema: EntitySchema) -> None:
    """Anew, or as it stands aside under exactly this schema."""
    table, aside = bare_name(schema), aside_name(schema)
    if is_there(raw, aside) and not is_there(raw, table):
        raw.execute(f"alter table {quoted(aside)} rename to {quoted(table)}")
        standing = Standing(raw, table)
        for line in _ddl.references(schema):
            standing.refer(line)
        standing.settle()
    _run(raw, _ddl.entity(schema))


def _set_table_aside(raw: Raw, schema: EntitySchema, control: Control) -> None:
    """Where no code reaches it, and holding nothing back: without references, and without names that another may need."""
    table, aside = bare_name(schema), aside_name(schema)
    if not is_there(raw, table) or is_there(raw, aside):
        return
    _probe_rows(raw, schema, control)
    standing = Standing(raw, table)
    standing.part_all()
    standing.settle()
    beside = raw.execute(
        "select type, name from sqlite_schema where tbl_name = ? and type <> 'table' and sql is not null",
        [table],
    ).fetchall()
    for kind, name in beside:
        raw.execute(f"drop {kind} {quoted(name)}")
    raw.execute(f"alter table {quoted(table)} rename to {quoted(aside)}")


def _probe_rows(raw: Raw, schema: EntitySchema, control: Control) -> None:
    if not control.force:
        _probe(
            raw,
            f"{quoted(bare_name(schema))} r",
            f"{schema.stable_name} holds rows",
            "They are set aside with the table, where nothing reaches them: say so with --yes.",
        )
