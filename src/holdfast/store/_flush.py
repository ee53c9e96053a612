"""The flush: one queue a tenant, at most one flush in flight a tenant, waiting write sets share the next.

A write set is what one session wants done, all or nothing. A flush takes the tenant's counter first, then reads the rows
that it is about to change, plans, writes rows, changes and old values, and commits. Where the engine has plans, write
sets of one simple kind go down in a single round trip instead. If a shared flush fails, its write sets are tried again
one by one, so that one caller's mistake is nobody else's. What waits is bounded, in number, in bytes and in time.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from holdfast.changes.change import Operation
from holdfast.engines.port import (
    Batch,
    Capability,
    Engine,
    Outcome,
    PlannedWrite,
    Stored,
    Transaction,
    Write,
    WritePlan,
)
from holdfast.errors import Busy, Conflict, HoldfastError, StaleVersion, TooLarge, Unavailable
from holdfast.model.catalog import Catalog
from holdfast.model.schema import EntitySchema
from holdfast.store._cascade import cascades, key_of
from holdfast.store._lane import Lane, PlanKey, WriteSet, fail, still_wanted, succeed
from holdfast.store._plan import FlushPlan, plan_write
from holdfast.store.deciding import Decided, Decider, RowKey
from holdfast.tenancy.scope import Scope

_TRIES = 5


class Flusher:
    """Takes write sets and flushes them, tenant by tenant."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        clock: Callable[[], datetime],
        committed: Callable[[UUID, int], None] = lambda _tenant, _number: None,
    ) -> None:
        """`committed` is told of each flush that is committed: whose, and its last number."""
        self._committed = committed
        self._engine = engine
        self._catalog = catalog
        self._clock = clock
        self._lanes: dict[UUID, Lane] = {}
        self._drains: set[asyncio.Task[None]] = set()

    async def submit(self, scope: Scope, writes: Sequence[Write]) -> list[Outcome]:
        """Commit `writes` as one. Returns what became of each, in their order; raises the first error, nothing stored."""
        at = self._clock()
        planned = [PlannedWrite(write, scope, at) for write in writes]
        if not any(write.schema.journaled for write in writes):
            return await self._flush_unjournaled(scope, planned)
        lane = self._lanes.setdefault(scope.tenant_id, Lane())
        size = sum(write.size for write in writes)
        return await self._enter(scope, lane, planned, size)

    async def submit_decided(self, scope: Scope, decider: Decider, *, size: int = 0) -> list[Outcome]:
        """Commit what `decider` decides on under the tenant's counter, as one. Returns what became of its writes."""
        lane = self._lanes.setdefault(scope.tenant_id, Lane())
        return await self._enter(scope, lane, [], size, decider)

    async def _enter(
        self, scope: Scope, lane: Lane, planned: list[PlannedWrite], size: int, decider: Decider | None = None
    ) -> list[Outcome]:
        if lane.is_full(size):
            raise Busy("too many writes are waiting for this tenant")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()
        key = self._plan_key(planned) if decider is None else None
        lane.append(WriteSet(scope, planned, future, key, size, loop.time(), decider=decider))
        if not lane.busy:
            lane.busy = True
            self._start_drain(scope.tenant_id, lane)
        return await future

    def _start_drain(self, tenant_id: UUID, lane: Lane) -> None:
        task = asyncio.get_running_loop().create_task(self._drain(tenant_id, lane))
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)

    async def _drain(self, tenant_id: UUID, lane: Lane) -> None:
        """Flush until nothing waits. Its own task: a caller that is cancelled takes no other write with it."""
        try:
            while lane.waiting:
                await self._flush_group(lane.next_group())
        finally:
            lane.busy = False
            if not lane.waiting:
                self._lanes.pop(tenant_id, None)

    async def drain(self) -> None:
        """Wait until everything that was submitted has been flushed."""
        while self._drains:
            await asyncio.wait(self._drains)

    async def _flush_group(self, group: list[WriteSet]) -> None:
        group = still_wanted(group)
        if not group:
            return
        try:
            await self._flush(group)
        except Exception as error:  # noqa: BLE001
            # Who is unavailable to all stays so for each: to try one by one would wait for every one of them.
            if len(group) == 1 or isinstance(error, Unavailable):
                for write_set in group:
                    fail(write_set, error if len(group) == 1 else copy.copy(error))
                return
            for write_set in group:
                await self._flush_group([write_set])

    async def _flush(self, group: list[WriteSet]) -> None:
        if group[0].plan_key is not None:
            await self._flush_by_plan(group)
            return
        for attempt in range(_TRIES):
            try:
                if group[0].decider is not None:
                    await self._flush_decided(group[0], group[0].decider)
                else:
                    await self._flush_planned_here(group)
            except StaleVersion:
                # A bookkeeping row moved between read and write: the counter keeps nobody away from it.
                if attempt + 1 == _TRIES:
                    raise
            else:
                return

    def _tell(self, scope: Scope, number: int) -> None:
        if number:
            self._committed(scope.tenant_id, number)

    # -- one round trip ------------------------------------------------------------------------------------------

    def _plan_key(self, planned: Sequence[PlannedWrite]) -> PlanKey | None:
        """What write sets must have in common to share a compiled plan; None where they need planning here."""
        first = planned[0].write
        if Capability.PLANS not in self._engine.capabilities:
            return None
        if any(p.write.op is not first.op or p.write.schema is not first.schema for p in planned):
            return None
        if any(p.write.touch or p.write.kept for p in planned):
            return None
        if first.op is not Operation.CREATE and len(planned) > 1:
            return None
        if first.op is Operation.DELETE and self._catalog.referrers(first.schema):
            return None
        return first.schema.name, first.op

    async def _flush_by_plan(self, group: list[WriteSet]) -> None:
        writes = [planned for write_set in group for planned in write_set.writes]
        first = writes[0].write
        results = await self._engine.run(group[0].scope, WritePlan(first.schema, first.op, writes))
        numbers = [result.number or 0 for result in results if isinstance(result, Outcome)]
        self._tell(group[0].scope, max(numbers, default=0))
        outcomes = iter(results)
        for write_set in group:
            mine = [next(outcomes) for _ in write_set.writes]
            failed = next((outcome for outcome in mine if isinstance(outcome, Exception)), None)
            if failed is not None:
                fail(write_set, failed)
            else:
                succeed(write_set, [outcome for outcome in mine if isinstance(outcome, Outcome)])

    # -- planned here ---------------------------------------------------------------------------------------------

    async def _flush_planned_here(self, group: list[WriteSet]) -> None:
        results: list[tuple[WriteSet, list[Outcome] | HoldfastError]] = []
        async with self._engine.begin(group[0].scope) as tx:
            plan = FlushPlan(await tx.lock())
            start = plan.head
            for write_set in group:
                mark = plan.mark()
                try:
                    outcomes = await self._plan_set(tx, plan, write_set)
                except HoldfastError as error:
                    plan.back_to(mark)
                    results.append((write_set, error))
                    continue
                for scope, writes in plan.take_writes():
                    await tx.act_as(scope)
                    await tx.write(Batch(writes))
                results.append((write_set, outcomes))
            if plan.head > start:
                await tx.act_as(_for_the_log(group[0].scope))
                await tx.write(_log(plan))
        self._tell(group[0].scope, plan.head if plan.head > start else 0)
        # Failures too are told now: they may rest on rows that only this flush has written.
        for write_set, result in results:
            if isinstance(result, HoldfastError):
                fail(write_set, result)
            else:
                succeed(write_set, result)

    async def _plan_set(self, tx: Transaction, plan: FlushPlan, write_set: WriteSet) -> list[Outcome]:
        """Read what the write set changes, cascades included, and plan it. Writes nothing."""
        cascaded, own = await cascades(tx, self._catalog, write_set.writes)
        outcomes: list[Outcome] = []
        for scope, planned in _by_scope([*cascaded, *own]):
            await tx.act_as(scope)
            stored = await _read_current(tx, planned)
            for item in planned:
                outcomes.append(
                    plan_write(plan, item, stored.get((item.write.schema.name, item.write.row_id)))[1]
                )
        return outcomes[len(cascaded) :]

    # -- decided under the counter --------------------------------------------------------------------------------

    async def _flush_decided(self, write_set: WriteSet, decider: Decider) -> None:
        async with self._engine.begin(write_set.scope) as tx:
            plan = FlushPlan(await tx.lock())
            start = plan.head
            decided, cascaded = await self._decide(tx, start, decider)
            outcomes = await self._plan_and_write(tx, plan, [*cascaded, *decided.writes], decided.stored)
            outcomes = outcomes[len(cascaded) :]
            await self._plan_and_write(tx, plan, decider.record(outcomes), decided.stored)
            if plan.head > start:
                await tx.act_as(_for_the_log(write_set.scope))
                await tx.write(_log(plan))
        self._tell(write_set.scope, plan.head if plan.head > start else 0)
        succeed(write_set, outcomes)

    async def _decide(
        self, tx: Transaction, head: int, decider: Decider
    ) -> tuple[Decided, list[PlannedWrite]]:
        """What the decider wants, and what that takes with it; asked again without the deletes that are not allowed."""
        refused: dict[RowKey, HoldfastError] = {}
        while True:
            decided = await decider.decide(tx, head, refused)
            try:
                cascaded, own = await cascades(tx, self._catalog, decided.writes)
            except (Conflict, TooLarge) as error:
                refused.update(await self._refused(tx, decided.writes, error))
            else:
                return Decided(own, decided.stored), cascaded

    async def _refused(
        self, tx: Transaction, writes: Sequence[PlannedWrite], error: HoldfastError
    ) -> dict[RowKey, HoldfastError]:
        """The deletes that are not allowed; all of them where each for itself would be."""
        deletes = [planned for planned in writes if planned.write.op is Operation.DELETE]
        found: dict[RowKey, HoldfastError] = {}
        for planned in deletes:
            others = [other for other in writes if other is planned or other not in deletes]
            try:
                await cascades(tx, self._catalog, others)
            except (Conflict, TooLarge) as own:
                found[key_of(planned)] = own
        return found or {key_of(planned): error for planned in deletes}

    async def _plan_and_write(
        self,
        tx: Transaction,
        plan: FlushPlan,
        writes: Sequence[PlannedWrite],
        stored: Mapping[RowKey, Stored],
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for scope, planned in _by_scope(writes):
            await tx.act_as(scope)
            unread = [item for item in planned if key_of(item) not in stored]
            current = {**stored, **await _read_current(tx, unread)}
            outcomes += [plan_write(plan, item, current.get(key_of(item)))[1] for item in planned]
        for scope, rows in plan.take_writes():
            await tx.act_as(scope)
            await tx.write(Batch(rows))
        return outcomes

    # -- without a log --------------------------------------------------------------------------------------------

    async def _flush_unjournaled(self, scope: Scope, planned: list[PlannedWrite]) -> list[Outcome]:
        """Rows of the realm, and bookkeeping: no counter and no change. A row that moves between read and write is read again."""
        for attempt in range(_TRIES):
            try:
                async with self._engine.begin(scope) as tx:
                    stored = await _read_current(tx, planned)
                    pairs = [
                        plan_write(None, item, stored.get((item.write.schema.name, item.write.row_id)))
                        for item in planned
                    ]
                    await tx.write(Batch([write for write, _ in pairs if write is not None]))
                    return [outcome for _, outcome in pairs]
            except StaleVersion:
                if attempt + 1 == _TRIES or any(item.write.if_version for item in planned):
                    raise
        raise Busy("the row keeps changing")


def _by_scope(planned: Sequence[PlannedWrite]) -> list[tuple[Scope, list[PlannedWrite]]]:
    """Consecutive writes of one scope together."""
    return [(scope, list(items)) for scope, items in groupby(planned, key=attrgetter("scope"))]


async def _read_current(tx: Transaction, planned: Sequence[PlannedWrite]) -> dict[tuple[str, UUID], Stored]:
    wanted: dict[str, tuple[EntitySchema, list[UUID]]] = {}
    for item in planned:
        if item.write.op is not Operation.CREATE:
            wanted.setdefault(item.write.schema.name, (item.write.schema, []))[1].append(item.write.row_id)
    found: dict[tuple[str, UUID], Stored] = {}
    for name, (schema, row_ids) in wanted.items():
        for row_id, stored in zip(row_ids, await tx.batch_get(schema, row_ids), strict=True):
            if stored is not None:
                found[name, row_id] = stored
    return found


def _for_the_log(scope: Scope) -> Scope:
    """A flush's old values are those of many owners: the log is written for the whole tenant."""
    return replace(scope, whole_tenant=True, reason="the log of a flush")


def _log(plan: FlushPlan) -> Batch:
    return Batch((), plan.log(), plan.old_values, plan.head, plan.tombstones)
