"""A read-only transaction of the memory engine: whoever commits leaves it the rows that it may still read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from holdfast.changes.change import Change, OldValue
from holdfast.engines.memory.data import Key
from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.engines.port import Batch, Stored
from holdfast.errors import HoldfastError
from holdfast.model.schema import EntitySchema
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.engines.memory.engine import MemoryEngine


class MemoryReader(MemoryTransaction):
    """Sees the moment at which it began."""

    def __init__(self, engine: MemoryEngine, scope: Scope) -> None:
        super().__init__(engine, scope)
        self._head = engine.data.heads.get(scope.tenant_id, 0)
        engine.readers.add(self)

    def keep(self, name: str, key: Key, stored: Stored | None) -> None:
        """Remember what a row was before it changes; of several memories the first is the one that counts."""
        self._overlay.setdefault(name, {}).setdefault(key, stored)

    async def head(self) -> int:
        return self._head

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        return [c for c in await super().read_changes(after, limit=limit) if c.number <= self._head]

    async def read_history(self, schema: EntitySchema, row_id: UUID) -> list[OldValue]:
        return [v for v in await super().read_history(schema, row_id) if v.number <= self._head]

    async def lock(self) -> int:
        raise HoldfastError("a transaction that only reads takes no counter")

    async def write(self, batch: Batch) -> None:
        raise HoldfastError("a transaction that only reads writes nothing")

    def commit(self) -> None:
        """Nothing was written."""

    def release(self) -> None:
        """Nobody needs to remember anything for it any more."""
        self._engine.readers.discard(self)
