"""`JsonlEngine`: the state of each tenant, a counter's lock for each, and the journal behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import UUID

from holdfast.engines.port import (
    CALM,
    REALM_TENANT,
    Applied,
    Batch,
    Capability,
    Control,
    EntitySchema,
    HistoryKey,
    Inspection,
    Isolation,
    Limits,
    Plan,
    Position,
    Pruned,
    R,
    Row,
    RowWrite,
    Scope,
    Step,
)
from holdfast.errors import Busy, MigrationsPending, NotSupported
from holdfast.model.steps import (
    CreateEntity,
    CreateLog,
    CreatePlans,
    CreateTombstones,
    DropPlans,
    describe_step,
    restore_step,
)
from jsonl_engine.journal import Journal, Line
from jsonl_engine.lines import batch_of, line_of
from jsonl_engine.state import (
    TenantState,
    check_members_gone,
    check_references,
    key_of,
    members_of,
    memberships,
    replayed,
)
from jsonl_engine.transaction import JsonlTransaction

_NEEDS_NOTHING = CreateLog | CreateTombstones | CreatePlans | DropPlans


class JsonlEngine:
    """See `holdfast.engines.port.Engine`. Only this code keeps tenants apart, and it says so: `Isolation.LIBRARY`."""

    name = "jsonl"
    isolation = Isolation.LIBRARY
    capabilities = frozenset({Capability.DURABLE, Capability.INGEST, Capability.LARGE_TRANSACTIONS})
    limits = Limits()

    def __init__(self, journal: Journal, *, lock_timeout: float) -> None:
        """Private: see `open`."""
        self.journal = journal
        self.schemas: dict[str, EntitySchema] = {}
        self._ledger: dict[str, Applied] = {}
        self._tenants: dict[UUID, TenantState] = {}
        self._counters: dict[UUID, asyncio.Lock] = {}
        self._lock_timeout = lock_timeout

    @classmethod
    def open(cls, path: Path, *, lock_timeout: float = 5.0) -> Self:
        """The journal at `path`, made where there is none, and replayed. `lock_timeout` bounds, in seconds, how long a flush
        waits for its tenant's counter.
        """
        engine = cls(Journal(path), lock_timeout=lock_timeout)
        for line in engine.journal.read():
            engine.replay(line)
        return engine

    # -- what transactions ask of it ------------------------------------------------------------------------------

    def tenant(self, tenant_id: UUID) -> TenantState:
        """What stands."""
        return self._tenants.get(tenant_id) or self._tenants.setdefault(tenant_id, TenantState())

    def demand(self, schema: EntitySchema) -> None:
        """Raises MigrationsPending for an entity that was never made, or was made for another declaration."""
        made = self.schemas.get(schema.stable_name)
        if made is not schema and (made is None or made.digest != schema.digest):
            raise MigrationsPending(where=schema.name)

    async def take_counter(self, tenant_id: UUID) -> None:
        """Raises Busy after a bounded wait."""
        try:
            async with asyncio.timeout(self._lock_timeout):
                await self._counters.setdefault(tenant_id, asyncio.Lock()).acquire()
        except TimeoutError:
            raise Busy("this tenant's counter is held too long") from None

    def give_counter_back(self, tenant_id: UUID) -> None:
        """To whoever waits for it."""
        self._counters[tenant_id].release()

    def commit(self, tenant_id: UUID, after: TenantState, batches: Sequence[Batch]) -> None:
        """Check what must hold at the end, write the line, and let it stand. Nothing else runs in between."""
        members = members_of(self.tenant(REALM_TENANT), tenant_id)
        writes = [write for batch in batches for write in batch.writes]
        check_references(after, writes, self.schemas.values(), members)
        if tenant_id == REALM_TENANT:
            gone = {*memberships(self.tenant(REALM_TENANT))} - {*memberships(after)}
            check_members_gone(gone, self._tenants, self.schemas.values())
        self.journal.append(line_of(tenant_id, batches))
        self._tenants[tenant_id] = after

    def replay(self, line: Line) -> None:
        """Let stand what a line of the journal has committed."""
        match line:
            case {"revision": _}:
                self._enter(line)
            case {"tenant": tenant, "horizon": horizon}:
                self._tenants[UUID(tenant)] = self.tenant(UUID(tenant)).collected(horizon)
            case {"tenant": tenant}:
                batch = batch_of(line, self.schemas)
                self._tenants[UUID(tenant)] = replayed(self.tenant(UUID(tenant)), batch)

    # -- the port -------------------------------------------------------------------------------------------------

    def begin(
        self, scope: Scope, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[JsonlTransaction]:
        """See the port."""
        return self._begin(scope, read_only=read_only)

    @asynccontextmanager
    async def _begin(self, scope: Scope, *, read_only: bool) -> AsyncIterator[JsonlTransaction]:
        tx = JsonlTransaction(self, scope, read_only=read_only)
        try:
            yield tx
            tx.commit()
        finally:
            tx.release()

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """A capability that this engine lacks."""
        raise NotSupported("this engine has no compiled plans", where=type(plan).__name__)

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """See the port."""
        async with self.begin(scope) as tx:
            await tx.write(Batch([RowWrite(schema, row["id"], row, 0, b"") for row in rows]))

    async def apply(
        self, steps: Sequence[Step], *, revision: str, checksum: str, control: Control = CALM
    ) -> None:
        """See the port. One line, so that it is there in whole or not at all. It makes entities, and changes none."""
        if revision in self._ledger:
            return
        for step in steps:
            if not isinstance(step, CreateEntity | _NEEDS_NOTHING):
                raise NotSupported("this engine makes entities and does not change them", where=step.title)
            control.tell(step.title)
        line = {
            "revision": revision,
            "checksum": checksum,
            "at": datetime.now(UTC).isoformat(),
            "release": control.release,
            "phase": control.phase,
            "steps": [describe_step(step) for step in steps],
        }
        self.journal.append(line)
        self._enter(line)

    def _enter(self, line: Line) -> None:
        steps = [restore_step(step) for step in line["steps"]]
        self.schemas.update({s.schema.stable_name: s.schema for s in steps if isinstance(s, CreateEntity)})
        entry = Applied(
            line["revision"],
            line["checksum"],
            datetime.fromisoformat(line["at"]),
            release=line["release"],
            phase=line["phase"],
        )
        self._ledger[entry.revision] = entry

    async def revert(self, steps: Sequence[Step], *, revision: str, control: Control = CALM) -> None:
        """What it has made it keeps."""
        raise NotSupported("this engine takes no revision back", where=revision)

    async def refresh(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """It generates nothing."""
        return []

    async def applied(self) -> dict[str, str]:
        """See the port."""
        return {revision: entry.checksum for revision, entry in self._ledger.items()}

    async def history(self) -> list[Applied]:
        """See the port."""
        return list(self._ledger.values())

    async def inspect(self, schemas: Iterable[EntitySchema]) -> Inspection:
        """Entities that were never made, or were made otherwise."""
        findings = []
        for schema in schemas:
            made = self.schemas.get(schema.stable_name)
            if made is None:
                findings.append(f"{schema.name}: the table is missing")
            elif made.digest != schema.digest:
                findings.append(f"{schema.name}: the table was made for another declaration")
        rows = sum(len(table) for state in self._tenants.values() for table in state.tables.values())
        return Inspection({"rows": rows, "lines": self.journal.lines}, tuple(findings))

    async def collect(self, tenant_id: UUID, horizon: int) -> int:
        """See the port."""
        before = self.tenant(tenant_id)
        after = before.collected(horizon)
        if after != before:
            self.journal.append({"tenant": str(tenant_id), "horizon": after.marks.horizon})
            self._tenants[tenant_id] = after
        return len(before.tombstones) - len(after.tombstones)

    async def prune_history(
        self, tenant_id: UUID, upto: int, *, after: HistoryKey | None = None, limit: int = 5_000
    ) -> Pruned:
        """See the port. What stood in earlier lines goes as well: the tenant's lines become one, of what stands."""
        before = self.tenant(tenant_id)
        reached = min(upto, before.marks.horizon)
        keys = sorted(map(key_of, before.old_values), key=astuple)
        page = [key for key in keys if after is None or astuple(key) > astuple(after)][:limit]
        gone = {key for key in page if key.number <= reached}
        if gone:
            self._condense(tenant_id, before.pruned(gone))
        return Pruned(len(gone), page[-1] if len(page) == limit else None)

    def _condense(self, tenant_id: UUID, state: TenantState) -> None:
        writes = [
            RowWrite(self.schemas[name], row_id, stored.row, 0, stored.salt)
            for name, table in state.tables.items()
            for row_id, stored in table.items()
        ]
        graves = list(state.tombstones.values())
        whole = Batch(writes, state.changes, state.old_values, state.marks.head, graves)
        lines = [
            line_of(tenant_id, [whole]),
            {"tenant": str(tenant_id), "horizon": state.marks.horizon},
        ]
        self.journal.rewrite(lambda line: line.get("tenant") != str(tenant_id), lines)
        self._tenants[tenant_id] = state

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """A capability that this engine lacks."""
        raise NotSupported("this engine has no compiled plans")

    async def drop_plans(self, names: Sequence[str]) -> int:
        """A capability that this engine lacks."""
        raise NotSupported("this engine has no compiled plans")

    async def position(self) -> Position:
        """See the port."""
        return self.journal.position()

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """See the port. A file that is only appended to would keep what is to be forgotten, so it is written anew."""
        self.journal.rewrite(lambda line: line.get("tenant") != str(tenant_id))
        self._tenants.pop(tenant_id, None)

    async def ping(self) -> None:
        """It is here."""

    async def aclose(self) -> None:
        """Give the file back."""
        self.journal.close()
