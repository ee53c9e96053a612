"""A transaction: writes are tried at once on a state of its own, and again at the end if another came in between."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from holdfast.engines.port import (
    Batch,
    Change,
    Condition,
    EntitySchema,
    Marks,
    OldValue,
    Op,
    Piece,
    Query,
    Row,
    Scope,
    Selection,
    Stored,
    Tombstone,
)
from holdfast.errors import HoldfastError, NotSupported
from jsonl_engine.state import Table, TenantState, may_see, written

if TYPE_CHECKING:
    from jsonl_engine.engine import JsonlEngine


class JsonlTransaction:
    """See `holdfast.engines.port.Transaction`."""

    def __init__(self, engine: JsonlEngine, scope: Scope, *, read_only: bool) -> None:
        self._engine = engine
        self._scope = scope
        self._read_only = read_only
        self._locked = False
        self._began_with = engine.tenant(scope.tenant_id)
        self._own: TenantState | None = self._began_with if read_only else None
        self._batches: list[tuple[Scope, Batch]] = []

    @property
    def _state(self) -> TenantState:
        """What this transaction sees: one moment, if it only reads; its own writes, once it has some."""
        return self._own or self._engine.tenant(self._scope.tenant_id)

    async def act_as(self, scope: Scope) -> None:
        if scope.tenant_id != self._scope.tenant_id:
            raise HoldfastError("a transaction belongs to one tenant")
        self._scope = scope

    # -- rows -----------------------------------------------------------------------------------------------------

    async def get(self, schema: EntitySchema, row_id: UUID) -> Row | None:
        stored = self._visible(schema, row_id)
        return None if stored is None else copy.deepcopy(stored.row)

    async def batch_get(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Stored | None]:
        return [copy.deepcopy(self._visible(schema, row_id)) for row_id in row_ids]

    async def query(self, query: Query) -> list[Row]:
        def place(row: Row) -> tuple[Any, ...]:
            return _place(row[query.sort], row["id"])

        rows = [stored.row for stored in self._table(query.schema).values()]
        found = [row for row in rows if may_see(query.schema, row, self._scope) and _meets(row, query.where)]
        if query.after is not None:
            last = _place(query.after.row_id if query.sort == "id" else query.after.value, query.after.row_id)
            found = [row for row in found if (place(row) < last if query.descending else place(row) > last)]
        found.sort(key=place, reverse=query.descending)
        return copy.deepcopy(found[: query.limit])

    def _visible(self, schema: EntitySchema, row_id: UUID) -> Stored | None:
        stored = self._table(schema).get(row_id)
        return stored if stored is not None and may_see(schema, stored.row, self._scope) else None

    def _table(self, schema: EntitySchema) -> Table:
        self._engine.demand(schema)
        return self._state.table(schema.stable_name)

    # -- the log --------------------------------------------------------------------------------------------------

    async def lock(self) -> int:
        if self._read_only:
            raise HoldfastError("a transaction that only reads takes no counter")
        if not self._locked:
            await self._engine.take_counter(self._scope.tenant_id)
            self._locked = True
            self._begin_again()
        return self._state.marks.head

    async def marks(self) -> Marks:
        return self._state.marks

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        return [change for change in self._state.changes if change.number > after][:limit]

    async def read_row_changes(self, row_ids: Sequence[UUID], after: int) -> list[Change]:
        wanted = set(row_ids)
        return [c for c in self._state.changes if c.number > after and c.row_id in wanted]

    async def read_history(self, schema: EntitySchema, row_id: UUID) -> list[OldValue]:
        return await self.read_history_since(schema, [row_id], 0)

    async def read_history_since(
        self, schema: EntitySchema, row_ids: Sequence[UUID], after: int
    ) -> list[OldValue]:
        wanted = set(row_ids)
        return [
            old
            for old in self._state.old_values
            if old.number > after
            and old.entity == schema.stable_name
            and old.row_id in wanted
            and self._may_know(old.owner)
        ]

    async def read_tombstones(
        self, schema: EntitySchema, after: int, upto: int, *, limit: int
    ) -> list[Tombstone]:
        found = [grave for grave in self._graves(schema) if after < grave.number <= upto]
        return sorted(found, key=lambda grave: grave.number)[:limit]

    async def find_tombstones(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Tombstone]:
        wanted = set(row_ids)
        return [grave for grave in self._graves(schema) if grave.row_id in wanted]

    def _graves(self, schema: EntitySchema) -> list[Tombstone]:
        graves = self._state.tombstones.values()
        return [g for g in graves if g.entity == schema.stable_name and self._may_know(g.owner)]

    def _may_know(self, owner: UUID | None) -> bool:
        return self._scope.whole_tenant or owner in (None, self._scope.user_id)

    def stream(self, selection: Selection) -> AsyncGenerator[Piece, None]:
        """A capability that this engine lacks."""
        raise NotSupported("this engine makes no wire form by itself", where=selection.schema.name)

    # -- writing --------------------------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> None:
        if self._read_only:
            raise HoldfastError("a transaction that only reads writes nothing")
        for write in batch.writes:
            self._engine.demand(write.schema)
            if write.schema.journaled and not self._locked:
                raise HoldfastError("journaled rows are written by a flush alone", where=write.schema.name)
        if self._own is None:
            self._began_with = self._engine.tenant(self._scope.tenant_id)
        batch = replace(batch, writes=[replace(w, row=copy.deepcopy(w.row)) for w in batch.writes])
        self._own = written(self._state, batch, self._scope)
        self._batches.append((self._scope, batch))

    def commit(self) -> None:
        """Hand what was written to the engine."""
        if self._batches:
            self._begin_again()
            self._engine.commit(self._scope.tenant_id, self._state, [batch for _, batch in self._batches])

    def _begin_again(self) -> None:
        """The counter keeps other flushes away, but not what needs no counter: where something has come in between, what was
        written is written again on what stands now.
        """
        now = self._engine.tenant(self._scope.tenant_id)
        if self._batches and now is not self._began_with:
            self._began_with = now
            for scope, batch in self._batches:
                now = written(now, batch, scope)
            self._own = now

    def release(self) -> None:
        """Give the counter back."""
        if self._locked:
            self._engine.give_counter_back(self._scope.tenant_id)
            self._locked = False


# -- filters and order: bytewise text, ties by id, absent values first ------------------------------------------------


def _place(value: Any, row_id: UUID) -> tuple[Any, ...]:
    return value is not None, 0 if value is None else _comparable(value), row_id.bytes


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    return value.bytes if isinstance(value, UUID) else value


def _meets(row: Row, conditions: Sequence[Condition]) -> bool:
    return all(_holds(row[each.field], each) for each in conditions)


def _holds(value: Any, condition: Condition) -> bool:
    match condition.op:
        case Op.EQ:
            return bool(value == condition.value)
        case Op.IN:
            return value in condition.value
    if value is None or condition.value is None:
        return False
    left, right = _comparable(value), _comparable(condition.value)
    match condition.op:
        case Op.GT:
            return bool(left > right)
        case Op.GE:
            return bool(left >= right)
        case Op.LT:
            return bool(left < right)
        case _:
            return bool(left <= right)
