"""What one test stands on: an engine, and two tenants that no other test knows.

In ours are Ann and Bob; in the other is Cleo. `everyone` acts for our whole tenant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from holdfast.changes.change import (
    Change,
    OldValue,
    Operation,
    Tombstone,
    canonical,
    commitment,
    new_salt,
    value_hash,
)
from holdfast.engines.port import Batch, Engine, Row, RowWrite, Stored
from holdfast.identity.principal import Role
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.plain import normalise_fields
from holdfast.model.query import Query
from holdfast.model.schema import EntitySchema
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START, ManualClock
from holdfast.testing.conformance.entities import CATALOG
from holdfast.testing.conformance.harness import Harness

CURSOR_SECRET = b"the suite signs its cursors so"


@dataclass(frozen=True, slots=True)
class World:
    """An engine, the way behind it, and the scopes of the people in two fresh tenants."""

    harness: Harness
    engine: Engine
    ann: Scope
    bob: Scope
    everyone: Scope
    cleo: Scope
    strangers: Scope
    catalog: Catalog = CATALOG

    @classmethod
    async def make(cls, harness: Harness, engine: Engine) -> World:
        """Two new tenants with their members."""
        ours, theirs, ann, bob, cleo = (new_id() for _ in range(5))
        await harness.make_tenant(engine, ours)
        await harness.make_tenant(engine, theirs)
        for tenant, user in ((ours, ann), (ours, bob), (theirs, cleo)):
            await harness.make_member(engine, tenant, user)
        return cls(
            harness,
            engine,
            ann=Scope(ours, Role.MEMBER, ann),
            bob=Scope(ours, Role.MEMBER, bob),
            everyone=Scope.system(ours, reason="conformance"),
            cleo=Scope(theirs, Role.MEMBER, cleo),
            strangers=Scope.system(theirs, reason="conformance"),
        )

    @property
    def tenant(self) -> UUID:
        """Our tenant."""
        return self.ann.tenant_id

    def schema(self, entity: type[Entity]) -> EntitySchema:
        """The schema of one of the suite's entities."""
        return self.catalog.schema(entity)

    def store(self, clock: ManualClock | None = None) -> Store:
        """A store on the engine; do not close it, the engine is everybody's."""
        return Store(self.engine, self.catalog, cursor_secret=CURSOR_SECRET, clock=clock or ManualClock())

    # -- writes through the port, planned by hand -----------------------------------------------------------------

    def row(self, scope: Scope, entity: Entity, *, at: datetime = START) -> Row:
        """The row that `entity` is when it is first stored in `scope`; its owner is the scope's person."""
        schema = self.schema(type(entity))
        values = {field.name: getattr(entity, field.name) for field in schema.fields}
        if schema.owner is not None and values[schema.owner] is None:
            values[schema.owner] = scope.user_id
        system = {"id": entity.id, "version": 1, "created_at": at, "updated_at": at}
        return {**system, **normalise_fields(schema, values)}

    def creation(self, scope: Scope, entity: Entity) -> RowWrite:
        """The write that stores `entity`."""
        return RowWrite(self.schema(type(entity)), entity.id, self.row(scope, entity), 0, new_salt())

    async def update(self, scope: Scope, entity: type[Entity], row: Row, **values: Any) -> RowWrite:
        """The write that changes some fields of a stored row."""
        schema = self.schema(entity)
        salt = await self._salt(scope, schema, row["id"])
        new = {**row, **normalise_fields(schema, values), "version": row["version"] + 1}
        return RowWrite(schema, row["id"], new, row["version"], salt)

    async def deletion(self, scope: Scope, entity: type[Entity], row: Row) -> RowWrite:
        """The write that deletes a stored row."""
        schema = self.schema(entity)
        salt = await self._salt(scope, schema, row["id"])
        return RowWrite(schema, row["id"], None, row["version"], salt)

    async def _salt(self, scope: Scope, schema: EntitySchema, row_id: UUID) -> bytes:
        async with self.engine.begin(scope, read_only=True) as tx:
            (stored,) = await tx.batch_get(schema, [row_id])
        return b"\0" * 16 if stored is None else stored.salt

    async def flush(self, scope: Scope, *writes: RowWrite) -> int:
        """One flush, done as the port asks for it. Returns the new head."""
        async with self.engine.begin(scope) as tx:
            head = await tx.lock()
            await tx.write(log_of(scope, head, writes))
        await self.harness.settle(self.engine)
        return head + len(writes)

    async def put(self, scope: Scope, *entities: Entity) -> list[Row]:
        """Store entities in one flush; returns their rows."""
        writes = [self.creation(scope, entity) for entity in entities]
        await self.flush(scope, *writes)
        return [write.row for write in writes if write.row is not None]

    async def plant(self, scope: Scope, entity: Entity) -> Row:
        """Put a row into the medium behind the port; returns it."""
        row = self.row(scope, entity)
        await self.harness.plant_raw(self.engine, self.schema(type(entity)), scope.tenant_id, row)
        return row

    async def peek(self, scope: Scope, entity: type[Entity], row_id: UUID) -> Mapping[str, Any] | None:
        """The row in the medium, past everything that hides it."""
        return await self.harness.peek_raw(self.engine, self.schema(entity), scope.tenant_id, row_id)

    # -- reads through the port -----------------------------------------------------------------------------------

    async def get(self, scope: Scope, entity: type[Entity], row_id: UUID) -> Row | None:
        """The row as `scope` sees it."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return await tx.get(self.schema(entity), row_id)

    async def batch_get(
        self, scope: Scope, entity: type[Entity], row_ids: Sequence[UUID]
    ) -> list[Stored | None]:
        """The rows as `scope` sees them."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return await tx.batch_get(self.schema(entity), row_ids)

    async def query(self, scope: Scope, entity: type[Entity], **query: Any) -> list[Row]:
        """The rows of a list as `scope` sees them."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return await tx.query(Query(self.schema(entity), **query))

    async def head(self, scope: Scope) -> int:
        """The tenant's head."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return (await tx.marks()).head

    async def changes(self, scope: Scope) -> list[Change]:
        """The tenant's whole log."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return await tx.read_changes(0, limit=100_000)

    async def history(self, scope: Scope, entity: type[Entity], row_id: UUID) -> list[OldValue]:
        """The row's old values as `scope` sees them."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return await tx.read_history(self.schema(entity), row_id)


def log_of(scope: Scope, head: int, writes: Sequence[RowWrite]) -> Batch:
    """The batch of a flush that begins at `head`: the writes, a change for each, the salt and the tombstone of what is
    deleted.
    """
    last = head + len(writes)
    changes = [_change(scope, number, last, write) for number, write in enumerate(writes, head + 1)]
    old = [_salt_of(number, write) for number, write in enumerate(writes, head + 1) if write.row is None]
    graves = [
        _grave(scope, number, write) for number, write in enumerate(writes, head + 1) if write.row is None
    ]
    return Batch(writes, changes, old, last, graves)


def _change(scope: Scope, number: int, last: int, write: RowWrite) -> Change:
    version = write.if_version + 1
    names = () if write.row is None else tuple(sorted(field.name for field in write.schema.fields))
    hashes = {name: value_hash(_plain(write, name)) for name in names}
    created = Operation.CREATE if write.if_version == 0 else Operation.UPDATE
    return Change(
        tenant_id=scope.tenant_id,
        number=number,
        flush_end=last,
        entity=write.schema.name,
        row_id=write.row_id,
        op=Operation.DELETE if write.row is None else created,
        fields=names,
        version=version,
        actor=scope.user_id,
        device=scope.device,
        at=START,
        commitment=commitment(write.salt, version, hashes),
    )


def _plain(write: RowWrite, name: str) -> Any:
    value = None if write.row is None else write.row[name]
    return None if value is None else write.schema.by_name[name].type.encode(value)


def _grave(scope: Scope, number: int, write: RowWrite) -> Tombstone:
    owner = scope.user_id if write.schema.owner else None
    return Tombstone(write.schema.name, write.row_id, number, owner, scope.device)


def _salt_of(number: int, write: RowWrite) -> OldValue:
    return OldValue(write.schema.name, write.row_id, number, "commit_salt", canonical(write.salt.hex()))
