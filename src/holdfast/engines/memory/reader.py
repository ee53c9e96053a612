"""A read-only transaction of the memory engine: whoever commits leaves it the rows that it may still read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Tombstone
from holdfast.engines.memory.data import Grave, Key
from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.engines.port import Batch, Marks, Stored
from holdfast.errors import HoldfastError
from holdfast.model.schema import EntitySchema
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.engines.memory.engine import MemoryEngine


class MemoryReader(MemoryTransaction):
    """Sees the moment at which it began."""

    def __init__(self, engine: MemoryEngine, scope: Scope) -> None:
        super().__init__(engine, scope)
        self._marks = engine.data.marks(scope.tenant_id)
        self._history = engine.data.old_values.get(scope.tenant_id, [])
        self._graves: dict[Grave, Tombstone | None] = {}
        engine.readers.add(self)

    def keep(self, name: str, key: Key, stored: Stored | None) -> None:
        """Remember what a row was before it changes; of several memories the first is the one that counts."""
        self._overlay.setdefault(name, {}).setdefault(key, stored)

    def keep_grave(self, tenant_id: UUID, grave: Grave, tombstone: Tombstone | None) -> None:
        """The same for a tombstone that another replaces, or that is collected."""
        if tenant_id == self._scope.tenant_id:
            self._graves.setdefault(grave, tombstone)

    async def marks(self) -> Marks:
        return self._marks

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        return [c for c in await super().read_changes(after, limit=limit) if c.number <= self._marks.head]

    async def read_row_changes(self, row_ids: Sequence[UUID], after: int) -> list[Change]:
        return [c for c in await super().read_row_changes(row_ids, after) if c.number <= self._marks.head]

    async def read_history_since(
        self, schema: EntitySchema, row_ids: Sequence[UUID], after: int
    ) -> list[OldValue]:
        values = await super().read_history_since(schema, row_ids, after)
        return [value for value in values if value.number <= self._marks.head]

    def _old_values(self) -> Sequence[OldValue]:
        return self._history

    def _tombstones(self) -> Iterator[Tombstone]:
        for grave, tombstone in self._engine.data.tombstones.get(self._scope.tenant_id, {}).items():
            if grave not in self._graves:
                yield tombstone
        yield from (kept for kept in self._graves.values() if kept is not None)

    async def lock(self) -> int:
        raise HoldfastError("a transaction that only reads takes no counter")

    async def write(self, batch: Batch) -> None:
        raise HoldfastError("a transaction that only reads writes nothing")

    def commit(self) -> None:
        """Nothing was written."""

    def release(self) -> None:
        """Nobody needs to remember anything for it any more."""
        self._engine.readers.discard(self)
