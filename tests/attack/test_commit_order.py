"""Number order is commit order, without gaps, whatever happens to those who write: a reader that polls the log never sees
n + 1 before n, nothing that was acknowledged is missing, and what was not acknowledged is there whole or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from holdfast import Entity, Session, Store, new_id
from holdfast.changes.change import Change
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.errors import (
    AlreadyExists,
    Busy,
    Duplicate,
    HoldfastError,
    NotFound,
    ReferenceMissing,
    StaleVersion,
    Unavailable,
)
from holdfast.tenancy.scope import Scope
from tests.attack.entities import Folder, Notice, Paper
from tests.attack.wall import CATALOG, Wall, build, enter, everyone, member, run, value

WRITERS = 16
OPERATIONS = int(os.environ.get("HOLDFAST_TEST_OPERATIONS", "30"))
SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "1"))
PROCESSES = 4


@pytest.fixture(scope="module")
def ground(postgres_server: EmbeddedServer) -> Wall:
    """A database of this module's own."""
    return build(postgres_server, "order")


@dataclass(slots=True)
class Writer:
    """One client: what it was told, and what it was not."""

    store: Store
    scope: Scope
    dice: random.Random
    mine: list[Notice] = field(default_factory=list)
    told: dict[int, UUID] = field(default_factory=dict)
    unsure: set[UUID] = field(default_factory=set)

    async def work(self, operations: int) -> None:
        verbs = [self.create, self.create, self.change, self.change, self.several, self.remove, self.fail]
        for _ in range(operations):
            await self.dice.choice(verbs)()
            await asyncio.sleep(0)

    async def create(self) -> None:
        notice = Notice(text="chaos")
        if await self.commit([notice.id], lambda s: s.put(notice)):
            self.mine.append(notice)

    async def change(self) -> None:
        if self.mine:
            row = self.dice.choice(self.mine)
            await self.commit(
                [row.id], lambda s: s.patch(Notice, row.id, {"count": self.dice.randrange(10**9)})
            )

    async def several(self) -> None:
        """No plan serves this one: two entities, one of them referring to the other."""
        folder = Folder(label=str(uuid4()))
        papers = [Paper(folder_id=folder.id) for _ in range(2)]
        await self.commit([folder.id, *(p.id for p in papers)], lambda s: s.batch([folder, *papers]))

    async def remove(self) -> None:
        if self.mine:
            row = self.mine.pop(self.dice.randrange(len(self.mine)))
            await self.commit([row.id], lambda s: s.delete(Notice, row.id))

    async def fail(self) -> None:
        """Alone or in a shared flush, a mistake costs nobody else a number."""
        paper, notice = Paper(folder_id=new_id()), Notice(id=self.mine[0].id if self.mine else new_id())
        doomed: list[Callable[[Session], Awaitable[Any]]] = [
            lambda s: s.put(paper),
            lambda s: s.patch(Notice, new_id(), {"count": 1}),
        ]
        if self.mine:
            doomed.append(lambda s: s.put(Notice(id=notice.id)))
        with contextlib.suppress(ReferenceMissing, NotFound, AlreadyExists, Unavailable):
            async with self.store.session(self.scope) as session:
                await self.dice.choice(doomed)(session)
            raise AssertionError("a mistake was stored")

    async def commit(self, row_ids: list[UUID], write: Callable[[Session], Awaitable[Any]]) -> bool:
        """Whether it was acknowledged. What was not may have been stored all the same."""
        try:
            async with self.store.session(self.scope) as session:
                written = await write(session)
        except (Unavailable, AlreadyExists, NotFound, StaleVersion, Duplicate):
            self.unsure.update(row_ids)
            return False
        receipts = written if isinstance(written, list) else [written]
        for row_id, receipt in zip(row_ids, receipts, strict=True):
            if receipt.outcome.number is not None:
                self.told[receipt.outcome.number] = row_id
        return True


@dataclass(slots=True)
class Reader:
    """Polls the log of one tenant, and notices at once when a number comes before its turn."""

    store: Store
    scope: Scope
    log: list[Change] = field(default_factory=list)
    polls: int = 0

    async def read(self) -> None:
        async with self.store.engine.begin(everyone(self.scope), read_only=True) as tx:
            head = (await tx.marks()).head
            changes = await tx.read_changes(len(self.log), limit=100_000)
        assert [change.number for change in changes] == list(range(len(self.log) + 1, head + 1))
        if changes:
            assert changes[-1].flush_end == head, "a flush is seen whole"
        self.log += changes
        self.polls += 1

    async def follow(self, until: asyncio.Event) -> None:
        while not until.is_set():
            await self.read()
            await asyncio.sleep(0.002)
        await self.read()


@asynccontextmanager
async def processes(ground: Wall, count: int) -> AsyncIterator[list[Store]]:
    """Stores that share nothing, as in so many server processes."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(ground.store(pool_size=4)) for _ in range(count)]


async def unrest(ground: Wall, until: asyncio.Event, dice: random.Random, scopes: list[Scope]) -> int:
    """Ends sessions, and takes counters only to give up. Returns how many sessions it ended."""
    ended = 0
    admin = await asyncpg.connect(ground.logins.admin)
    intruder = await asyncpg.connect(ground.logins.runtime, server_settings={"application_name": "intruder"})
    try:
        while not until.is_set():
            await asyncio.sleep(0.02)
            ended += await end_one(ground, admin)
            await flush_in_vain(intruder, dice.choice(scopes))
    finally:
        await intruder.close()
        await admin.close()
    return ended


async def end_one(ground: Wall, admin: asyncpg.Connection) -> int:
    text = """select count(pg_terminate_backend(pid)) from (select pid from pg_stat_activity where usename = $1 and state <> 'idle'
      and application_name = 'holdfast' and datname = current_database() order by random() limit 1) one"""
    return int(await admin.fetchval(text, ground.roles.runtime))


async def flush_in_vain(intruder: asyncpg.Connection, scope: Scope) -> None:
    transaction = intruder.transaction()
    await transaction.start()
    with contextlib.suppress(asyncpg.PostgresError):
        await intruder.execute(
            f"set local app.tenant_id = '{scope.tenant_id}'; set local app.flush = 'on'; set local lock_timeout = 500"
        )
        head = await intruder.fetchval("select holdfast.lock_tenant($1)", scope.tenant_id)
        await intruder.execute("update holdfast.tenant_heads set head = $1", head + 7)
        await intruder.execute(
            """insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, at, commitment)
              values ($1, $2, $2, 1, 'app.notices', $1, 'c', '{}', 1, now(), '')""",
            scope.tenant_id, head + 1,
        )  # fmt: skip
    await transaction.rollback()


async def agree(store: Store, scope: Scope, log: list[Change]) -> None:
    """The rows are what the log says, change by change."""
    versions: dict[tuple[str, UUID], int] = defaultdict(int)
    alive: set[tuple[str, UUID]] = set()
    for change in log:
        key = (change.entity, change.row_id)
        versions[key] += 1
        assert change.version == versions[key]
        alive.discard(key) if change.op == "d" else alive.add(key)
    rows: dict[tuple[str, UUID], int] = {}
    for entity in (Folder, Paper, Notice):
        name = CATALOG.schema(entity).name
        rows |= {(name, row_id): version for row_id, version in await all_rows(store, scope, entity)}
    assert rows == {key: versions[key] for key in alive}


async def all_rows(store: Store, scope: Scope, entity: type[Entity]) -> list[tuple[UUID, int]]:
    found: list[tuple[UUID, int]] = []
    after: str | None = None
    while True:
        rows, after = await store.read_page(
            everyone(scope), CATALOG.schema(entity), {}, limit=1000, after=after
        )
        found += [(row["id"], row["version"]) for row in rows]
        if after is None:
            return found


def nothing_acknowledged_is_lost(writers: list[Writer], log: list[Change]) -> None:
    stored = {change.number: change.row_id for change in log}
    for writer in writers:
        assert writer.told.items() <= stored.items()
    sure = {row_id for writer in writers for row_id in writer.told.values()}
    unsure = {row_id for writer in writers for row_id in writer.unsure}
    assert {change.row_id for change in log} <= sure | unsure, "nobody wrote this"
    numbers = [number for writer in writers for number in writer.told]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("calm", [True, False], ids=["in peace", "in unrest"])
async def test_sixteen_writers_on_one_tenant(ground: Wall, calm: bool) -> None:
    dice, over = random.Random(SEED), asyncio.Event()
    async with processes(ground, PROCESSES) as stores, ground.store(pool_size=1) as apart:
        scope = await member(stores[0])
        reader = Reader(apart, scope)
        writers = [
            Writer(stores[n % PROCESSES], scope, random.Random(SEED * 1000 + n)) for n in range(WRITERS)
        ]
        following = asyncio.ensure_future(reader.follow(over))
        troubling = None if calm else asyncio.ensure_future(unrest(ground, over, dice, [scope]))
        await asyncio.gather(*(writer.work(OPERATIONS) for writer in writers))
        over.set()
        ended = await troubling if troubling else 0
        await reader_to_the_end(following, reader)
        nothing_acknowledged_is_lost(writers, reader.log)
        await agree(apart, scope, reader.log)
        assert len(reader.log) >= WRITERS
        assert reader.polls > 3
        assert calm or ended
        assert not calm or not any(writer.unsure for writer in writers)


async def reader_to_the_end(following: asyncio.Future[None], reader: Reader) -> None:
    """A reader whose own session was ended begins again where it stood."""
    try:
        await following
    except Unavailable:
        for _ in range(20):
            with contextlib.suppress(Unavailable):
                await reader.read()
                return
        raise


async def test_sixteen_writers_on_as_many_tenants(ground: Wall) -> None:
    over = asyncio.Event()
    async with processes(ground, PROCESSES) as stores, ground.store(pool_size=4) as apart:
        scopes = [await member(stores[0]) for _ in range(WRITERS)]
        writers = [
            Writer(stores[n % PROCESSES], scope, random.Random(SEED * 1000 + n))
            for n, scope in enumerate(scopes)
        ]
        readers = [Reader(apart, scope) for scope in scopes[:4]]
        following = [asyncio.ensure_future(reader.follow(over)) for reader in readers]
        await asyncio.gather(*(writer.work(OPERATIONS) for writer in writers))
        over.set()
        await asyncio.gather(*following)
        for writer in writers:
            reader = Reader(apart, writer.scope)
            await reader.read()
            nothing_acknowledged_is_lost([writer], reader.log)
            await agree(apart, writer.scope, reader.log)


async def test_a_flush_that_is_held_open_holds_the_order(ground: Wall) -> None:
    """Somebody has taken number n and does not commit: nobody sees n + 1 until n is there."""
    async with processes(ground, 3) as stores:
        scope = await member(stores[0])
        reader = Reader(stores[2], scope)
        with ground.runtime() as holder:
            with holder.transaction():
                enter(holder, scope, flush=True)
                assert value(holder, "select holdfast.lock_tenant(%s)", scope.tenant_id) == 0
                waiting = [asyncio.ensure_future(put(store, scope)) for store in stores[:2] * 2]
                for _ in range(20):
                    await reader.read()
                    await asyncio.sleep(0.01)
                assert reader.log == []
                first = new_id()
                run(holder, "update holdfast.tenant_heads set head = 1")
                run(
                    holder,
                    """insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, at,
                      commitment) values (%s, 1, 1, 1, 'app.notices', %s, 'c', '{}', 1, now(), '')""",
                    scope.tenant_id, first,
                )  # fmt: skip
            assert sorted(await asyncio.gather(*waiting)) == [2, 3, 4, 5]
        await reader.read()
        assert [change.number for change in reader.log] == [1, 2, 3, 4, 5]
        assert reader.log[0].row_id == first


async def put(store: Store, scope: Scope) -> int:
    async with store.session(scope) as session:
        receipt = await session.put(Notice())
    assert receipt.outcome.number is not None
    return receipt.outcome.number


async def test_a_flush_that_gives_up_leaves_its_numbers_to_the_next(ground: Wall) -> None:
    async with ground.store(pool_size=2) as store:
        scope = await member(store)
        intruder = await asyncpg.connect(ground.logins.runtime)
        for expected in (1, 2, 3):
            await flush_in_vain(intruder, scope)
            assert await put(store, scope) == expected
        await intruder.close()


async def test_a_deadlock_costs_one_side_its_transaction_and_no_number(ground: Wall) -> None:
    """An administrator holds a row and wants the counter; a flush holds the counter and wants the row."""
    async with processes(ground, 1) as (store,):
        scope = await member(store)
        notice = Notice()
        async with store.session(scope) as session:
            await session.put(notice)
        admin = await asyncpg.connect(ground.logins.admin)
        try:
            transaction = admin.transaction()
            await transaction.start()
            await admin.execute("set local deadlock_timeout = '20s'; set local app.flush = 'on'")
            await admin.execute("update app.notices set count = 1 where id = $1", notice.id)
            flushing = asyncio.ensure_future(patch_two(store, scope, notice))
            await until_waiting(ground)
            wanting = asyncio.ensure_future(
                admin.fetch(
                    "select * from holdfast.tenant_heads where tenant_id = $1 for update", scope.tenant_id
                )
            )
            with pytest.raises(Busy) as caught:
                await flushing
            assert "40P01" in str(caught.value.__cause__)
            assert len(await wanting) == 1
            await transaction.rollback()
        finally:
            await admin.close()
        assert await put(store, scope) == 2
        reader = Reader(store, scope)
        await reader.read()
        await agree(store, scope, reader.log)


async def patch_two(store: Store, scope: Scope, notice: Notice) -> None:
    async with store.session(scope) as session:
        await session.put(Notice())
        await session.patch(Notice, notice.id, {"count": 2})


async def until_waiting(ground: Wall) -> None:
    with ground.connect("admin") as admin:
        text = "select count(*) from pg_stat_activity where usename = %s and wait_event_type = 'Lock'"
        for _ in range(300):
            if value(admin, text, ground.roles.runtime):
                return
            await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_writers_that_are_cancelled_leave_no_gap(ground: Wall) -> None:
    dice, over = random.Random(3), asyncio.Event()
    async with processes(ground, 2) as stores, ground.store(pool_size=1) as apart:
        scope = await member(stores[0])
        reader = Reader(apart, scope)
        following = asyncio.ensure_future(reader.follow(over))
        acknowledged: list[int] = []
        for _ in range(12):
            tasks = [asyncio.ensure_future(put(stores[n % 2], scope)) for n in range(10)]
            await asyncio.sleep(dice.random() * 0.01)
            for task in dice.sample(tasks, 4):
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            acknowledged += [answer for answer in done if isinstance(answer, int)]
            assert not [answer for answer in done if isinstance(answer, HoldfastError)]
        for store in stores:
            await store.flusher.drain()
        over.set()
        await following
        assert len(acknowledged) == len(set(acknowledged)) >= 12 * 6
        assert set(acknowledged) <= {change.number for change in reader.log}
        await agree(apart, scope, reader.log)
