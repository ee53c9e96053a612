"""A transaction of the memory engine: writes go into an overlay, rules are checked at the end, then all is swapped in."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Tombstone
from holdfast.engines.memory.data import Key, Table, member, read
from holdfast.engines.memory.order import after_key, matches, sort_key
from holdfast.engines.port import Batch, Marks, Piece, Row, RowWrite, Selection, Stored
from holdfast.errors import (
    AlreadyExists,
    Duplicate,
    Forbidden,
    HoldfastError,
    NotSupported,
    ReferenceMissing,
    StaleVersion,
    TooLarge,
)
from holdfast.model.plain import render_row
from holdfast.model.policies import Unique
from holdfast.model.query import Query
from holdfast.model.schema import MEMBERS, MEMBERSHIPS, EntitySchema
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.engines.memory.engine import MemoryEngine

_K = TypeVar("_K", OldValue, Tombstone)


class MemoryTransaction:
    """See `holdfast.engines.port.Transaction`."""

    def __init__(self, engine: MemoryEngine, scope: Scope) -> None:
        self._engine = engine
        self._scope = scope
        self._overlay: dict[str, dict[Key, Stored | None]] = {}
        self._schemas: dict[str, EntitySchema] = {}
        self._log: list[Batch] = []
        self._held: asyncio.Lock | None = None
        self._planned_on: dict[tuple[str, Key], int] = {}
        self._items = 0
        self._bytes = 0

    # -- reading --------------------------------------------------------------------------------------------------

    async def act_as(self, scope: Scope) -> None:
        if scope.tenant_id != self._scope.tenant_id:
            raise HoldfastError("a transaction belongs to one tenant")
        self._scope = scope

    async def get(self, schema: EntitySchema, row_id: UUID) -> Row | None:
        stored = self._visible(schema, row_id)
        return None if stored is None else copy.deepcopy(stored.row)

    async def batch_get(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Stored | None]:
        return [copy.deepcopy(self._visible(schema, row_id)) for row_id in row_ids]

    async def query(self, query: Query) -> list[Row]:
        schema = query.schema
        rows = [stored.row for _, stored in self._all(schema) if self._may_see(schema, stored.row)]
        rows = [row for row in rows if matches(row, query.where)]
        rows.sort(key=lambda row: sort_key(row, query.sort), reverse=query.descending)
        rows = [row for row in rows if after_key(row, query)]
        return copy.deepcopy(rows[: query.limit])

    async def marks(self) -> Marks:
        return self._engine.data.marks(self._scope.tenant_id)

    async def lock(self) -> int:
        if self._held is None:
            self._held = await self._engine.acquire(self._scope.tenant_id)
        return (await self.marks()).head

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        changes = self._engine.data.changes.get(self._scope.tenant_id, [])
        return [change for change in changes if change.number > after][:limit]

    async def read_row_changes(self, row_ids: Sequence[UUID], after: int) -> list[Change]:
        changes = self._engine.data.changes.get(self._scope.tenant_id, [])
        wanted = set(row_ids)
        return [change for change in changes if change.number > after and change.row_id in wanted]

    async def read_history(self, schema: EntitySchema, row_id: UUID) -> list[OldValue]:
        return await self.read_history_since(schema, [row_id], 0)

    async def read_history_since(
        self, schema: EntitySchema, row_ids: Sequence[UUID], after: int
    ) -> list[OldValue]:
        mine = _of_rows(schema, row_ids, [value for value in self._old_values() if value.number > after])
        return [value for value in mine if self._may_know(value)]

    def _old_values(self) -> Sequence[OldValue]:
        return self._engine.data.old_values.get(self._scope.tenant_id, [])

    async def read_tombstones(
        self, schema: EntitySchema, after: int, upto: int, *, limit: int
    ) -> list[Tombstone]:
        found = [
            tombstone
            for tombstone in self._tombstones()
            if tombstone.entity == schema.stable_name and after < tombstone.number <= upto
        ]
        return sorted(filter(self._may_know, found), key=lambda tombstone: tombstone.number)[:limit]

    async def find_tombstones(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Tombstone]:
        return [t for t in _of_rows(schema, row_ids, list(self._tombstones())) if self._may_know(t)]

    def _tombstones(self) -> Iterator[Tombstone]:
        yield from self._engine.data.tombstones.get(self._scope.tenant_id, {}).values()

    def _may_know(self, of_a_row: OldValue | Tombstone) -> bool:
        return self._scope.whole_tenant or of_a_row.owner in (None, self._scope.user_id)

    def stream(self, selection: Selection) -> AsyncGenerator[Piece, None]:
        """This engine makes no wire form by itself."""
        raise NotSupported("the memory engine does not stream", where=selection.schema.name)

    # -- writing --------------------------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> None:
        self._count(batch)
        for write in batch.writes:
            self._write_row(write)
        if batch.head is not None:
            self._log.append(batch)

    def _count(self, batch: Batch) -> None:
        limits = self._engine.limits
        self._items += (
            len(batch.writes)
            + len(batch.changes)
            + len(batch.old_values)
            + len(batch.tombstones)
            + (batch.head is not None)
        )
        if limits.transaction_items is not None and self._items > limits.transaction_items:
            raise TooLarge(f"a transaction of this engine has at most {limits.transaction_items} items")
        self._bytes += sum(len(render_row(w.schema, w.row)) for w in batch.writes if w.row is not None)
        if limits.transaction_bytes is not None and self._bytes > limits.transaction_bytes:
            raise TooLarge(f"a transaction of this engine has at most {limits.transaction_bytes} bytes")

    def _write_row(self, write: RowWrite) -> None:
        if write.schema.journaled and self._held is None:
            raise HoldfastError("journaled rows are written by a flush alone", where=write.schema.name)
        key = self.key(write.schema, write.row_id)
        there = self._lookup(write.schema, key)
        self._planned_on.setdefault((write.schema.stable_name, key), write.if_version)
        if write.if_version == 0 and there is not None:
            raise AlreadyExists(where=write.schema.name)
        if write.if_version != 0:
            seen = self._visible(write.schema, write.row_id)
            if seen is None or seen.row["version"] != write.if_version:
                raise StaleVersion(where=write.schema.name)
        if write.row is not None and not self._may_see(write.schema, write.row):
            raise Forbidden("a row is written in its owner's name alone", where=write.schema.name)
        self.put_row(write.schema, key, copy.deepcopy(write.row), write.salt)

    def put_row(self, schema: EntitySchema, key: Key, row: Row | None, salt: bytes) -> None:
        """Enter a row (None: delete) into the overlay."""
        name = schema.stable_name
        self._schemas[name] = schema
        held = None
        if row is not None:
            self._check_unique(schema, key, row)
            before = self._lookup_name(name, key)
            held = self._engine.table(schema).held(schema, row, before.row if before else None)
        self._overlay.setdefault(name, {})[key] = None if held is None else Stored(held, salt)

    def insert(self, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """Enter new rows of an entity without a log, however many they are."""
        for row in rows:
            self._write_row(RowWrite(schema, row["id"], row, 0, b""))

    def key(self, schema: EntitySchema, row_id: UUID) -> Key:
        """Where a row of this scope's tenant stands."""
        return self._scope.tenant_id, row_id

    # -- the end --------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Check what must hold at the end, then swap everything in. Without a suspension point: it is atomic."""
        for name in self._overlay:
            self._check_references(self._schemas[name])
        self._check_referrers()
        self._check_membership()
        self._plan_again()
        data = self._engine.data
        data.commits += bool(self._overlay or self._log)
        for name, rows in self._overlay.items():
            for key, stored in rows.items():
                for reader in self._engine.readers:
                    reader.keep(name, key, data.tables[name].get(key))
                data.tables[name].put(key, stored)
        for batch in self._log:
            tenant = self._scope.tenant_id
            data.heads[tenant] = batch.head or 0
            data.changes.setdefault(tenant, []).extend(batch.changes)
            data.old_values.setdefault(tenant, []).extend(batch.old_values)
            for tombstone in batch.tombstones:
                self._bury(tombstone)

    def _bury(self, tombstone: Tombstone) -> None:
        grave = tombstone.entity, tombstone.row_id
        graves = self._engine.data.tombstones.setdefault(self._scope.tenant_id, {})
        for reader in self._engine.readers:
            reader.keep_grave(self._scope.tenant_id, grave, graves.get(grave))
        graves[grave] = tombstone

    def release(self) -> None:
        """Give the tenant's lock back."""
        if self._held is not None:
            self._held.release()
            self._held = None

    def _check_unique(self, schema: EntitySchema, key: Key, row: Row) -> None:
        """Unique rules hold after each row, in the order of the batch."""
        for rule in schema.uniques:
            values = _unique_values(rule, row)
            if values is None:
                continue
            others = (stored.row for other, stored in self._all(schema) if other != key)
            if any(_unique_values(rule, other) == values for other in others):
                raise Duplicate("another row holds the same " + ", ".join(rule.fields), where=schema.name)

    def _check_references(self, schema: EntitySchema) -> None:
        fields = [field for field in schema.fields if field.reference is not None]
        for held in self._overlay[schema.stable_name].values():
            row = None if held is None else read(schema, held).row
            for field in fields:
                if row is not None and row[field.name] is not None:
                    self._check_target(
                        schema, field.name, field.reference.table if field.reference else "", row
                    )

    def _check_target(self, schema: EntitySchema, field: str, table: str, row: Row) -> None:
        target: UUID = row[field]
        if table == MEMBERS:
            found = self._is_member(target)
        else:
            found = self._lookup_name(table, (self._scope.tenant_id, target)) is not None
        if not found:
            raise ReferenceMissing(where=f"{schema.name}.{field}")

    def _is_member(self, user_id: UUID) -> bool:
        members = self._engine.data.tables.get(MEMBERSHIPS, {}).values()
        tenant = self._scope.tenant_id
        return any(m.row["tenant_id"] == tenant and m.row["user_id"] == user_id for m in members)

    def _check_referrers(self) -> None:
        """No row that stays refers to a row that goes."""
        gone = {
            (name, key)
            for name, rows in self._overlay.items()
            for key, stored in rows.items()
            if stored is None
        }
        if not gone:
            return
        for name in self._engine.data.tables:
            schema = self._schemas.get(name) or self._engine.schemas.get(name)
            for field, reference in schema.references if schema else ():
                for key, stored in self._all(schema) if schema else ():
                    if (reference.table, (key[0], stored.row[field.name])) in gone:
                        raise ReferenceMissing(where=f"{name}.{field.name}")

    def _plan_again(self) -> None:
        """Where no counter keeps others away, one may have come first: all must still hold on what stands now."""
        open_to_others = {
            name for name in self._overlay if self._held is None or not self._schemas[name].journaled
        }
        for (name, key), version in self._planned_on.items():
            if name not in open_to_others:
                continue
            there = self._engine.data.tables[name].get(key)
            if version != (0 if there is None else there.row["version"]):
                raise StaleVersion(where=name) if version else AlreadyExists(where=name)
        for name in open_to_others:
            for key, stored in list(self._overlay[name].items()):
                if stored is not None:
                    self._check_unique(self._schemas[name], key, read(self._schemas[name], stored).row)

    def _check_membership(self) -> None:
        """No row that stays refers to a member who goes."""
        before = self._engine.data.tables.get(MEMBERSHIPS, Table())
        after = self._overlay.get(MEMBERSHIPS, {})
        members = {member(stored) for stored in after.values() if stored is not None}
        gone = {member(before[key]) for key in after if key in before} - members
        for schema in self._engine.schemas.values() if gone else ():
            for field in schema.fields:
                if field.reference is None or field.reference.table != MEMBERS:
                    continue
                for key, stored in self._engine.table(schema).items():
                    if (key[0], stored.row[field.column]) in gone:
                        raise ReferenceMissing(where=f"{schema.name}.{field.name}")

    # -- visibility -----------------------------------------------------------------------------------------------

    def _visible(self, schema: EntitySchema, row_id: UUID) -> Stored | None:
        stored = self._lookup(schema, self.key(schema, row_id))
        return stored if stored is not None and self._may_see(schema, stored.row) else None

    def _may_see(self, schema: EntitySchema, row: Row) -> bool:
        scope = self._scope
        return schema.owner is None or scope.whole_tenant or row[schema.owner] == scope.user_id

    def _lookup(self, schema: EntitySchema, key: Key) -> Stored | None:
        self._engine.table(schema)
        held = self._lookup_name(schema.stable_name, key)
        return None if held is None else read(schema, held)

    def _lookup_name(self, name: str, key: Key) -> Stored | None:
        overlay = self._overlay.get(name, {})
        return overlay[key] if key in overlay else self._engine.data.tables.get(name, Table()).get(key)

    def _all(self, schema: EntitySchema) -> Iterator[tuple[Key, Stored]]:
        """The rows of this scope's tenant as they will stand."""
        overlay = self._overlay.get(schema.stable_name, {})
        tenant = self._scope.tenant_id
        for key, stored in self._engine.table(schema).of(tenant).items():
            if key not in overlay:
                yield key, read(schema, stored)
        for key, new in overlay.items():
            if new is not None and key[0] == tenant:
                yield key, read(schema, new)


def _of_rows(schema: EntitySchema, row_ids: Collection[UUID], known: Sequence[_K]) -> list[_K]:
    wanted = set(row_ids)
    return [one for one in known if one.row_id in wanted and one.entity == schema.stable_name]


def _unique_values(rule: Unique, row: Row) -> tuple[Any, ...] | None:
    """What the rule compares of a row; None where the rule leaves the row alone."""
    if rule.when is not None and not row[rule.when]:
        return None
    values = tuple(row[name] for name in rule.fields)
    return None if None in values else values
