"""What stands, as values that are never changed, only replaced: a reader keeps the one that it began with.

Pure: nothing here knows a file, a lock or an event loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from holdfast import Unique
from holdfast.engines.port import (
    MEMBERS,
    MEMBERSHIPS,
    Batch,
    Change,
    EntitySchema,
    HistoryKey,
    Marks,
    OldValue,
    Row,
    RowWrite,
    Scope,
    Stored,
    Tombstone,
)
from holdfast.errors import AlreadyExists, Duplicate, Forbidden, ReferenceMissing, StaleVersion

Table = Mapping[UUID, Stored]
NO_ROWS: Table = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TenantState:
    """Everything of one tenant; the realm is the tenant with the nil id."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    marks: Marks = field(default_factory=Marks)
    changes: tuple[Change, ...] = ()
    old_values: tuple[OldValue, ...] = ()
    tombstones: Mapping[tuple[str, UUID], Tombstone] = field(default_factory=dict)

    def table(self, name: str) -> Table:
        """The rows of an entity."""
        return self.tables.get(name, NO_ROWS)

    def collected(self, horizon: int) -> TenantState:
        """With the horizon raised, and without the tombstones at or below it."""
        reached = max(self.marks.horizon, min(horizon, self.marks.head))
        left = {key: grave for key, grave in self.tombstones.items() if grave.number > reached}
        return replace(self, marks=Marks(self.marks.head, reached), tombstones=left)

    def pruned(self, gone: set[HistoryKey]) -> TenantState:
        """Without these old values."""
        return replace(self, old_values=tuple(old for old in self.old_values if key_of(old) not in gone))


def key_of(old: OldValue) -> HistoryKey:
    """An old value's place in the history."""
    return HistoryKey(old.entity, old.row_id, old.number, old.field)


def may_see(schema: EntitySchema, row: Row, scope: Scope) -> bool:
    """Whether the row's owner lets this scope see it."""
    return schema.owner is None or scope.whole_tenant or row[schema.owner] == scope.user_id


def written(state: TenantState, batch: Batch, scope: Scope) -> TenantState:
    """What stands after a batch. Raises where it may not be carried out; the old state is as good as ever."""
    tables = _copies(state, batch)
    for write in batch.writes:
        table = tables[write.schema.stable_name]
        _check(table, write, scope)
        _put(table, write)
    return _entered(state, tables, batch)


def replayed(state: TenantState, batch: Batch) -> TenantState:
    """The same without a check: what the journal holds was checked once already."""
    tables = _copies(state, batch)
    for write in batch.writes:
        _put(tables[write.schema.stable_name], write)
    return _entered(state, tables, batch)


def _copies(state: TenantState, batch: Batch) -> dict[str, dict[UUID, Stored]]:
    return {name: dict(state.table(name)) for name in {write.schema.stable_name for write in batch.writes}}


def _put(table: dict[UUID, Stored], write: RowWrite) -> None:
    if write.row is None:
        table.pop(write.row_id, None)
    else:
        table[write.row_id] = Stored(write.row, write.salt)


def _entered(state: TenantState, tables: Mapping[str, Table], batch: Batch) -> TenantState:
    if batch.head is None:
        return replace(state, tables={**state.tables, **tables})
    return TenantState(
        {**state.tables, **tables},
        Marks(batch.head, state.marks.horizon),
        (*state.changes, *batch.changes),
        (*state.old_values, *batch.old_values),
        {**state.tombstones, **{(grave.entity, grave.row_id): grave for grave in batch.tombstones}},
    )


def _check(table: Table, write: RowWrite, scope: Scope) -> None:
    schema, there = write.schema, table.get(write.row_id)
    if write.if_version == 0 and there is not None:
        raise AlreadyExists(where=schema.name)
    if write.if_version != 0 and (
        there is None or not may_see(schema, there.row, scope) or there.row["version"] != write.if_version
    ):
        raise StaleVersion(where=schema.name)
    if write.row is not None:
        if not may_see(schema, write.row, scope):
            raise Forbidden("a row is written in its owner's name alone", where=schema.name)
        for rule in schema.uniques:
            _check_unique(rule, table, write, write.row)


def _check_unique(rule: Unique, table: Table, write: RowWrite, row: Row) -> None:
    wanted = _unique_values(rule, row)
    for row_id, stored in table.items() if wanted is not None else ():
        if row_id != write.row_id and _unique_values(rule, stored.row) == wanted:
            fields = ", ".join(rule.fields)
            raise Duplicate(f"another row holds the same {fields}", where=write.schema.name)


def _unique_values(rule: Unique, row: Row) -> tuple[Any, ...] | None:
    """What the rule compares; None where it leaves the row alone."""
    if rule.when is not None and not row[rule.when]:
        return None
    values = tuple(row[name] for name in rule.fields)
    return None if None in values else values


# -- references: what must hold at the end of a transaction -----------------------------------------------------------


def check_references(
    after: TenantState, writes: Iterable[RowWrite], schemas: Iterable[EntitySchema], members: set[UUID]
) -> None:
    """Each row that was written refers to rows that are there, and no row refers to one that has gone."""
    gone: set[tuple[str, UUID]] = set()
    for write in writes:
        name = write.schema.stable_name
        stored = after.table(name).get(write.row_id)
        if stored is None:
            gone.add((name, write.row_id))
            continue
        for each in write.schema.referring_fields:
            target, table = stored.row[each.name], each.reference.table if each.reference else ""
            there = target in members if table == MEMBERS else target in after.table(table)
            if target is not None and not there:
                raise ReferenceMissing(where=f"{name}.{each.name}")
    for schema in schemas if gone else ():
        for each, reference in schema.references:
            if any(
                (reference.table, s.row[each.name]) in gone for s in after.table(schema.stable_name).values()
            ):
                raise ReferenceMissing(where=f"{schema.name}.{each.name}")


def members_of(realm: TenantState, tenant_id: UUID) -> set[UUID]:
    """Who belongs to a tenant: owners and `Member` fields refer to them."""
    return {user for tenant, user in memberships(realm) if tenant == tenant_id}


def memberships(realm: TenantState) -> Iterator[tuple[UUID, UUID]]:
    """Every tenant with each of its members."""
    for stored in realm.table(MEMBERSHIPS).values():
        yield stored.row["tenant_id"], stored.row["user_id"]


def check_members_gone(
    gone: set[tuple[UUID, UUID]], tenants: Mapping[UUID, TenantState], schemas: Iterable[EntitySchema]
) -> None:
    """No row refers to a member who has gone."""
    fields = [
        (schema.stable_name, each.name)
        for schema in schemas
        for each in schema.referring_fields
        if each.reference is not None and each.reference.table == MEMBERS
    ]
    for tenant_id, user_id in gone:
        state = tenants.get(tenant_id, TenantState())
        for name, each in fields:
            if any(stored.row[each] == user_id for stored in state.table(name).values()):
                raise ReferenceMissing(where=f"{name}.{each}")
