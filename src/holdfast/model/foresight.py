"""What steps will look at in rows, as the tables stand before the first of them: so that a refusal comes before any change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.steps import (
    AddField,
    AddReference,
    AddUnique,
    Backfill,
    CreateEntity,
    DropEntity,
    DropField,
    NarrowField,
    RestoreEntity,
    RestoreField,
    Step,
    UnlinkFields,
    optional,
)

_ASIDE = "_dropped_"
Located = tuple[Step, Step]
"""A step that rows may stand in the way of, and the same with the names under which its rows stand now."""


def look_ahead(
    steps: Sequence[Step], columns: Mapping[str, Collection[str]], aside_of: Callable[[EntitySchema], str]
) -> list[Located]:
    """The steps whose rows can be looked at already. Left out is what another of `steps` makes or fills first.

    `columns` are those of every table that stands, those set aside among them, under the name that `aside_of` tells.
    """
    names = _Names(columns, aside_of)
    return [located for step in steps for located in names.follow(step)]


class _Names:
    """Under which names a table and its columns stand now that will have others when a step comes."""

    def __init__(
        self, columns: Mapping[str, Collection[str]], aside_of: Callable[[EntitySchema], str]
    ) -> None:
        self._columns, self._aside_of = columns, aside_of
        self._tables: dict[str, str | None] = {}
        self._moved: dict[tuple[str, str], str | None] = {}
        self._set_aside: dict[str, str | None] = {}

    def follow(self, step: Step) -> Iterator[Located]:
        """What there is to look at for a step; then the names are those behind it."""
        match step:
            case DropField(table, field):
                self._moved[table, _ASIDE + field.column] = self._column(table, field.column)
                self._moved[table, field.column] = None
            case AddField(table, field) | RestoreField(table, field):
                self._bring_back(table, field.column)
                yield from self._narrow(NarrowField(table, optional(field), field))
            case NarrowField():
                yield from self._narrow(step)
            case Backfill(table, target):
                self._moved[table, target.column] = None
            case UnlinkFields(table, old, new):
                place, one, other = self._table(table), self._field(table, old), self._field(table, new)
                if place and one and other:
                    yield step, UnlinkFields(place, one, other)
            case AddUnique():
                yield from self._unique(step)
            case AddReference():
                yield from self._reference(step)
            case DropEntity(schema):
                if self._table(schema.stable_name) == schema.stable_name:
                    yield step, step
                self._set_aside[schema.digest] = self._table(schema.stable_name)
                self._tables[schema.stable_name] = None
            case CreateEntity(schema) | RestoreEntity(schema):
                yield from self._restore(schema)
            case _:
                pass

    def _table(self, table: str) -> str | None:
        return self._tables.get(table, table if table in self._columns else None)

    def _column(self, table: str, column: str) -> str | None:
        if (table, column) in self._moved:
            return self._moved[table, column]
        return column if column in self._columns.get(self._table(table) or "", ()) else None

    def _field(self, table: str, field: FieldSchema) -> FieldSchema | None:
        column = self._column(table, field.column)
        return None if column is None else replace(field, name=column, origin=None)

    def _bring_back(self, table: str, column: str) -> None:
        if self._column(table, column) is None:
            self._moved[table, column] = self._column(table, _ASIDE + column)
            self._moved[table, _ASIDE + column] = None

    def _narrow(self, step: NarrowField) -> Iterator[Located]:
        place, field = self._table(step.table), self._field(step.table, step.new)
        if place and field:
            yield step, NarrowField(place, replace(field, nullable=step.old.nullable), field)

    def _unique(self, step: AddUnique) -> Iterator[Located]:
        place = self._table(step.table)
        columns = [self._column(step.table, column) for column in step.columns]
        when = step.when and self._column(step.table, step.when)
        known = tuple(column for column in columns if column)
        if place and len(known) == len(columns) and bool(when) == bool(step.when):
            yield step, AddUnique(place, known, when, step.realm)

    def _reference(self, step: AddReference) -> Iterator[Located]:
        place, column = self._table(step.table), self._column(step.table, step.column)
        target = step.target if step.target == MEMBERS else self._table(step.target)
        if place and column and target:
            yield step, AddReference(place, column, target, step.realm)

    def _restore(self, schema: EntitySchema) -> Iterator[Located]:
        name, aside = schema.stable_name, self._aside_of(schema)
        if self._table(name) is None:
            there = aside if aside in self._columns else None
            self._tables[name] = self._set_aside.get(schema.digest, there)
        realm = schema.visibility == "realm"
        for field in schema.fields:
            if field.reference is not None:
                yield from self._reference(AddReference(name, field.column, field.reference.table, realm))
