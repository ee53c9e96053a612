"""Carries out the steps of a revision on a database that is in use, and remembers how far it has come.

Every statement has a short transaction of its own and waits half a second for a lock at most, so that nobody waits longer
behind it; then it lets go and tries again. What is done is written down step by step, and of a table that is filled, row by
row: whoever is killed begins again where it stopped.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from holdfast.engines.port import Control, branch_of
from holdfast.engines.postgres._acts import Act, Batches, Concurrently, Ddl, Probe, Seen, When, window
from holdfast.engines.postgres._alter import alter, aside_of, bring_table_back, hold_references, sql_table
from holdfast.engines.postgres._ddl import Making, statements
from holdfast.engines.postgres._errors import bare
from holdfast.engines.postgres._names import Roles
from holdfast.errors import Busy, SchemaError
from holdfast.model.foresight import look_ahead
from holdfast.model.steps import (
    CreateEntity,
    CreateLog,
    CreatePlans,
    CreateTombstones,
    DropPlans,
    Step,
    checksum,
)

LOCK_TIMEOUT = "500ms"
TRIES = 30
WAIT_SECONDS = 60.0
"""How long a migrator waits for another one."""
_ONE_AT_A_TIME = 7_271_626
_LONG = "5 seconds"
_FIRST_BATCH, _LEAST_BATCH, _MOST_BATCH = 500, 10, 20_000
_BATCH_SECONDS = 0.05
_SHOWN = 5
DOWN = ":down"
"""Behind a revision's name in the ledger of steps: it is being taken back."""


@asynccontextmanager
async def one_migrator(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """While it lasts no other migrator works on this database. Raises Busy after a bounded wait."""
    until = time.monotonic() + WAIT_SECONDS
    while not await connection.fetchval(f"select pg_try_advisory_lock({_ONE_AT_A_TIME})"):
        if time.monotonic() > until:
            raise Busy(
                "another migration of this database is under way",
                hint="Wait for it, or see in pg_locks (advisory) which session it is.",
            )
        await asyncio.sleep(0.2)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(f"select pg_advisory_unlock({_ONE_AT_A_TIME})")


def acts_of(step: Step, roles: Roles) -> list[Act]:
    """What carries a step out."""
    if isinstance(step, CreateEntity):
        made = (Ddl(text) for text in statements(step, roles))
        return [*bring_table_back(step.schema), *made, *hold_references(step.schema)]
    if isinstance(step, CreateLog | CreateTombstones | CreatePlans | DropPlans):
        return [Ddl(text) for text in statements(step, roles)]
    return alter(step, roles)


@dataclass(slots=True)
class Migrator:
    """A connection as the owner, and one revision that it brings in or takes back. `key` is its name in the ledger."""

    connection: asyncpg.Connection
    roles: Roles
    key: str
    control: Control
    changed: bool = False
    """Whether anything but new things was made, or something stood half done before."""

    async def run(self, steps: Sequence[Step]) -> None:
        """Carry out what is not done yet."""
        done = await self._begin(steps)
        try:
            await self._carry_out(steps, done)
        except SchemaError:
            if not self.changed:
                await self._note("delete from holdfast.revision_steps where revision = $1")
            raise

    async def _carry_out(self, steps: Sequence[Step], done: set[int]) -> None:
        place = 0
        while place < len(steps):
            until = place + 1
            if _is_making(steps[place]):
                while until < len(steps) and _is_making(steps[until]):
                    until += 1
                if not all(n in done for n in range(place, until)):
                    await self._make(steps, place, until)
            elif place not in done:
                self._tell(steps, place)
                await self._note(_STARTED, place, checksum(steps), self.control.release, self.control.phase)
                for act in acts_of(steps[place], self.roles):
                    await self._act(act, place)
                await self._note(_FINISHED, place)
            place = until

    def _tell(self, steps: Sequence[Step], place: int) -> None:
        """Which step it is, of those that are told."""
        told = [at for at, step in enumerate(steps) if not _is_making(step)]
        self.control.tell(
            f"{self.key.removesuffix(DOWN)}, step {told.index(place) + 1} of {len(told)}: {steps[place].title}"
        )

    # -- the ledger ---------------------------------------------------------------------------------------------------

    async def _begin(self, steps: Sequence[Step]) -> set[int]:
        """The steps that are done. Raises SchemaError for a revision that was changed half-way."""
        await self._refuse_half_taken_back()
        rows = await self.connection.fetch(
            "select step, checksum, finished_at from holdfast.revision_steps where revision = $1", self.key
        )
        done = {row["step"] for row in rows if row["finished_at"] is not None}
        if any(row["checksum"] != checksum(steps) for row in rows):
            if done:
                raise SchemaError(
                    "a revision was changed while it was being applied",
                    where=self.key,
                    hint="Put the file back as it was, and finish it.",
                )
            # What was refused or killed within its first step may be written anew.
            await self._note("delete from holdfast.revision_steps where revision = $1")
            rows = []
        self.changed = bool(rows)
        return done

    async def _refuse_half_taken_back(self) -> None:
        for record in await self.connection.fetch(_HALF_BACK, f"%{DOWN}", self.key):
            revision = record["revision"].removesuffix(DOWN)
            if branch_of(revision) != branch_of(self.key.removesuffix(DOWN)):
                continue
            raise SchemaError(
                "a revision was being taken back, and that was interrupted",
                where=revision,
                hint=f"`holdfast migrate down {revision}` finishes it, `holdfast migrate up` brings back what was undone.",
            )

    async def _note(self, text: str, *values: Any) -> None:
        await self.connection.execute(text, self.key, *values)

    # -- acts ---------------------------------------------------------------------------------------------------------

    async def _make(self, steps: Sequence[Step], place: int, until: int) -> None:
        """New things that nobody uses yet, all in one transaction."""
        texts = []
        for step in steps[place:until]:
            for act in acts_of(step, self.roles):
                assert isinstance(act, Ddl)  # noqa: S101 (only they make)
                texts.append(act)
        mark = checksum(steps)

        async def make() -> None:
            for act in texts:
                if act.when is None or await self.connection.fetchval(f"select {act.when.sql}"):
                    await self.connection.execute(act.text)
            for number in range(place, until):
                await self._note(_STARTED, number, mark, self.control.release, self.control.phase)
                await self._note(_FINISHED, number)

        self.changed = True
        await self._patiently(make, None)

    async def _act(self, act: Act, place: int) -> None:
        match act:
            case Seen(tables=tables, acts=acts):
                if not await self._any_is_due(acts):
                    return
                async with self._seen(tables):
                    for each in acts:
                        await self._act(each, place)
            case Probe():
                await self._probe(act)
            case Batches():
                await self._fill(act, place)
            case Concurrently():
                await self._concurrently(act)
            case Ddl():
                if await self._is_due(act.when):
                    await self._ddl(act.text, act.table)

    async def _is_due(self, when: When | None) -> bool:
        return when is None or bool(await self.connection.fetchval(f"select {when.sql}"))

    async def _any_is_due(self, acts: Sequence[Act]) -> bool:
        """Whether there is anything to look at, before others are made to wait for it."""
        for act in acts:
            when = None if isinstance(act, Batches | Seen) else act.when
            if await self._is_due(when):
                return True
        return False

    async def _ddl(self, text: str, table: str | None) -> None:
        if table is not None:
            await self._tell_of_holders(table)

        async def do() -> None:
            await self.connection.execute(text)

        await self._patiently(do, table)
        self.changed = True

    async def _patiently(self, do: Any, table: str | None) -> None:
        """In a transaction that waits for no lock longer than others can wait for it. Raises Busy in the end."""
        for attempt in range(TRIES):
            try:
                async with self.connection.transaction():
                    await self.connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                    await do()
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                if attempt == 0:
                    self.control.tell(f"{self.key}: waiting for a lock{f' on {table}' if table else ''}")
                await asyncio.sleep(random.uniform(0.5, 1.5) * min(0.1 * (attempt + 1), 1.0))  # noqa: S311
            else:
                return
        holders = await self._holders(table) if table is not None else []
        raise Busy(
            f"a lock was not to be had in {TRIES} tries",
            where=table,
            hint=f"Run it again, it goes on where it stopped. {'; '.join(holders)}".strip(),
        )

    async def _tell_of_holders(self, table: str) -> None:
        for line in await self._holders(table):
            self.control.tell(f"{table} is held: {line}")

    async def _holders(self, table: str) -> list[str]:
        rows = await self.connection.fetch(_HOLDERS, sql_table(table))
        return [f"session {r['pid']} ({r['usename']}, {r['state']}) for {r['seconds']} s" for r in rows]

    @asynccontextmanager
    async def _seen(self, tables: Sequence[str]) -> AsyncIterator[None]:
        """The owner sees the rows of these tables, where row security is forced on it."""
        names = [sql_table(table) for table in tables if table != "@members"]
        walled = [n for n in names if await self.connection.fetchval(_IS_WALLED, n)]
        for name in walled:
            await self._patient_text(window(name, self.roles.owner)[0])
        try:
            yield
        finally:
            if not self.connection.is_closed():
                for name in walled:
                    await self._patient_text(window(name, self.roles.owner)[1])

    async def _patient_text(self, text: str) -> None:
        async def do() -> None:
            await self.connection.execute(text)

        await self._patiently(do, None)

    async def _probe(self, probe: Probe) -> None:
        if (probe.unless_forced and self.control.force) or not await self._is_due(probe.when):
            return
        count = await self.connection.fetchval(f"select count(*) from {probe.source}")
        if not count:
            return
        shown = await self.connection.fetch(f"select {probe.shown} as id from {probe.source} limit {_SHOWN}")
        ids = ", ".join(str(row["id"]) for row in shown if row["id"] is not None)
        some = f" (such as {ids})" if ids else ""
        number = "" if probe.shown == "null" else f"{count} "
        raise SchemaError(f"{number}{probe.message}{some}", hint=probe.hint)

    async def foresee(self, steps: Sequence[Step]) -> None:
        """Raises SchemaError where rows stand in the way of steps, as far as that can be seen before the first of them."""
        columns: dict[str, list[str]] = {}
        for record in await self.connection.fetch(_COLUMNS):
            columns.setdefault(record["table"], []).append(record["column"])
        for step, here in look_ahead(steps, columns, aside_of):
            pairs = zip(_probes(step, self.roles), _probes(here, self.roles), strict=True)
            for (told, _), (found, tables) in pairs:
                probe = replace(found, message=told.message)
                if await self._is_due(probe.when):
                    async with self._seen(tables):
                        await self._probe(probe)

    async def _concurrently(self, act: Concurrently) -> None:
        """Outside of a transaction. An index that an earlier try has left behind unfinished is made anew."""
        if not await self._is_due(act.when):
            return
        if act.index is not None:
            valid = await self.connection.fetchval(_IS_VALID, act.index)
            if valid:
                return
            if valid is False:
                await self.connection.execute(f"drop index concurrently {act.index}")
        self.changed = True
        try:
            await self.connection.execute(act.text)
        except asyncpg.UniqueViolationError as error:
            await self.connection.execute(f"drop index concurrently if exists {act.index}")
            raise SchemaError(
                "rows came meanwhile that break the unique rule",
                where=act.index,
                hint="Run it again, and it says how many.",
            ) from bare(error)

    # -- filling ------------------------------------------------------------------------------------------------------

    async def _fill(self, act: Batches, place: int) -> None:
        """Batch by batch through the key's index, each under its tenant's counter, as every other write of the tenant's.

        Rows made after the beginning are left out: a default or a trigger fills those. So it ends, whatever is inserted.
        When a row was made, the clock of whoever wrote it has said, and that may be ahead of the database's.
        """
        cursor = await self.connection.fetchval(_CURSOR, self.key, place)
        walk = _Walk(act, *(cursor.split(" ") if cursor else (None, None, None)))
        if walk.until is None:
            text = f"select greatest(clock_timestamp(), max(r.created_at)) from {act.table} r"
            walk.until = str(await self.connection.fetchval(text))
        total = await self.connection.fetchval(_ESTIMATE, act.table)
        size, seen = _FIRST_BATCH, 0
        realm = not await self.connection.fetchval(_HAS_TENANT, act.table)
        while True:
            began = time.monotonic()
            if not realm and walk.tenant is None and not await self._next_tenant(walk):
                return
            count = await self._batch(walk, size, place, realm=realm)
            seen += count
            self.control.progress(seen, max(int(total or 0), seen))
            if count < size:
                if realm:
                    return
                walk.finished, walk.tenant, walk.row = walk.tenant, None, None
            took = max(time.monotonic() - began, 0.001)
            size = int(min(max(size * min(max(_BATCH_SECONDS / took, 0.5), 2.0), _LEAST_BATCH), _MOST_BATCH))

    async def _next_tenant(self, walk: _Walk) -> bool:
        behind = f"where tenant_id > '{walk.finished}'" if walk.finished else ""
        text = f"select tenant_id from {walk.act.table} {behind} order by tenant_id limit 1"
        walk.tenant = await self.connection.fetchval(text)
        return walk.tenant is not None

    async def _batch(self, walk: _Walk, size: int, place: int, *, realm: bool) -> int:
        """One batch; the cursor is kept with it. Returns how many rows were looked at."""
        found: list[Any] = []

        async def do() -> None:
            found.clear()
            await self.connection.execute("set local app.flush = 'on'")
            if not realm:
                await self.connection.fetchval("select holdfast.lock_tenant($1)", walk.tenant)
            found.extend(await self.connection.fetch(walk.text(size, realm=realm)))
            if found:
                walk.row = found[-1]["id"]
                await self._note(_KEEP, place, walk.cursor())

        self.changed = True
        await self._patiently(do, None)
        return len(found)


@dataclass(slots=True)
class _Walk:
    """How far a table has been gone through: within which tenant, up to which row, behind which finished one."""

    act: Batches
    tenant: Any = None
    row: Any = None
    until: str | None = None
    finished: Any = None

    def cursor(self) -> str:
        return f"{self.tenant or '-'} {self.row} {str(self.until).replace(' ', 'T')}"

    def text(self, size: int, *, realm: bool) -> str:
        mine = "" if realm else f"r.tenant_id = '{self.tenant}' and "
        behind = f" and r.id > '{self.row}'" if self.row else ""
        key = "r.id = p.id" if realm else f"r.tenant_id = '{self.tenant}' and r.id = p.id"
        return f"""with p as materialized (select r.id from {self.act.table} r
  where {mine}r.created_at <= '{self.until}'{behind} order by r.id limit {size}),
d as (update {self.act.table} r set {self.act.target} = {self.act.value} from p where {key} and {self.act.condition})
select id from p order by id"""


def _probes(step: Step, roles: Roles) -> list[tuple[Probe, tuple[str, ...]]]:
    """What a step looks for, and in which tables."""
    acts = acts_of(step, roles)
    seen = [(each, act.tables) for act in acts if isinstance(act, Seen) for each in act.acts]
    return [(each, tables) for each, tables in seen if isinstance(each, Probe)]


def _is_making(step: Step) -> bool:
    return isinstance(step, Making)


_STARTED = """insert into holdfast.revision_steps (revision, step, checksum, release, phase)
 values ($1, $2, $3, $4, $5)
 on conflict (revision, step) do nothing"""
_FINISHED = (
    "update holdfast.revision_steps set finished_at = clock_timestamp() where revision = $1 and step = $2"
)
_KEEP = "update holdfast.revision_steps set cursor = $3 where revision = $1 and step = $2"
_HALF_BACK = "select distinct revision from holdfast.revision_steps where revision like $1 and revision <> $2"
_COLUMNS = """select format('%s.%s', n.nspname, c.relname) as table, a.attname as column
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
 where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
   and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""
MIGRATING = f"""select exists (select from pg_locks l join pg_database d on d.oid = l.database
  where l.locktype = 'advisory' and l.objid = {_ONE_AT_A_TIME} and l.granted and d.datname = current_database())"""
UNDER_WAY = """select s.revision, coalesce(array_agg(s.step) filter (where s.finished_at is not null), '{}') as done,
       max(s.step) + 1 as begun
  from holdfast.revision_steps s
 where not exists (select from holdfast.revisions r where r.revision = s.revision) group by 1 order by 1"""
_CURSOR = "select cursor from holdfast.revision_steps where revision = $1 and step = $2"
_HOLDERS = f"""select a.pid, a.usename, a.state, extract(epoch from now() - a.xact_start)::integer as seconds
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
 where l.locktype = 'relation' and l.relation = to_regclass($1) and l.granted and l.pid <> pg_backend_pid()
   and a.xact_start < now() - interval '{_LONG}' group by 1, 2, 3, a.xact_start order by 4 desc limit 5"""
_IS_WALLED = "select relforcerowsecurity from pg_class where oid = to_regclass($1)"
_IS_VALID = "select indisvalid from pg_index where indexrelid = to_regclass($1)"
_ESTIMATE = "select reltuples::bigint from pg_class where oid = to_regclass($1)"
_HAS_TENANT = """select exists (select from pg_attribute where attrelid = to_regclass($1) and attname = 'tenant_id'
  and not attisdropped) and (select relrowsecurity from pg_class where oid = to_regclass($1))"""
