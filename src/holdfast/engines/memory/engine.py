"""`MemoryEngine`: dictionaries, copied at the border, one lock a tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from dataclasses import astuple
from datetime import UTC, datetime
from uuid import UUID, uuid4

from holdfast.engines.memory.data import Data, Table, key_of
from holdfast.engines.memory.reader import MemoryReader
from holdfast.engines.memory.steps import carry_out
from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.engines.port import (
    CALM,
    Applied,
    Capability,
    Control,
    HistoryKey,
    Inspection,
    Limits,
    Plan,
    Position,
    Pruned,
    R,
    Row,
)
from holdfast.errors import Busy, MigrationsPending, NotSupported
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step, replay
from holdfast.model.widening import takes_the_same
from holdfast.tenancy.isolation import Isolation
from holdfast.tenancy.scope import Scope

DYNAMODB_LIMITS = Limits(transaction_items=100, transaction_bytes=4_000_000)


class MemoryEngine:
    """The reference. `limits=DYNAMODB_LIMITS` makes it refuse what DynamoDB would refuse."""

    name = "memory"
    isolation = Isolation.LIBRARY

    def __init__(self, *, limits: Limits | None = None, lock_timeout: float = 5.0) -> None:
        """`lock_timeout` bounds, in seconds, how long a flush waits for a tenant's counter."""
        self.limits = limits or Limits()
        small = self.limits.transaction_items is not None
        extra = () if small else (Capability.LARGE_TRANSACTIONS,)
        self.capabilities: frozenset[Capability] = frozenset({Capability.INGEST, *extra})
        self.data = Data()
        self.schemas: dict[str, EntitySchema] = {}
        self.readers: set[MemoryReader] = set()
        self._ledger: dict[str, Applied] = {}
        self._medium = f"memory:{uuid4()}"
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._lock_timeout = lock_timeout

    def begin(
        self, scope: Scope, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[MemoryTransaction]:
        """See the port."""
        return self._begin(scope, read_only=read_only)

    @asynccontextmanager
    async def _begin(self, scope: Scope, *, read_only: bool) -> AsyncIterator[MemoryTransaction]:
        tx = MemoryReader(self, scope) if read_only else MemoryTransaction(self, scope)
        try:
            yield tx
            tx.commit()
        finally:
            tx.release()

    async def acquire(self, tenant_id: UUID) -> asyncio.Lock:
        """The tenant's lock, held. Raises Busy after the bounded wait."""
        lock = self._locks.setdefault(tenant_id, asyncio.Lock())
        try:
            async with asyncio.timeout(self._lock_timeout):
                await lock.acquire()
        except TimeoutError:
            raise Busy("this tenant's counter is held too long") from None
        return lock

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """This engine has no plans."""
        raise NotSupported("the memory engine has no compiled plans", where=type(plan).__name__)

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """See the port."""
        if schema.journaled:
            raise NotSupported("journaled rows are written by a flush alone", where=schema.name)
        async with self.begin(scope) as tx:
            tx.insert(schema, rows)

    def table(self, schema: EntitySchema) -> Table:
        """The rows of an entity. Raises MigrationsPending for one that was never created."""
        try:
            return self.data.tables[schema.stable_name]
        except KeyError:
            raise MigrationsPending(where=schema.name) from None

    async def apply(
        self, steps: Sequence[Step], *, revision: str, checksum: str, control: Control = CALM
    ) -> None:
        """See the port."""
        if revision in self._ledger:
            return
        began = datetime.now(UTC)
        self._carry_out(steps, control)
        now = datetime.now(UTC)
        took = (now - began).total_seconds()
        self._ledger[revision] = Applied(
            revision, checksum, now, took, release=control.release, phase=control.phase
        )

    async def revert(self, steps: Sequence[Step], *, revision: str, control: Control = CALM) -> None:
        """See the port."""
        if revision in self._ledger:
            self._carry_out(steps, control)
            del self._ledger[revision]

    async def foresee(self, steps: Sequence[Step], *, control: Control = CALM) -> None:
        """See the port: they are carried out on a copy."""
        trial = Data(tables=deepcopy(self.data.tables), aside=deepcopy(self.data.aside))
        for step in steps:
            carry_out(trial, step, control)

    def _carry_out(self, steps: Sequence[Step], control: Control) -> None:
        for step in steps:
            carry_out(self.data, step, control)
            self.schemas = replay((step,), self.schemas)

    async def applied(self) -> dict[str, str]:
        """See the port."""
        return {revision: entry.checksum for revision, entry in self._ledger.items()}

    async def history(self) -> list[Applied]:
        """See the port."""
        return list(self._ledger.values())

    async def refresh(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """Nothing here is generated."""
        return []

    async def inspect(self, schemas: Iterable[EntitySchema]) -> Inspection:
        """Tables and columns that are missing or not declared."""
        findings = [finding for schema in schemas for finding in self._compared(schema)]
        rows = sum(len(table) for table in self.data.tables.values())
        return Inspection({"rows": rows}, tuple(findings))

    def _compared(self, schema: EntitySchema) -> Iterator[str]:
        table = self.data.tables.get(schema.stable_name)
        if table is None:
            yield f"{schema.name}: the table is missing"
            return
        declared = {field.column: field for field in schema.fields}
        for column in declared.keys() - table.fields.keys():
            yield f"{schema.name}: column {column} is missing"
        for column in table.fields.keys() - declared.keys():
            yield f"{schema.name}: column {column} is not declared"
        for column in table.fields.keys() & declared.keys():
            if not takes_the_same(table.fields[column], declared[column]):
                yield f"{schema.name}: column {column} takes other values than declared"

    async def collect(self, tenant_id: UUID, horizon: int) -> int:
        """See the port."""
        marks = self.data.marks(tenant_id)
        reached = max(marks.horizon, min(horizon, marks.head))
        graves = self.data.tombstones.get(tenant_id, {})
        gone = [grave for grave, tombstone in graves.items() if tombstone.number <= reached]
        for grave in gone:
            for reader in self.readers:
                reader.keep_grave(tenant_id, grave, graves[grave])
            del graves[grave]
        if tenant_id in self.data.heads:
            self.data.horizons[tenant_id] = reached
        return len(gone)

    async def prune_history(
        self, tenant_id: UUID, upto: int, *, after: HistoryKey | None = None, limit: int = 5_000
    ) -> Pruned:
        """See the port."""
        reached = min(upto, self.data.marks(tenant_id).horizon)
        values = self.data.old_values.get(tenant_id, [])
        keys = sorted((key_of(value) for value in values), key=astuple)
        page = [key for key in keys if after is None or astuple(key) > astuple(after)][:limit]
        gone = {key for key in page if key.number <= reached}
        if gone:  # a new list: a reader that is open keeps the one before
            self.data.old_values[tenant_id] = [value for value in values if key_of(value) not in gone]
        return Pruned(len(gone), page[-1] if len(page) == limit else None)

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """This engine keeps no plans."""
        raise NotSupported("the memory engine has no compiled plans")

    async def drop_plans(self, names: Sequence[str]) -> int:
        """This engine keeps no plans."""
        raise NotSupported("the memory engine has no compiled plans")

    async def position(self) -> Position:
        """Where it stands: the commits since it was made. Another engine is another medium."""
        return Position(self._medium, self.data.commits)

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """See the port."""
        for schema in schemas:
            table = self.table(schema)
            for key in list(table.of(tenant_id)):
                del table[key]
        self.data.forget(tenant_id)

    async def ping(self) -> None:
        """Always there."""

    async def aclose(self) -> None:
        """Nothing to give back."""
