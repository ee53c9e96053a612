"""What an engine's author supplies: how the engine is made, and three ways past it into the medium."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from holdfast.engines.port import Batch, Engine, Row, RowWrite
from holdfast.errors import NotSupported
from holdfast.model.catalog import Catalog
from holdfast.model.diff import in_reference_order
from holdfast.model.ids import new_id
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import CreateEntity, CreateLog, CreatePlans, CreateTombstones, Step
from holdfast.tenancy.scope import REALM_TENANT, Scope
from holdfast.testing.clock import START
from holdfast.testing.conformance.entities import CATALOG, Membership, Tenant


class Harness(ABC):
    """How the suite gets at an engine, and at its medium behind the port. One harness may make several engines."""

    lock_timeout: float = 1.0
    """How long, in seconds, the engines that this harness makes wait for a tenant's counter before they are Busy."""

    @abstractmethod
    async def make_engine(self, steps: Sequence[Step]) -> Engine:
        """An engine on a new, empty medium, `steps` applied to it as the revision "kit" unless there are none."""

    @abstractmethod
    async def plant_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row) -> None:
        """Put a row into the medium, past the port and past every rule but the medium's keys."""

    @abstractmethod
    async def peek_raw(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row_id: UUID
    ) -> Mapping[str, Any] | None:
        """The row as the medium holds it, under its fields' names and in the values of the port (`decode_row` makes them of
        plain ones), or None. No scope hides anything from it.
        """

    async def write_raw_outside_flush(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row
    ) -> None:
        """Insert a row with the means of the running application, rightly scoped, but by another way than a flush.

        The medium must refuse it. Asked for only of engines with `Capability.ROW_SECURITY`.
        """
        raise NotSupported("this medium has no door beside the port", where=engine.name)

    async def settle(self, engine: Engine) -> None:  # noqa: B027 (few media ask for it)
        """Wait until what was committed is seen everywhere. Nothing to wait for unless a medium says so."""

    async def close(self, engine: Engine) -> None:
        """Give back what `make_engine` made."""
        await engine.aclose()

    async def make_tenant(self, engine: Engine, tenant_id: UUID) -> None:
        """Enter a tenant into the realm: counters refer to it."""
        tenant = {"slug": str(tenant_id)}
        await _enter(engine, CATALOG.schema(Tenant), tenant_id, tenant)

    async def make_member(self, engine: Engine, tenant_id: UUID, user_id: UUID) -> None:
        """Make a person a member of a tenant: owners and `Member` fields refer to members."""
        membership = {"tenant_id": tenant_id, "user_id": user_id, "role": "member"}
        await _enter(engine, CATALOG.schema(Membership), new_id(), membership)


async def _enter(engine: Engine, schema: EntitySchema, row_id: UUID, values: Row) -> None:
    row = {"id": row_id, "version": 1, "created_at": START, "updated_at": START, **values}
    async with engine.begin(Scope.realm(reason="conformance")) as tx:
        await tx.write(Batch([RowWrite(schema, row_id, row, 0, b"")]))


def first_revision(catalog: Catalog) -> tuple[Step, ...]:
    """The steps that make all that `catalog` declares on an empty medium: the realm, the log, the entities."""
    ordered = in_reference_order(catalog)
    realm = [schema for schema in ordered if schema.visibility == "realm"]
    others = [schema for schema in ordered if schema.visibility != "realm"]
    return (
        *(CreateEntity(schema) for schema in realm),
        CreateLog(),
        CreateTombstones(),
        *(step for schema in others for step in (CreateEntity(schema), CreatePlans(schema))),
    )


def raw_tenant(schema: EntitySchema, tenant_id: UUID) -> UUID:
    """The tenant under which an engine that keys everything by tenant keeps a row: `tenant_id`, or the realm's nil id."""
    return REALM_TENANT if schema.visibility == "realm" else tenant_id
