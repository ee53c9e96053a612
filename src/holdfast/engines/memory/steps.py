"""Each step on rows in memory: by the plainest means, what every engine must come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from holdfast.engines.memory.data import Data, Key, Table, unset
from holdfast.engines.port import Control, Row, Stored
from holdfast.errors import SchemaError
from holdfast.model.conversions import convert
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.steps import (
    AddField,
    AddReference,
    AddUnique,
    Backfill,
    CreateEntity,
    DropEntity,
    DropField,
    LinkFields,
    NarrowField,
    PurgeField,
    ReleaseField,
    RestoreEntity,
    RestoreField,
    Step,
    UnlinkFields,
    WidenField,
    optional,
)
from holdfast.model.widening import empty_value

_SHOWN = 5


def carry_out(data: Data, step: Step, control: Control) -> None:
    """Do what `step` says; once more, and nothing changes."""
    match step:
        case CreateEntity(schema) | RestoreEntity(schema):
            found = data.aside.pop(schema.digest, None)
            data.tables.setdefault(schema.stable_name, found or Table(schema.fields))
        case DropEntity(schema):
            _set_aside(data, schema, control)
        case AddField(table, field) | RestoreField(table, field):
            _add(data.tables[table], table, field)
        case ReleaseField(table, field):
            held = field.default if field.default is not None else empty_value(field.type)
            data.tables[table].fields[field.column] = replace(field, default=held)
        case DropField(table, field):
            _drop(data.tables[table], field.column)
        case PurgeField(table, column):
            data.tables[table].aside.pop(column, None)
        case WidenField(table, _, new):
            data.tables[table].fields[new.column] = new
        case NarrowField(table, _, new):
            _narrow(data.tables[table], table, new)
        case LinkFields(table, old, new):
            data.tables[table].links[_pair(old, new)] = (old, new)
        case UnlinkFields(table, old, new):
            _unlink(data.tables[table], table, old, new)
        case Backfill():
            _fill(data.tables[step.table], step)
        case AddUnique(table, columns, when):
            _hold_unique(data.tables[table], table, columns, when)
        case AddReference(table, column, target):
            _hold_reference(data, table, column, target)
        case _:  # indexes, owners and hot paths are nothing here
            pass


def _refuse(keys: Iterable[Key], what: str) -> None:
    rows = [str(row_id) for _, row_id in keys]
    if rows:
        raise SchemaError(
            f"{len(rows)} {what} (such as {', '.join(rows[:_SHOWN])})",
            hint="Change these rows first.",
        )


def _rewrite(table: Table, change: Callable[[Key, Row], Row]) -> None:
    """Every row anew: what a reader holds stays as it was."""
    for key, stored in list(table.items()):
        table[key] = Stored(change(key, dict(stored.row)), stored.salt)


def _set_aside(data: Data, schema: EntitySchema, control: Control) -> None:
    table = data.tables.get(schema.stable_name)
    if table is None:
        return
    if table and not control.force:
        raise SchemaError(
            f"{len(table)} {schema.stable_name} holds rows",
            hint="They are set aside with the table, where nothing reaches them: say so with --yes.",
        )
    data.aside[schema.digest] = data.tables.pop(schema.stable_name)


def _add(table: Table, name: str, field: FieldSchema) -> None:
    column = field.column
    if column in table.fields:
        return
    held = table.aside.get(column, {})
    # Rows made while the column stood aside hold nothing in it, where that is allowed.
    other = None if column in table.aside and field.nullable else unset(field)
    if not field.nullable:
        absent = [key for key in table if held.get(key, other) is None]
        _refuse(absent, f"rows of {name} hold nothing in {column}")
    table.fields[column] = field
    _rewrite(table, lambda key, row: {**row, column: held.get(key, other)})
    table.aside.pop(column, None)


def _drop(table: Table, column: str) -> None:
    if column not in table.fields:
        return
    del table.fields[column]
    table.aside[column] = {key: stored.row[column] for key, stored in table.items()}
    _rewrite(table, lambda _, row: {name: value for name, value in row.items() if name != column})


def _narrow(table: Table, name: str, new: FieldSchema) -> None:
    column = new.column
    values = {key: stored.row[column] for key, stored in table.items()}
    if not new.nullable:
        _refuse([k for k, v in values.items() if v is None], f"rows of {name} hold nothing in {column}")
    others = [key for key, value in values.items() if value is not None and not _takes(new, value)]
    _refuse(others, f"rows of {name} hold in {column} what it will not take")
    table.fields[column] = new


def _takes(field: FieldSchema, value: Any) -> bool:
    try:
        field.type.normalise(value)
    except ValueError:
        return False
    return True


def _pair(old: FieldSchema, new: FieldSchema) -> tuple[str, str]:
    first, second = sorted((old.column, new.column))
    return first, second


def _unlink(table: Table, name: str, old: FieldSchema, new: FieldSchema) -> None:
    if old.column in table.fields and new.column in table.fields:
        lost = [k for k, s in table.items() if s.row[old.column] is not None and s.row[new.column] is None]
        _refuse(lost, f"rows of {name} hold in {old.column} what has no counterpart in {new.column}")
    table.links.pop(_pair(old, new), None)
    if old.column in table.fields:
        table.fields[old.column] = optional(old)


def _fill(table: Table, step: Backfill) -> None:
    target, source = step.target, step.source

    def fill(_: Key, row: Row) -> Row:
        if source is not None:
            return {**row, target.column: convert(source.type, target.type, row[source.column])}
        if row[target.column] is None:
            return {**row, target.column: target.type.decode(step.value)}
        return row

    _rewrite(table, fill)


def _hold_unique(table: Table, name: str, columns: tuple[str, ...], when: str | None) -> None:
    seen: dict[tuple[Any, ...], list[Key]] = {}
    for key, stored in table.items():
        values = tuple(stored.row[column] for column in columns)
        if None not in values and (when is None or stored.row[when]):
            seen.setdefault((key[0], *values), []).append(key)
    twice = [key for keys in seen.values() if len(keys) > 1 for key in keys]
    _refuse(twice, f"rows of {name} hold the same {', '.join(columns)} as others")


def _hold_reference(data: Data, table: str, column: str, target: str) -> None:
    if target == MEMBERS:
        members = {(m.row["tenant_id"], m.row["user_id"]) for m in data.tables["realm.memberships"].values()}
    else:
        members = set(data.tables[target])
    orphans = [
        key
        for key, stored in data.tables[table].items()
        if stored.row[column] is not None and (key[0], stored.row[column]) not in members
    ]
    _refuse(orphans, f"rows of {table} refer by {column} to no row of {target}")
