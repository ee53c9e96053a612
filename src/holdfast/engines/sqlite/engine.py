"""`SqliteEngine`: one file, a connection that writes and some that read, transactions, steps."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

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
    UnderWay,
)
from holdfast.engines.sqlite import _ledger, _log
from holdfast.engines.sqlite._alter import foresee
from holdfast.engines.sqlite._inspect import inspect_file
from holdfast.engines.sqlite._migrator import Migrator, one_migrator
from holdfast.engines.sqlite._names import is_realm, table_name
from holdfast.engines.sqlite._review import review
from holdfast.engines.sqlite._statements import Library
from holdfast.engines.sqlite.connections import Connection, Raw, Readers, Writer
from holdfast.engines.sqlite.files import Medium
from holdfast.engines.sqlite.location import Location, read_position
from holdfast.engines.sqlite.transaction import SqliteReader, SqliteTransaction
from holdfast.errors import Busy, NotSupported
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.tenancy.isolation import Isolation
from holdfast.tenancy.scope import REALM_TENANT, Scope

T = TypeVar("T")
_CONTENDED_SECONDS: Final = 30.0
"""For how long a tenant's flushes begin alone in the file, after another process came between."""


class SqliteEngine:
    """Rows in one SQLite file; only this code keeps tenants apart."""

    name = "sqlite"
    isolation = Isolation.LIBRARY

    def __init__(self, medium: Medium, writer: Connection, *, pool_size: int, lock_timeout: float) -> None:
        """`open` makes one."""
        self.limits = Limits()
        durable = (Capability.DURABLE,) if medium.durable else ()
        self.capabilities: frozenset[Capability] = frozenset(
            {Capability.LARGE_TRANSACTIONS, Capability.INGEST, Capability.STREAM, *durable}
        )
        self.library = Library()
        self.writer = Writer(writer, medium, lock_timeout)
        self.readers = Readers(medium, pool_size, wait=lock_timeout)
        self.medium = medium
        self._lock_timeout = lock_timeout
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._contended: dict[UUID, float] = {}

    @classmethod
    async def open(
        cls, location: Location, *, pool_size: int = 10, lock_timeout: float = 5.0
    ) -> SqliteEngine:
        """The engine, its file open, and made where it was missing. Raises ConfigurationError, SchemaError.

        `pool_size` bounds how many transactions read at once, `lock_timeout`, in seconds, how long one waits for another.
        """
        medium = Medium(location)
        try:
            writer = await Connection.open("holdfast-writer", medium.open)
        except BaseException:
            medium.forget()
            raise
        return cls(medium, writer, pool_size=pool_size, lock_timeout=lock_timeout)

    @property
    def path(self) -> Path:
        """Where the file is; of a database in memory, for as long as it is open."""
        return self.medium.path

    # -- transactions ---------------------------------------------------------------------------------------------

    def begin(self, scope: Scope, *, read_only: bool = False) -> AbstractAsyncContextManager[SqliteReader]:
        """See the port."""
        return SqliteReader(self, scope) if read_only else SqliteTransaction(self, scope)

    async def take_turn(self, tenant_id: UUID) -> asyncio.Lock:
        """The tenant's turn in this process, taken. Raises Busy after the bounded wait."""
        turn = self._turns.setdefault(tenant_id, asyncio.Lock())
        try:
            async with asyncio.timeout(self._lock_timeout):
                await turn.acquire()
        except TimeoutError:
            raise Busy("this tenant's counter is held too long") from None
        return turn

    def contend(self, tenant_id: UUID) -> None:
        """Another process writes in this tenant as well: for a while its flushes begin alone in the file."""
        self._contended[tenant_id] = time.monotonic() + _CONTENDED_SECONDS

    def is_contended(self, tenant_id: UUID) -> bool:
        """Whether another process came between a while ago."""
        until = self._contended.get(tenant_id)
        if until is not None and until < time.monotonic():
            del self._contended[tenant_id]
            return False
        return until is not None

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """This engine has no plans."""
        raise NotSupported("the SQLite engine has no compiled plans", where=type(plan).__name__)

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """See the port."""
        if schema.journaled:
            raise NotSupported("journaled rows are written by a flush alone", where=schema.name)
        async with SqliteTransaction(self, scope) as tx:
            await tx.ingest(schema, rows)

    # -- schema ---------------------------------------------------------------------------------------------------

    async def apply(
        self, steps: Sequence[Step], *, revision: str, checksum: str, control: Control = CALM
    ) -> None:
        """See the port. A transaction for each step, so that it is done or not; what makes new things is one transaction."""
        async with one_migrator(self.medium):
            if revision not in await self.applied():
                await Migrator(self, revision, control).run(
                    steps, partial(_ledger.enter, revision=revision, mark=checksum)
                )

    async def revert(self, steps: Sequence[Step], *, revision: str, control: Control = CALM) -> None:
        """See the port."""
        async with one_migrator(self.medium):
            if revision in await self.applied():
                await Migrator(self, revision + _ledger.DOWN, control).run(
                    steps, partial(_ledger.strike, revision=revision)
                )

    async def foresee(self, steps: Sequence[Step], *, control: Control = CALM) -> None:
        """See the port."""
        await self.looked_at(partial(foresee, steps=steps, control=control))

    async def under_way(self) -> list[UnderWay]:
        """See the port."""
        return await self.looked_at(_ledger.read_under_way)

    async def is_migrating(self) -> bool:
        """See the port."""
        held = self.medium.hold()
        if held is not None:
            held.release()
        return held is None

    async def abandon(
        self, steps: Sequence[Step], *, revision: str, checksum: str, left: int, control: Control = CALM
    ) -> None:
        """See the port."""
        async with one_migrator(self.medium):
            await self.maintained(
                partial(_ledger.abandon, revision=revision, steps=steps, left=left, control=control)
            )

    async def maintained(self, job: Callable[[Raw], T], *, references: bool = True) -> T:
        """A transaction of its own, alone in the file, in which the guards let pass. Raises Busy."""
        async with SqliteTransaction(self, _REALM) as tx:
            return await tx.maintain(job, references=references)

    async def looked_at(self, job: Callable[[Raw], T]) -> T:
        """What `job` reads."""
        async with self.readers.lent(REALM_TENANT) as connection:
            return await connection.call(job)

    async def refresh(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """See the port: nothing is generated here; what the ledger of an earlier release lacks is made."""
        if not await self.looked_at(_ledger.is_settled):
            async with one_migrator(self.medium):
                await self.maintained(_ledger.settle)
        return []

    def sql(self, steps: Sequence[Step], *, before: Sequence[Step] = ()) -> list[str]:
        """What `apply` would run on the file as it stands once `before` are carried out, for people to read."""
        return review(self.path, steps, before)

    async def history(self) -> list[Applied]:
        """See the port."""
        return await self.looked_at(_ledger.read_history)

    async def applied(self) -> dict[str, str]:
        """See the port."""
        return await self.looked_at(_ledger.read_ledger)

    async def inspect(self, schemas: Iterable[EntitySchema]) -> Inspection:
        """See the port."""
        return await self.looked_at(partial(inspect_file, list(schemas)))

    # -- maintenance ----------------------------------------------------------------------------------------------

    async def collect(self, tenant_id: UUID, horizon: int) -> int:
        """See the port."""
        async with SqliteTransaction(self, Scope.system(tenant_id, reason="collect tombstones")) as tx:
            return await tx.maintain(lambda raw: _log.collect(raw, tenant_id, horizon))

    async def prune_history(
        self, tenant_id: UUID, upto: int, *, after: HistoryKey | None = None, limit: int = 5_000
    ) -> Pruned:
        """See the port."""
        async with SqliteTransaction(self, Scope.system(tenant_id, reason="prune the history")) as tx:
            return await tx.maintain(lambda raw: _log.prune_history(raw, tenant_id, upto, after, limit))

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """This engine keeps no plans."""
        raise NotSupported("the SQLite engine has no compiled plans")

    async def drop_plans(self, names: Sequence[str]) -> int:
        """This engine keeps no plans."""
        raise NotSupported("the SQLite engine has no compiled plans")

    async def position(self) -> Position:
        """See the port. The moment counts the transactions that have written; the medium's name stands in the file."""
        self.medium.demand_same()
        return await self.looked_at(read_position)

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """See the port."""
        tables = [table_name(schema) for schema in schemas if not is_realm(schema)]
        async with SqliteTransaction(self, Scope.system(tenant_id, reason="forget the tenant")) as tx:
            await tx.maintain(lambda raw: _log.forget(raw, tenant_id, tables))

    async def ping(self) -> None:
        """See the port."""
        self.medium.demand_same()
        await self.looked_at(read_position)

    async def facts(self) -> dict[str, Any]:
        """What `status` prints: versions and the connections."""
        readers = self.readers
        return {
            "server": f"SQLite {sqlite3.sqlite_version}",
            "pool": {"open": readers.open_connections, "idle": readers.idle_connections, "max": readers.size},
        }

    async def aclose(self) -> None:
        """Close the file. The last connection of all processes folds the write-ahead log in."""
        await self.readers.aclose()
        await self.writer.connection.aclose()
        self.medium.forget()


_REALM = Scope.realm(reason="change the schema")
