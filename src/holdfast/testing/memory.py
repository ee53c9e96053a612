"""The memory engine under the conformance suite, in each of the ways in which it can be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from holdfast.changes.change import new_salt
from holdfast.engines.memory import MemoryEngine
from holdfast.engines.memory.data import Table
from holdfast.engines.port import Engine, Limits, Row, Stored
from holdfast.model.entity import Entity
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.tenancy.scope import REALM_TENANT
from holdfast.testing.clock import START
from holdfast.testing.conformance.entities import CATALOG, Membership, Tenant
from holdfast.testing.conformance.harness import Harness, raw_tenant


class MemoryHarness(Harness):
    """Makes memory engines; their dictionaries are the medium."""

    lock_timeout = 0.3

    def __init__(self, kind: type[MemoryEngine] = MemoryEngine, *, limits: Limits | None = None) -> None:
        """`kind` is the class to make; `limits` are the engine's own unless given."""
        self._kind = kind
        self._limits = limits

    async def make_engine(self, steps: Sequence[Step]) -> Engine:
        """See the base class."""
        engine = self._kind(limits=self._limits, lock_timeout=self.lock_timeout)
        if steps:
            await engine.apply(steps, revision="kit", checksum="kit")
        return engine

    async def make_tenant(self, engine: Engine, tenant_id: UUID) -> None:
        """Behind the port, because the realm of a whole run of tests grows long, and its unique rules are searched."""
        await self._plant(engine, Tenant(id=tenant_id, slug=str(tenant_id)))

    async def make_member(self, engine: Engine, tenant_id: UUID, user_id: UUID) -> None:
        """See `make_tenant`."""
        await self._plant(engine, Membership(tenant_id=tenant_id, user_id=user_id))

    async def _plant(self, engine: Engine, entity: Entity) -> None:
        schema = CATALOG.schema(type(entity))
        values = {field.name: getattr(entity, field.name) for field in schema.fields}
        system = {"id": entity.id, "version": 1, "created_at": START, "updated_at": START}
        await self.plant_raw(engine, schema, REALM_TENANT, {**system, **values})

    async def plant_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row) -> None:
        """See the base class."""
        _tables(engine)[schema.name][raw_tenant(schema, tenant_id), row["id"]] = Stored(dict(row), new_salt())

    async def peek_raw(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row_id: UUID
    ) -> Mapping[str, Any] | None:
        """See the base class."""
        stored = _tables(engine)[schema.name].get((raw_tenant(schema, tenant_id), row_id))
        return None if stored is None else dict(stored.row)


def _tables(engine: Engine) -> dict[str, Table]:
    assert isinstance(engine, MemoryEngine)
    return engine.data.tables
