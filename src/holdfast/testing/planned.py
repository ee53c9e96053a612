"""Engines with and without plans, for comparing the two ways of doing one thing.

`PlannedMemoryEngine` says by the plainest means what a compiled plan must answer. `WithoutPlans` hides an engine's plans, so
that the store takes the general path on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast
from uuid import UUID

from holdfast.engines.memory import MemoryEngine
from holdfast.engines.port import (
    CALM,
    Applied,
    Batch,
    Body,
    BodyPage,
    Capability,
    Control,
    Engine,
    GetPlan,
    GetTogetherPlan,
    HistoryKey,
    Inspection,
    Limits,
    ListPlan,
    Outcome,
    Plan,
    Position,
    Pruned,
    R,
    Row,
    Transaction,
    WritePlan,
)
from holdfast.errors import NotFound, NotSupported, StaleVersion
from holdfast.model.plain import render_row
from holdfast.model.query import Key, Query
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.store._flush import _log
from holdfast.store._plan import FlushPlan, plan_write
from holdfast.tenancy.scope import Scope


class PlannedMemoryEngine(MemoryEngine):
    """The memory engine with `Capability.PLANS`: each plan is carried out by the port's own general means."""

    name = "memory with plans"

    def __init__(self, *, limits: Limits | None = None, lock_timeout: float = 5.0) -> None:
        """As for the memory engine."""
        super().__init__(limits=limits, lock_timeout=lock_timeout)
        self.capabilities |= {Capability.PLANS}

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """See the port."""
        match plan:
            case GetPlan():
                answer: Any = await self._get(scope, plan)
            case ListPlan():
                answer = await self._list(scope, plan)
            case GetTogetherPlan():
                answer = await self._get_together(scope, plan)
            case WritePlan():
                answer = await self._write(scope, plan)
            case _:
                raise NotSupported("there is no such plan", where=type(plan).__name__)
        return cast("R", answer)

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """No plan is kept anywhere, so none is stale."""
        return []

    async def drop_plans(self, names: Sequence[str]) -> int:
        """There is none."""
        return 0

    async def _get(self, scope: Scope, plan: GetPlan) -> Body | None:
        async with self.begin(scope, read_only=True) as tx:
            row = await tx.get(plan.schema, plan.row_id)
        return None if row is None else Body(render_row(plan.schema, row), row["version"])

    async def _get_together(self, scope: Scope, plan: GetTogetherPlan) -> list[Row | None]:
        async with self.begin(scope, read_only=True) as tx:
            return [await tx.get(schema, row_id) for schema, row_id in plan.keys]

    async def _list(self, scope: Scope, plan: ListPlan) -> BodyPage:
        after = None if plan.after is None else Key(None, plan.after)
        async with self.begin(scope, read_only=True) as tx:
            rows = await tx.query(Query(plan.schema, limit=plan.limit + 1, after=after))
        page = rows[: plan.limit]
        text = b",".join(render_row(plan.schema, row) for row in page)
        return BodyPage(text, page[-1]["id"] if len(rows) > plan.limit else None)

    async def _write(self, scope: Scope, plan: WritePlan) -> list[Outcome | Exception]:
        async with self.begin(scope) as tx:
            flush = FlushPlan(await tx.lock())
            start = flush.head
            outcomes = [await self._write_one(tx, flush, planned) for planned in plan.writes]
            if flush.head > start:
                await tx.write(_log(flush))
        return outcomes

    async def _write_one(self, tx: Transaction, flush: FlushPlan, planned: Any) -> Outcome | Exception:
        await tx.act_as(planned.scope)
        (stored,) = await tx.batch_get(planned.write.schema, [planned.write.row_id])
        try:
            _, outcome = plan_write(flush, planned, stored)
        except (NotFound, StaleVersion) as error:
            return error
        for _, writes in flush.take_writes():
            await tx.write(Batch(writes))
        return outcome


class WithoutPlans:
    """An engine whose plans nobody sees."""

    def __init__(self, engine: Engine) -> None:
        """`engine` does everything else as before."""
        self._engine = engine
        self.name = f"{engine.name} without plans"
        self.capabilities = engine.capabilities - {Capability.PLANS}
        self.isolation = engine.isolation
        self.limits = engine.limits

    def begin(self, scope: Scope, *, read_only: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """See the port."""
        return self._engine.begin(scope, read_only=read_only)

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """There is no plan to run."""
        raise NotSupported("plans are hidden here", where=type(plan).__name__)

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """See the port."""
        await self._engine.ingest(scope, schema, rows)

    async def apply(
        self, steps: Sequence[Step], *, revision: str, checksum: str, control: Control = CALM
    ) -> None:
        """See the port."""
        await self._engine.apply(steps, revision=revision, checksum=checksum, control=control)

    async def revert(self, steps: Sequence[Step], *, revision: str, control: Control = CALM) -> None:
        """See the port."""
        await self._engine.revert(steps, revision=revision, control=control)

    async def refresh(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """See the port."""
        return await self._engine.refresh(schemas)

    async def history(self) -> list[Applied]:
        """See the port."""
        return await self._engine.history()

    async def applied(self) -> dict[str, str]:
        """See the port."""
        return await self._engine.applied()

    async def inspect(self, schemas: Iterable[EntitySchema]) -> Inspection:
        """See the port."""
        return await self._engine.inspect(schemas)

    async def collect(self, tenant_id: UUID, horizon: int) -> int:
        """See the port."""
        return await self._engine.collect(tenant_id, horizon)

    async def prune_history(
        self, tenant_id: UUID, upto: int, *, after: HistoryKey | None = None, limit: int = 5_000
    ) -> Pruned:
        """See the port."""
        return await self._engine.prune_history(tenant_id, upto, after=after, limit=limit)

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """There is no plan to see."""
        raise NotSupported("plans are hidden here")

    async def drop_plans(self, names: Sequence[str]) -> int:
        """There is no plan to drop."""
        raise NotSupported("plans are hidden here")

    async def position(self) -> Position:
        """See the port."""
        return await self._engine.position()

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """See the port."""
        await self._engine.forget_tenant(tenant_id, schemas)

    async def ping(self) -> None:
        """See the port."""
        await self._engine.ping()

    async def aclose(self) -> None:
        """See the port."""
        await self._engine.aclose()
