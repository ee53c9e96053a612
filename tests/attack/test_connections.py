"""Connections under duress: cancelled, exhausted, frozen, ended from outside, and a server that goes and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from holdfast import Store, new_id
from holdfast.changes.change import Operation
from holdfast.engines.port import PlannedWrite, Selection, Write, WritePlan
from holdfast.engines.postgres import engine as postgres_engine
from holdfast.engines.postgres._errors import translated
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.errors import Busy, InvalidInput, Unavailable
from holdfast.model.plain import normalise_fields
from holdfast.store.store import utc_now
from tests.attack.entities import Folder, Notice, Paper
from tests.attack.wall import CATALOG, Connection, Wall, build, enter, everyone, inside, member, run, value
from tests.servers import FAST, bin_dir_of, discard, new_home

NOTICES = CATALOG.schema(Notice)
IN_TRANSACTION = (
    "select count(*) from pg_stat_activity where usename = %s and state like 'idle in transaction%%'"
)


def create_plan(wall: Wall, notice: Notice) -> WritePlan:
    values = normalise_fields(NOTICES, {field.name: getattr(notice, field.name) for field in NOTICES.fields})
    write = Write(NOTICES, Operation.CREATE, notice.id, values, 0, b"salt")
    return WritePlan(NOTICES, Operation.CREATE, [PlannedWrite(write, wall.ann, utc_now())])


def blocked(wall: Wall) -> bool:
    """Whether a session of the runtime login waits for a lock."""
    with wall.connect("admin") as admin:
        text = "select count(*) from pg_stat_activity where usename = %s and wait_event_type = 'Lock'"
        return bool(value(admin, text, wall.roles.runtime))


async def until_blocked(wall: Wall) -> None:
    for _ in range(300):
        if blocked(wall):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def cancelled(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def hold_counter(connection: Connection, wall: Wall) -> None:
    enter(connection, wall.ann, flush=True)
    run(connection, "select holdfast.lock_tenant(%s)", wall.ann.tenant_id)


async def as_before(wall: Wall, store: Store, head: int) -> None:
    """No number is taken, no transaction left open, and the connections work."""
    assert await store.head(wall.ann) == head
    with wall.connect("admin") as admin:
        for _ in range(200):
            if not value(admin, IN_TRANSACTION, wall.roles.runtime):
                break
            await asyncio.sleep(0.01)
        assert value(admin, IN_TRANSACTION, wall.roles.runtime) == 0
    await asyncio.gather(*(store.engine.ping() for _ in range(8)))


# -- cancelled ------------------------------------------------------------------------------------------------------------


async def test_a_plan_that_is_cancelled_while_it_waits_writes_nothing(wall: Wall) -> None:
    async with wall.store(pool_size=2) as store:
        head, notice = await store.head(wall.ann), Notice(text="never")
        with wall.runtime() as other, other.transaction():
            hold_counter(other, wall)
            task = asyncio.ensure_future(store.engine.run(wall.ann, create_plan(wall, notice)))
            await until_blocked(wall)
            await cancelled(task)
            async with asyncio.timeout(3):
                while blocked(wall):
                    await asyncio.sleep(0.01)
        await as_before(wall, store, head)
        assert await store.read_row(wall.ann, NOTICES, notice.id) is None


async def test_a_transaction_that_is_cancelled_in_a_statement_is_undone(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store:
        head = await store.head(wall.ann)

        async def work() -> None:
            async with store.engine.begin(wall.ann) as tx:
                await tx.lock()
                await tx.connection.execute("select pg_sleep(30)")  # type: ignore[attr-defined]

        task = asyncio.ensure_future(work())
        await asyncio.sleep(0.1)
        await cancelled(task)
        await as_before(wall, store, head)


async def test_a_commit_that_is_cancelled_is_whole_or_nothing(wall: Wall) -> None:
    """It waits at its deferred reference, whose target somebody holds."""
    folder = wall.rows["ann"][0]
    async with wall.store(pool_size=1) as store:
        head, paper = await store.head(wall.ann), new_id()
        with wall.runtime() as other, inside(other, wall.ann):
            run(other, "select * from app.folders where id = %s for update", folder.id)
            task = asyncio.ensure_future(insert_paper(store, wall, paper, folder.id))
            await until_blocked(wall)
            await cancelled(task)
        await as_before(wall, store, head)
        assert await store.read_row(wall.ann, CATALOG.schema(Paper), paper) is None


async def insert_paper(store: Store, wall: Wall, row_id: UUID, folder_id: UUID) -> None:
    async with store.engine.begin(wall.ann) as tx:
        await tx.lock()
        await tx.connection.execute(  # type: ignore[attr-defined]
            """insert into app.papers (tenant_id, id, version, created_at, updated_at, commit_salt, user_id, folder_id, title,
              rank, price, is_cover) values ($1, $2, 1, now(), now(), '', $3, $4, '', 1, 0, false)""",
            wall.ann.tenant_id, row_id, wall.ann.user_id, folder_id,
        )  # fmt: skip


async def test_callers_that_are_cancelled_while_they_wait_for_a_connection_leave_no_gap(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store:
        for _ in range(5):
            async with store.engine.begin(wall.ann, read_only=True):
                waiting = [asyncio.ensure_future(store.head(scope)) for scope in (wall.ann, wall.bob) * 3]
                await asyncio.sleep(0.01)
                for task in waiting[::2]:
                    task.cancel()
            done = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(answer) for answer in done] == [asyncio.CancelledError, int] * 3
        await store.head(wall.ann)


async def test_a_cancelled_session_takes_no_other_write_with_it(wall: Wall) -> None:
    """Its own write may be stored or not, as with a client that hangs up; the others' are, and no number is lost."""
    async with wall.store(pool_size=2) as store:
        head = await store.head(wall.ann)
        notices = [Notice(text=f"shared flush {n}") for n in range(6)]
        with wall.runtime() as other, other.transaction():
            hold_counter(other, wall)
            tasks = [asyncio.ensure_future(put(store, wall, notice)) for notice in notices]
            await until_blocked(wall)
            tasks[0].cancel()
            tasks[3].cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(answer) for answer in done].count(asyncio.CancelledError) == 2
        numbers = sorted(answer for answer in done if isinstance(answer, int))
        await store.flusher.drain()
        there = [await store.read_row(wall.ann, NOTICES, notice.id) for notice in notices]
        assert all(row for row, answer in zip(there, done, strict=True) if isinstance(answer, int))
        assert len(set(numbers)) == 4
        assert await store.head(wall.ann) == head + sum(row is not None for row in there)
        await remove(store, wall, [notice.id for notice, row in zip(notices, there, strict=True) if row])


async def put(store: Store, wall: Wall, notice: Notice) -> int:
    async with store.session(wall.ann) as session:
        receipt = await session.put(notice)
    assert receipt.outcome.number is not None
    return receipt.outcome.number


async def remove(store: Store, wall: Wall, row_ids: list[UUID]) -> None:
    async with store.session(wall.ann) as session:
        for row_id in row_ids:
            await session.delete(Notice, row_id)


# -- bounded waits --------------------------------------------------------------------------------------------------------


async def in_time(awaitable: Awaitable[object], *, seconds: float) -> float:
    """How long it took to fail as Busy."""
    began = time.monotonic()
    with pytest.raises(Busy) as caught:
        async with asyncio.timeout(seconds):
            await awaitable
    assert caught.value.retry_after
    return time.monotonic() - began


async def test_a_full_pool_answers_busy(wall: Wall) -> None:
    async with wall.store(pool_size=2) as store:
        async with store.engine.begin(wall.bob), store.engine.begin(everyone(wall.ann)):
            assert await in_time(store.head(wall.ann), seconds=9) < 8
        assert await store.head(wall.ann) > 0


async def test_a_counter_that_is_held_answers_busy(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_engine, "_LOCK_TIMEOUT", "200ms")
    async with wall.store(pool_size=2) as store:
        head = await store.head(wall.ann)
        with wall.runtime() as other, other.transaction():
            hold_counter(other, wall)
            await in_time(put(store, wall, Notice()), seconds=5)
            await in_time(put_and_patch(store, wall), seconds=5)
            assert (await store.read_page(wall.ann, NOTICES, {}))[0], "readers do not wait"
            assert await store.head(wall.bob) > 0
        await as_before(wall, store, head)


async def put_and_patch(store: Store, wall: Wall) -> None:
    """A write set that no plan serves."""
    async with store.session(wall.ann) as session:
        await session.put(Notice())
        await session.patch(Notice, wall.rows["ann"][2].id, {"count": 1})


async def test_a_statement_that_takes_too_long_answers_busy(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "_STATEMENT_TIMEOUT", "200ms")
    async with wall.store(pool_size=1) as store:
        head = await store.head(wall.ann)
        await in_time(sleep_in_a_transaction(store, wall), seconds=5)
        await as_before(wall, store, head)


async def sleep_in_a_transaction(store: Store, wall: Wall) -> None:
    async with store.engine.begin(wall.ann) as tx:
        await tx.lock()
        with translated():
            await tx.connection.execute("select pg_sleep(30)")  # type: ignore[attr-defined]


async def test_a_backend_that_does_not_answer_is_left_behind(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen in the middle of a transaction: undoing it does not wait for ever."""
    monkeypatch.setattr(postgres_engine, "_ROLLBACK_SECONDS", 0.3)
    async with wall.store(pool_size=1) as store:
        began, pid = time.monotonic(), 0
        try:
            with pytest.raises(ZeroDivisionError):
                async with store.engine.begin(wall.ann) as tx:
                    pid = tx.connection.get_server_pid()  # type: ignore[attr-defined]
                    os.kill(pid, signal.SIGSTOP)
                    raise ZeroDivisionError
            assert time.monotonic() - began < 5
            assert await store.head(wall.ann) > 0
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_a_failed_statement_cannot_be_committed_over(wall: Wall) -> None:
    """Whoever swallows its error is told at the end, where PostgreSQL would only answer ROLLBACK."""
    async with wall.store(pool_size=1) as store:
        head = await store.head(wall.ann)
        with pytest.raises(Unavailable, match="undone"):
            async with store.engine.begin(wall.ann) as tx:
                await tx.lock()
                with pytest.raises(InvalidInput), translated():
                    await tx.connection.execute("select 1 / 0")  # type: ignore[attr-defined]
        await as_before(wall, store, head)


# -- ended from outside ---------------------------------------------------------------------------------------------------


async def test_a_connection_that_is_ended_in_a_flush_writes_nothing(wall: Wall) -> None:
    folder = wall.rows["ann"][0]
    async with wall.store(pool_size=2) as store:
        head, paper = await store.head(wall.ann), new_id()
        with wall.runtime() as other, inside(other, wall.ann):
            run(other, "select * from app.folders where id = %s for update", folder.id)
            task = asyncio.ensure_future(insert_paper(store, wall, paper, folder.id))
            await until_blocked(wall)
            end_sessions(wall, "wait_event_type = 'Lock'")
            with pytest.raises(Unavailable):
                await task
        await as_before(wall, store, head)
        assert await store.read_row(wall.ann, CATALOG.schema(Paper), paper) is None


async def test_a_plan_whose_connection_is_ended_writes_nothing(wall: Wall) -> None:
    async with wall.store(pool_size=2) as store:
        head, notice = await store.head(wall.ann), Notice(text="cut off")
        with wall.runtime() as other, other.transaction():
            hold_counter(other, wall)
            task = asyncio.ensure_future(store.engine.run(wall.ann, create_plan(wall, notice)))
            await until_blocked(wall)
            end_sessions(wall, "wait_event_type = 'Lock'")
            with pytest.raises(Unavailable):
                await task
        await as_before(wall, store, head)
        assert await store.read_row(wall.ann, NOTICES, notice.id) is None


async def test_idle_connections_that_are_ended_are_replaced(wall: Wall) -> None:
    async with wall.store(pool_size=4) as store:
        await asyncio.gather(*(store.head(scope) for scope in (wall.ann, wall.bob) * 4))
        end_sessions(wall, "state = 'idle'")
        await asyncio.sleep(0.1)
        assert all(await asyncio.gather(*(store.head(scope) for scope in (wall.ann, wall.bob) * 4)))


def end_sessions(wall: Wall, condition: str) -> None:
    with wall.connect("admin") as admin:
        text = f"select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = %s and {condition}"
        assert value(admin, text, wall.roles.runtime) > 0


# -- a server that goes and comes back ------------------------------------------------------------------------------------


@asynccontextmanager
async def own_server(wall: Wall) -> AsyncIterator[Wall]:
    """A wall on a server that nobody else uses, of the same version."""
    home = new_home()
    try:
        server = EmbeddedServer.start(home, bin_dir=bin_dir_of(wall.version), settings=FAST)
        yield await asyncio.to_thread(build, server, "restarted")
    finally:
        discard(home)


async def test_a_server_that_restarts_under_a_living_pool(wall: Wall) -> None:
    """Calls fail as Unavailable while it is gone, and succeed once it is back, without opening anything anew."""
    async with own_server(wall) as mine, mine.store(pool_size=3) as store:
        number = await put(store, mine, Notice(text="before"))
        home, bin_dir = mine.server.home, bin_dir_of(mine.version)
        assert await asyncio.to_thread(mine.server.stop, force=True)
        for call in (store.engine.ping, lambda: store.head(mine.ann), lambda: put(store, mine, Notice())):
            with pytest.raises(Unavailable):
                async with asyncio.timeout(5):
                    await call()
        await asyncio.to_thread(EmbeddedServer.start, home, bin_dir=bin_dir, settings=FAST)
        assert await asyncio.gather(*(store.head(mine.ann) for _ in range(6))) == [number] * 6
        assert await put(store, mine, Notice(text="after")) == number + 1


# -- a tenant that is forgotten -------------------------------------------------------------------------------------------


async def test_a_tenant_is_forgotten_whole_and_nobody_else(wall: Wall) -> None:
    async with wall.store(pool_size=2) as store:
        lodger, head = await member(store), await store.head(wall.ann)
        for _ in range(2):
            folder = Folder(label="lodger's")
            async with store.session(lodger) as session:
                await session.batch([folder, Paper(folder_id=folder.id), Notice()])
            async with store.session(lodger) as session:
                await session.patch(Folder, folder.id, {"label": "other"})
            assert await store.head(lodger) == 4, "numbers begin again"
            await store.engine.forget_tenant(lodger.tenant_id, CATALOG)
            with wall.connect("backup") as backup:
                for table in TENANT_TABLES:
                    assert (
                        value(backup, f"select count(*) from {table} where tenant_id = %s", lodger.tenant_id)
                        == 0
                    )
        assert await store.head(wall.ann) == head


TENANT_TABLES = [
    *(schema.name for schema in CATALOG if schema.visibility != "realm"),
    "holdfast.tenant_heads",
    "holdfast.changes",
    "holdfast.field_history",
    "holdfast.tombstones",
]


async def test_a_tenant_is_forgotten_with_what_is_written_meanwhile(wall: Wall) -> None:
    """A writer has the counter: forgetting waits for it, and takes its rows too."""
    async with wall.store(pool_size=2) as store:
        lodger = await member(store)
        async with store.session(lodger) as session:
            await session.put(Notice(text="early"))
        with wall.runtime() as other:
            with other.transaction():
                enter(other, lodger, flush=True)
                run(other, "select holdfast.lock_tenant(%s)", lodger.tenant_id)
                forgetting = asyncio.ensure_future(store.engine.forget_tenant(lodger.tenant_id, CATALOG))
                await asyncio.sleep(0.15)
                text = """insert into app.notices (tenant_id, id, version, created_at, updated_at, commit_salt, kind, text, count)
                  values (%s, %s, 1, now(), now(), '', 'news', 'late', 0)"""
                run(other, text, lodger.tenant_id, new_id())
            await forgetting
        with wall.connect("backup") as backup:
            for table in TENANT_TABLES:
                assert (
                    value(backup, f"select count(*) from {table} where tenant_id = %s", lodger.tenant_id) == 0
                )


async def test_forgetting_may_take_longer_than_a_statement(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "_STATEMENT_TIMEOUT", "300ms")
    monkeypatch.setattr(postgres_engine, "_ANSWER_SECONDS", 0.4)
    async with wall.store(pool_size=2) as store:
        lodger = await member(store)
        async with store.session(lodger) as session:
            await session.put(Notice())
        with wall.runtime() as other:
            with other.transaction():
                enter(other, lodger, flush=True)
                run(other, "select * from app.notices for update")
                forgetting = asyncio.ensure_future(store.engine.forget_tenant(lodger.tenant_id, CATALOG))
                await asyncio.sleep(0.6)
            await forgetting
        assert await store.head(lodger) == 0


def test_this_module_ends_with_what_it_found(wall: Wall) -> None:
    with wall.connect("backup") as backup:
        texts = "select count(*) from app.notices where text in ('never', 'cut off', 'late', 'early')"
        assert value(backup, texts) == 0


async def test_a_stream_that_is_left_ends_on_the_server_too(wall: Wall) -> None:
    """Nothing goes on reading for nobody, and the place in the pool is free again."""
    running = "select count(*) from pg_stat_activity where state = 'active' and query ilike 'copy %'"
    async with wall.store(pool_size=1) as store:
        for _ in range(3):
            async with store.session(wall.ann) as session:
                await session.batch(Notice(text="x" * 100_000) for _ in range(40))
        for _ in range(3):
            async with store.engine.begin(wall.ann, read_only=True) as tx:
                stream = tx.stream(Selection(NOTICES))
                assert (await anext(stream)).count < 120
                await stream.aclose()
            assert await store.head(wall.ann) > 0
        with wall.connect("admin") as admin:
            for _ in range(100):
                if value(admin, running) == 0:
                    break
                await asyncio.sleep(0.05)
            assert value(admin, running) == 0
        async with store.session(wall.ann) as session:
            for notice in (await session.select(Notice, limit=1_000)).items:
                if len(notice.text) == 100_000:
                    await session.delete(Notice, notice.id)
