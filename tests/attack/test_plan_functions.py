"""Plan functions: one snapshot for those that read, the counter first for those that write, old and new side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal
from uuid import UUID

import asyncpg
import pytest

from holdfast import Entity, Index, Shared, Store
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.errors import MigrationsPending
from holdfast.model.catalog import Catalog
from holdfast.model.steps import CreatePlans, DropPlans
from tests.attack.entities import REALM, Notice
from tests.attack.wall import CATALOG, SECRET, Connection, Wall, enter, run, value

NOTICES = CATALOG.schema(Notice)
GATE = 4711
# As a pull would read: the head, then the rows. A writer is let through between the two.
PULL = """create function app.pull_{0}(out head bigint, out rows bigint) language plpgsql {0} set search_path = pg_catalog as $$
begin
  select h.head into head from holdfast.tenant_heads h where h.tenant_id = current_setting('app.tenant_id')::uuid;
  perform pg_advisory_xact_lock_shared(4711);
  select count(*) into rows from app.notices;
end $$"""


@contextmanager
def pulls(wall: Wall) -> Iterator[None]:
    """The two functions, for as long as the block lasts."""
    with wall.connect("admin") as admin:
        try:
            for volatility in ("stable", "volatile"):
                run(admin, PULL.format(volatility))
                run(admin, f"grant execute on function app.pull_{volatility}() to {wall.roles.runtime}")
            yield
        finally:
            run(admin, "drop function if exists app.pull_stable(), app.pull_volatile()")


@asynccontextmanager
async def gate(wall: Wall) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(wall.logins.admin)
    try:
        await connection.execute(f"select pg_advisory_lock({GATE})")
        yield connection
    finally:
        await connection.close()


async def pull_with_a_writer_between(wall: Wall, store: Store, volatility: str) -> tuple[int, int]:
    """What the function answers where a notice is committed between its two statements."""
    async with gate(wall) as keeper, store.engine.begin(wall.ann) as tx:
        connection = tx.connection  # type: ignore[attr-defined]
        pulling = asyncio.ensure_future(connection.fetchrow(f"select * from app.pull_{volatility}()"))
        await waits_at_the_gate(keeper)
        async with store.session(wall.ann) as session:
            await session.put(Notice(text="between"))
        await keeper.execute(f"select pg_advisory_unlock({GATE})")
        head, rows = await pulling
        return head, rows


async def waits_at_the_gate(keeper: asyncpg.Connection) -> None:
    for _ in range(500):
        if await keeper.fetchval("select count(*) from pg_locks where locktype = 'advisory' and not granted"):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody came to the gate")


async def test_a_stable_function_reads_one_snapshot_and_a_volatile_one_does_not(wall: Wall) -> None:
    with pulls(wall):
        async with wall.store(pool_size=4) as store:
            for volatility, sees_the_writer in (("stable", 0), ("volatile", 1)):
                head, rows = await store.head(wall.ann), await count(store, wall)
                assert await pull_with_a_writer_between(wall, store, volatility) == (
                    head,
                    rows + sees_the_writer,
                )
            for row in (await store.read_page(wall.ann, NOTICES, {}))[0]:
                if row["text"] == "between":
                    async with store.session(wall.ann) as session:
                        await session.delete(Notice, row["id"])


async def count(store: Store, wall: Wall) -> int:
    return len((await store.read_page(wall.ann, NOTICES, {}, limit=1000))[0])


def test_plans_that_read_are_stable_and_those_that_write_are_volatile(wall: Wall) -> None:
    text = """select split_part(p.proname, '_', 1), p.provolatile::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = 'app'"""
    with wall.runtime() as runtime:
        assert set(run(runtime, text)) == {
            ("get", "s"),
            ("list", "s"),
            ("create", "v"),
            ("update", "v"),
            ("delete", "v"),
        }


def test_plans_keep_to_the_rules_of_functions(wall: Wall) -> None:
    text = """select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('app', 'holdfast')
      and (p.prosecdef or p.proconfig is distinct from array['search_path=pg_catalog, pg_temp']
           or p.prosrc ~ 'select \\*' or has_function_privilege('public', p.oid, 'EXECUTE'))"""
    with wall.runtime() as runtime:
        assert run(runtime, text) == []


async def test_a_write_reads_after_it_has_the_counter(wall: Wall) -> None:
    """A writer holds the counter and moves a row from version 1 to 2: the next one, waiting, must read 2 and not 1."""
    async with wall.store(pool_size=2) as store:
        notice = Notice(text="contended")
        async with store.session(wall.ann) as session:
            await session.put(notice)
        with wall.runtime() as first:
            with first.transaction():
                move(first, wall, notice.id)
                waiting = asyncio.ensure_future(patch(store, wall, notice.id, if_version=2))
                await asyncio.sleep(0.1)
                assert not waiting.done()
            assert await waiting == 3
        async with store.session(wall.ann) as session:
            await session.delete(Notice, notice.id)


def move(connection: Connection, wall: Wall, row_id: UUID) -> None:
    """What another process' flush does, as far as it matters here."""
    enter(connection, wall.ann, flush=True)
    head = value(connection, "select holdfast.lock_tenant(%s)", wall.ann.tenant_id)
    run(connection, "update app.notices set version = version + 1 where id = %s", row_id)
    run(connection, "update holdfast.tenant_heads set head = %s", head + 1)
    run(
        connection,
        """insert into holdfast.changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, at, commitment)
          values (%s, %s, %s, 1, 'app.notices', %s, 'u', '{}', 2, now(), '')""",
        wall.ann.tenant_id, head + 1, head + 1, row_id,
    )  # fmt: skip


async def patch(store: Store, wall: Wall, row_id: UUID, *, if_version: int) -> int:
    async with store.session(wall.ann) as session:
        receipt = await session.patch(Notice, row_id, {"text": "moved"}, if_version=if_version)
    return receipt.outcome.version


class NewNotice(Entity, table="notices", policies=(Shared(write="admin"), Index("kind"))):
    """The same table as `Notice`, declared otherwise: its plans have names of their own."""

    kind: Literal["news", "alarm"] = "news"
    text: str = ""
    count: int = 0


NEW = Catalog({"realm": REALM, "app": (NewNotice,)})


async def test_plans_of_two_schemas_run_side_by_side(wall: Wall) -> None:
    schema = NEW.schema(NewNotice)
    assert schema.digest != NOTICES.digest
    row_id = wall.rows["ann"][2].id
    async with wall.store(pool_size=2) as old:
        new = Store(old.engine, NEW, cursor_secret=SECRET)
        engine = old.engine
        assert isinstance(engine, PostgresEngine)
        with pytest.raises(MigrationsPending):
            await new.read_body(wall.ann, schema, row_id)
        await engine.apply([CreatePlans(schema)], revision="test_0002", checksum="test")
        try:
            before = await old.read_body(wall.ann, NOTICES, row_id)
            assert before is not None
            assert await new.read_body(wall.ann, schema, row_id) == before
            async with new.session(wall.ann) as session:
                await session.patch(NewNotice, row_id, {"count": before.version})
            async with old.session(wall.ann) as session:
                await session.patch(Notice, row_id, {"count": 0}, if_version=before.version + 1)
            after = await new.read_body(wall.ann, schema, row_id)
            assert after == await old.read_body(wall.ann, NOTICES, row_id)
            assert after is not None
            assert after.version == before.version + 2
        finally:
            await engine.apply([DropPlans(schema)], revision="test_0003", checksum="test")
        with pytest.raises(MigrationsPending):
            await new.read_body(wall.ann, schema, row_id)
        assert await old.read_body(wall.ann, NOTICES, row_id) is not None
    with wall.connect("admin") as admin:
        run(admin, "delete from holdfast.revisions where revision in ('test_0002', 'test_0003')")


async def test_a_column_that_a_newer_release_adds_to_the_log_does_not_disturb_this_one(wall: Wall) -> None:
    """Nothing of ours reads or writes the log by the position of its columns outside the generated updates."""
    added = "alter table holdfast.{0} add column extra text; alter table holdfast.{0} alter column extra set default 'x'"
    with wall.connect("admin") as admin:
        for table in ("changes", "field_history", "tombstones", "tenant_heads"):
            run(admin, added.format(table))
        try:
            async with wall.store(pool_size=1) as store:
                notices = [Notice(text="one"), Notice(text="two")]
                async with store.session(wall.ann) as session:
                    await session.batch(notices)
                async with store.session(wall.ann) as session:
                    for notice in notices:
                        await session.delete(Notice, notice.id)
                async with store.engine.begin(wall.ann, read_only=True) as tx:
                    last = (await tx.read_changes(0, limit=10_000))[-4:]
                    assert [change.op.value for change in last] == ["c", "c", "d", "d"]
                    assert len(await tx.read_history(NOTICES, notices[0].id)) == 4
                    assert len(await tx.find_tombstones(NOTICES, [n.id for n in notices])) == 2
        finally:
            for table in ("changes", "field_history", "tombstones", "tenant_heads"):
                run(admin, f"alter table holdfast.{table} drop column extra")
