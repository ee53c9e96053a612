"""What the memory engine holds: rows by (tenant, id), the log, the history, the counters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Tombstone
from holdfast.engines.port import HistoryKey, Marks, Row, Stored
from holdfast.model.conversions import convert
from holdfast.model.schema import EntitySchema, FieldSchema

Key = tuple[UUID, UUID]
Grave = tuple[str, UUID]
"""Entity and row of a tombstone."""


class Table(dict[Key, Stored]):
    """The rows of an entity by (tenant, id), and the same rows by tenant. A row is held by stable names; `fields` are those
    that stand, so that code which does not know one of them leaves it as it was.
    """

    def __init__(self, fields: Iterable[FieldSchema] = ()) -> None:
        super().__init__()
        self.fields = {field.column: field for field in fields}
        self.aside: dict[str, dict[Key, Any]] = {}
        """What columns that were set aside held."""
        self.links: dict[tuple[str, str], tuple[FieldSchema, FieldSchema]] = {}
        """Columns that are kept in step."""
        self._tenants: dict[UUID, dict[Key, Stored]] = {}

    def held(self, schema: EntitySchema, row: Row, before: Row | None) -> Row:
        """A row as it is held, when code that knows `schema` writes it over `before`."""
        mine = {field.column: row[name] for name, field in schema.by_name.items()}
        others = {column: field for column, field in self.fields.items() if column not in mine}
        kept = before or {}
        row = mine | {c: kept[c] if c in kept else unset(field) for c, field in others.items()}
        for one, other in self.links.values():
            _keep_in_step(mine, kept, row, one, other)
        return row

    def of(self, tenant_id: UUID) -> dict[Key, Stored]:
        """A tenant's rows."""
        return self._tenants.get(tenant_id, {})

    def put(self, key: Key, stored: Stored | None) -> None:
        """Set a row, or take it away (None) if it is there."""
        if stored is not None:
            self[key] = stored
        elif key in self:
            del self[key]

    def __setitem__(self, key: Key, stored: Stored) -> None:
        super().__setitem__(key, stored)
        self._tenants.setdefault(key[0], {})[key] = stored

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        del self._tenants[key[0]][key]


@dataclass(slots=True)
class Data:
    """The whole medium."""

    tables: dict[str, Table] = field(default_factory=dict)
    heads: dict[UUID, int] = field(default_factory=dict)
    changes: dict[UUID, list[Change]] = field(default_factory=dict)
    old_values: dict[UUID, list[OldValue]] = field(default_factory=dict)
    tombstones: dict[UUID, dict[Grave, Tombstone]] = field(default_factory=dict)
    horizons: dict[UUID, int] = field(default_factory=dict)
    aside: dict[str, Table] = field(default_factory=dict)
    """Tables that were set aside, by the digest of their schema."""
    commits: int = 0

    def marks(self, tenant_id: UUID) -> Marks:
        """How far a tenant is."""
        return Marks(self.heads.get(tenant_id, 0), self.horizons.get(tenant_id, 0))

    def forget(self, tenant_id: UUID) -> None:
        """Drop a tenant's log, history, tombstones and counter, and what was set aside of its rows."""
        for table in self.aside.values():
            for key in list(table.of(tenant_id)):
                del table[key]
        for table in (*self.tables.values(), *self.aside.values()):
            for held in table.aside.values():
                for key in [key for key in held if key[0] == tenant_id]:
                    del held[key]
        for store in (self.heads, self.horizons, self.changes, self.old_values, self.tombstones):
            store.pop(tenant_id, None)


def _keep_in_step(mine: Row, before: Row, row: Row, one: FieldSchema, other: FieldSchema) -> None:
    """Whichever of the two columns was written, the other one follows."""
    for written, follows in ((one, other), (other, one)):
        known = written.column in mine and follows.column not in mine
        if known and (not before or before.get(written.column) != mine[written.column]):
            row[follows.column] = convert(written.type, follows.type, mine[written.column])


def read(schema: EntitySchema, stored: Stored) -> Stored:
    """A held row as code that knows `schema` reads it."""
    held = stored.row
    if not schema.is_renamed and held.keys() == schema.by_name.keys():
        return stored
    fields = schema.by_name.values()
    return Stored({f.name: held[f.column] if f.column in held else unset(f) for f in fields}, stored.salt)


def unset(field: FieldSchema) -> Any:
    """What a field is in a row that was written without it."""
    return None if field.default is None else field.type.decode(field.default)


def member(membership: Stored) -> tuple[UUID, UUID]:
    """Of which tenant who is a member."""
    return membership.row["tenant_id"], membership.row["user_id"]


def key_of(value: OldValue) -> HistoryKey:
    """An old value's place in the history."""
    return HistoryKey(value.entity, value.row_id, value.number, value.field)
