"""What the file itself holds to: the guard, the mark of a flush, a full disk, damage, and what is not as declared."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from holdfast.engines.port import Batch
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.errors import HoldfastError, MigrationsPending, TooLarge, Unavailable
from holdfast.model.ids import new_id
from holdfast.model.query import Condition, Key, Op, Query
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import (
    CATALOG,
    UNMADE,
    Board,
    File,
    Folder,
    Note,
    Reading,
    Specimen,
)
from holdfast.testing.conformance.world import log_of
from tests.conformance.sqlite import SqliteHarness, behind

# -- the guard ----------------------------------------------------------------------------------------------------


async def test_no_other_program_writes_past_the_log(world: World, engine: SqliteEngine) -> None:
    (row,) = await world.put(world.ann, Note(title="there"))
    statements = (
        "insert into kit__boards select tenant_id, id, 1, 1, 1, commit_salt, 'b', null, null, 1, '{}' from kit__notes",
        "update kit__notes set title = 'changed'",
        "delete from kit__notes",
        "update holdfast__changes set number = number + 1",
        "delete from holdfast__changes",
        "delete from holdfast__tenant_heads",
        "insert or replace into holdfast__tombstones select tenant_id, 'a', id, 1, null, null from kit__notes",
    )
    with behind(engine) as raw:
        for statement in statements:
            with pytest.raises(sqlite3.IntegrityError, match="journaled rows are written by a flush"):
                raw.execute(statement)
    assert await world.get(world.ann, Note, row["id"]) == row
    assert await world.head(world.ann) == 1


async def test_the_mark_of_a_flush_is_never_committed(world: World, engine: SqliteEngine) -> None:
    write = world.creation(world.ann, Board(name="a"))
    async with engine.begin(world.ann) as tx:
        head = await tx.lock()
        await tx.write(log_of(world.ann, head, [write]))
        assert _flush(engine) == 0
    await world.engine.collect(world.tenant, 1)
    await world.engine.forget_tenant(world.tenant, list(CATALOG))
    with pytest.raises(RuntimeError, match="stop"):
        await _stopped(world)
    assert _flush(engine) == 0


async def _stopped(world: World) -> None:
    async with world.engine.begin(world.ann) as tx:
        head = await tx.lock()
        await tx.write(log_of(world.ann, head, [world.creation(world.ann, Board(name="b"))]))
        raise RuntimeError("stop")


def _flush(engine: SqliteEngine) -> int:
    with behind(engine) as raw:
        return int(raw.execute("select flush from holdfast__medium").fetchone()[0])


async def test_a_transaction_that_had_failed_is_undone_as_a_whole(world: World) -> None:
    (row,) = await world.put(world.ann, Board(name="there"))
    first, again = (
        world.creation(world.ann, board) for board in (Board(name="x"), Board(id=row["id"], name="y"))
    )

    async def go_on() -> None:
        async with world.engine.begin(world.ann) as tx:
            head = await tx.lock()
            with contextlib.suppress(HoldfastError):
                await tx.write(log_of(world.ann, head, [first, again]))

    with pytest.raises(Unavailable):
        await go_on()
    assert await world.query(world.ann, Board) == [row]
    assert await world.head(world.ann) == 1


# -- what runs out -------------------------------------------------------------------------------------------------


async def test_a_full_disk_undoes_the_flush_and_says_so(world: World, engine: SqliteEngine) -> None:
    (row,) = await world.put(world.ann, Board(name="there"))
    connection = engine.writer.connection
    ((pages,),) = await connection.call(lambda raw: raw.execute("pragma page_count").fetchall())
    await connection.call(lambda raw: raw.execute(f"pragma max_page_count = {pages + 4}").fetchall())
    large = [Specimen(long="x" * 50_000) for _ in range(8)]
    with pytest.raises(Unavailable) as caught:
        await world.put(world.ann, *large)
    assert "full" in caught.value.message
    assert "room" in caught.value.hint
    assert await world.query(world.ann, Specimen) == []
    assert await world.query(world.ann, Board) == [row]
    assert await world.head(world.ann) == 1
    await connection.call(lambda raw: raw.execute("pragma max_page_count = 100000").fetchall())
    await world.put(world.ann, *large)
    assert await world.head(world.ann) == 9


async def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    harness = SqliteHarness(tmp_path)
    engine = await harness.make_engine(())
    assert isinstance(engine, SqliteEngine)
    path = engine.path
    await engine.aclose()
    with sqlite3.connect(path) as raw:
        raw.execute("create table holdfast__filler (a text)")
        raw.executemany("insert into holdfast__filler values (?)", (["x" * 500] for _ in range(2_000)))
    raw.close()
    content = bytearray(path.read_bytes())
    content[40 * 4096 : 41 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    engine = await SqliteEngine.open(Location(path))
    inspection = await engine.inspect([])
    await engine.aclose()
    assert any("damaged" in finding for finding in inspection.findings)


async def test_waiting_for_another_writer_can_be_given_up(world: World, engine: SqliteEngine) -> None:
    with behind(engine) as raw:
        raw.execute("begin immediate")
        waiting = asyncio.create_task(world.put(world.ann, Board(name="late")))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        raw.execute("rollback")
    await world.put(world.ann, Board(name="in time"))
    assert [row["name"] for row in await world.query(world.ann, Board)] == ["in time"]


# -- what is not as declared ---------------------------------------------------------------------------------------

_CHANGES = {
    "drop index kit__notes__title__idx": "kit.notes: index kit__notes__title__idx is missing. Fix: CREATE INDEX",
    "drop index kit__notes__number__key": "kit.notes: index kit__notes__number__key is missing",
    "drop index kit__preferences__user_id__is_default__key; "
    "create unique index kit__preferences__user_id__is_default__key on kit__preferences (tenant_id, user_id)": (
        "kit.preferences: index kit__preferences__user_id__is_default__key is another than declared"
    ),
    "drop index kit__notes__title__idx; create index kit__notes__title__idx on kit__notes (title, id)": (
        "kit.notes: index kit__notes__title__idx is another than declared"
    ),
    "create index extra on kit__notes (body)": "kit.notes: index extra is not declared. Fix: drop index",
    "drop trigger kit__notes__guard_delete": "kit.notes: trigger kit__notes__guard_delete is missing",
    "drop trigger kit__notes__guard_delete; create trigger kit__notes__guard_delete before delete on kit__notes "
    "when false begin select 1; end": "kit.notes: trigger kit__notes__guard_delete is another than declared",
    "create trigger t after insert on kit__boards begin select 1; end": "kit.boards: trigger t is not declared",
    "create view v as select * from kit__notes": "v: view v is not declared",
    "alter table kit__notes add column more text": "kit.notes: column more is not declared",
    "drop table kit__tallies": "kit.tallies: the table is missing. Fix: run `holdfast migrate up`",
    "drop table holdfast__tombstones": "holdfast.tombstones: the table is missing",
    "drop table kit__tallies; create table kit__tallies (tenant_id blob, id blob, version integer, created_at integer, "
    "updated_at integer, name text, count text, primary key (tenant_id, id))": (
        "kit.tallies: it is not strict, not without rowid, or has another key"
    ),
    "drop table kit__loans; create table kit__loans (tenant_id blob not null, id blob not null, version integer not null, "
    "created_at integer not null, updated_at integer not null, commit_salt blob not null, file_id blob not null, "
    "holder_id blob, replaces_id blob, primary key (tenant_id, id)) strict, without rowid": (
        "kit.loans: the reference (tenant_id, file_id) → kit.files (tenant_id, id) is missing"
    ),
}


@pytest.mark.parametrize(("change", "finding"), _CHANGES.items(), ids=lambda text: text[:40])
async def test_what_is_not_as_declared_is_found(engine: SqliteEngine, change: str, finding: str) -> None:
    assert (await engine.inspect(list(CATALOG))).findings == ()
    with behind(engine) as raw:
        raw.executescript(change)
    findings = (await engine.inspect(list(CATALOG))).findings
    assert any(line.lower().startswith(finding.lower()) for line in findings), findings


async def test_checks_are_compared(engine: SqliteEngine) -> None:
    with behind(engine) as raw:
        raw.execute("pragma writable_schema = on")
        raw.execute(
            "update sqlite_schema set sql = replace(sql, 'between 0 and 5', 'between 0 and 6') where name = 'kit__notes'"
        )
    findings = (await engine.inspect(list(CATALOG))).findings
    assert [line.partition(". ")[0] for line in findings] == [
        'kit.notes: the check "stars" between 0 and 5 is missing',
        'kit.notes: the check "stars" between 0 and 6 is not declared',
    ]


async def test_orphans_are_counted(world: World, engine: SqliteEngine) -> None:
    row = world.row(world.ann, File(folder_id=new_id(), name="lost"))
    await world.harness.plant_raw(engine, world.schema(File), world.tenant, row)
    inspection = await engine.inspect(list(CATALOG))
    assert inspection.facts["orphans"] == 1
    (finding,) = inspection.findings
    assert finding.startswith("kit.files: 1 rows refer to rows of kit.folders that do not exist")


# -- statements ----------------------------------------------------------------------------------------------------


async def test_what_was_never_made_awaits_its_migration(world: World) -> None:
    async with world.engine.begin(world.ann, read_only=True) as tx:
        with pytest.raises(MigrationsPending) as caught:
            await tx.get(UNMADE, new_id())
    assert caught.value.where == "kit.unmade"


async def test_a_step_that_fails_leaves_nothing(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from holdfast.engines.sqlite import _ddl
    from holdfast.model.steps import CreateEntity

    def broken(schema: object) -> list[str]:
        return ["create table kit__half (a integer) strict", "create nonsense"]

    with monkeypatch.context() as patched:
        patched.setattr(_ddl, "entity", broken)
        with pytest.raises(HoldfastError):
            await engine.apply([CreateEntity(UNMADE)], revision="half", checksum="1")
    assert set(await engine.applied()) == {"kit"}
    with behind(engine) as raw:
        assert raw.execute("select count(*) from sqlite_schema where name = 'kit__half'").fetchone() == (0,)
    assert [path.name for path in engine.path.parent.glob("*-migration")] == []


async def test_the_statements_of_steps_can_be_read(engine: SqliteEngine) -> None:
    from holdfast.model.steps import CreateEntity, CreatePlans

    text = "\n".join(engine.sql([CreateEntity(CATALOG.schema(Note)), CreatePlans(CATALOG.schema(Note))]))
    assert 'create table if not exists "kit__notes"' in text
    assert "kit__notes__guard_insert" in text


async def test_lists_by_an_index_sort_nothing(engine: SqliteEngine, world: World) -> None:
    """Pages behind the first are found by the index: its row value is compared, not its first column alone."""
    from holdfast.engines.sqlite._statements import Texts, select

    note, reading = world.schema(Note), world.schema(Reading)
    queries = [
        Query(note, sort="title", after=Key("m", new_id())),
        Query(note, sort="title", descending=True, after=Key("m", new_id())),
        Query(note, after=Key(None, new_id())),
        Query(reading, (Condition("sensor", Op.EQ, "s"),), sort="taken_at"),
    ]
    with behind(engine) as raw:
        for query in queries:
            text, given = select(query, Texts(query.schema), world.everyone)
            plan = [line[3] for line in raw.execute(f"explain query plan {text}", given)]
            assert len(plan) == 1, plan
            assert "SEARCH" in plan[0], plan


async def test_a_stream_of_changes_reads_no_other_rows(engine: SqliteEngine, world: World) -> None:
    from holdfast.engines.port import Selection, Since
    from holdfast.engines.sqlite._statements import Texts
    from holdfast.engines.sqlite._stream import select_wire
    from holdfast.engines.sqlite._wire import WireRows

    schema = world.schema(Folder)
    with behind(engine) as raw:
        for selection in (Selection(schema), Selection(schema, Since(3, 9, "x"), start=new_id(), standing=9)):
            text, given = select_wire(Texts(schema), WireRows(schema), world.everyone, selection)
            plan = [line[3] for line in raw.execute(f"explain query plan {text}", given)]
            assert any("SEARCH r USING PRIMARY KEY (tenant_id=? AND id" in line for line in plan) or (
                plan == ["SEARCH r USING PRIMARY KEY (tenant_id=?)"]
            ), plan
            assert not any(line.startswith("SCAN r") for line in plan), plan


async def test_a_batch_without_anything_writes_nothing(world: World, engine: SqliteEngine) -> None:
    before = await engine.position()
    async with engine.begin(world.ann) as tx:
        await tx.lock()
        await tx.write(Batch([]))
    assert await engine.position() == before


async def test_a_filter_of_more_values_than_a_statement_holds_is_too_large(
    world: World, engine: SqliteEngine
) -> None:
    connection = await engine.readers.take(world.tenant)
    await connection.call(lambda raw: raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100))
    engine.readers.give(world.tenant, connection)
    assert await world.query(world.ann, Board, where=(Condition("position", Op.IN, tuple(range(90))),)) == []
    with pytest.raises(TooLarge):
        await world.query(world.ann, Board, where=(Condition("position", Op.IN, tuple(range(200))),))


# -- another file in its place ------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["removed", "replaced"])
async def test_nothing_is_written_into_or_read_from_a_file_that_is_no_longer_there(
    world: World, engine: SqliteEngine, way: str
) -> None:
    (row,) = await world.put(world.ann, Note(title="there"))
    assert await world.get(world.ann, Note, row["id"]) == row
    if way == "replaced":
        other = engine.path.with_name("other.db")
        other.write_bytes(engine.path.read_bytes())
        other.replace(engine.path)
    else:
        engine.path.unlink()
    with pytest.raises(Unavailable, match="replaced or removed"):
        await world.put(world.ann, Note(title="nowhere"))
    with pytest.raises(Unavailable, match="replaced or removed"):
        async with engine.begin(world.ann) as tx:
            await tx.write(Batch([], head=1))
    with pytest.raises(Unavailable, match="replaced or removed"):
        await world.get(world.ann, Note, row["id"])
    assert not engine.writer.connection.raw.in_transaction
