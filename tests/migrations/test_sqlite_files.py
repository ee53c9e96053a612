"""What is SQLite's own: tables made anew where their text cannot be exchanged, a full disk, several processes, what is set aside."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field

from holdfast.engines.port import Batch, RowWrite
from holdfast.engines.sqlite import _alter, _migrator, _reshape
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.files import Medium
from holdfast.engines.sqlite.location import Location
from holdfast.errors import (
    InvalidInput,
    NotSupported,
    ReferenceMissing,
    SchemaError,
    StaleVersion,
    Unavailable,
)
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.markers import Converted, Digits, MaxLength, Ref
from holdfast.model.policies import Index, Policy, Shared, Unique
from holdfast.model.schema import FieldSchema
from holdfast.model.steps import Backfill, CreateEntity, DropEntity, checksum
from holdfast.model.types import TextType
from holdfast.store.store import Store
from holdfast.testing.conformance import Harness
from tests.conformance.sqlite import behind
from tests.migrations.bench import ENGINES, Bench, catalog, of_app
from tests.unit.model.declaring import declare

Text = Annotated[str, MaxLength(20)]


@pytest.fixture
def harness(request: pytest.FixtureRequest) -> Harness:
    return ENGINES["sqlite"](request)


def engine_of(bench: Bench) -> SqliteEngine:
    assert isinstance(bench.engine, SqliteEngine)
    return bench.engine


def notes(*policies: Policy, **fields: Any) -> Any:
    return declare(*(policies or (Shared(),)), table="notes", **fields)


class Parent(Entity, table="parents", policies=(Shared(),)):
    name: str


OLD = notes(
    Shared(),
    Index("title"),
    title=Text,
    kind=Literal["a", "b, (c)"],
    n=int,
    up=(Annotated[UUID, Ref("parents")] | None, None),
)
NEW = notes(
    Shared(),
    Unique("title"),
    title=Annotated[str, MaxLength(10)],
    kind=(Literal["a", "it's"] | None, None),
    n=(Annotated[int, Field(ge=0, le=9)], 3),
    up=(UUID | None, None),
    next=(Annotated[UUID, Ref("notes")] | None, None),
)


async def with_row(bench: Bench) -> tuple[Any, UUID]:
    await bench.become(Parent, OLD)
    scope = (await bench.world()).ann
    parent = Parent(name="p")
    row = OLD(title="x", kind="a", n=3, up=parent.id)
    async with bench.store(Parent, OLD).session(scope) as session:
        await session.put(parent)
        await session.put(row)
    return scope, row.id


# -- the two ways of declaring a table otherwise ---------------------------------------------------------------------


def make_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where SQLite keeps its schema from being written to."""
    for module in (_alter, _migrator, _reshape):
        monkeypatch.setattr(module, "can_edit", lambda _: False)


@pytest.mark.parametrize("exchanged", [True, False])
async def test_a_table_is_declared_otherwise_with_or_without_being_made_anew(
    bench: Bench, exchanged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not exchanged:
        make_anew(monkeypatch)
    scope, row_id = await with_row(bench)
    for _ in range(2):
        await bench.become(Parent, NEW)
        assert await bench.findings() == ()
        async with bench.store(Parent, NEW).session(scope) as session:
            row: Any = await session.get(NEW, row_id)
        assert (row.title, row.kind, row.n, row.next) == ("x", "a", 3, None)
        with behind(bench.engine) as raw:
            with pytest.raises(sqlite3.IntegrityError, match="written by a flush"):
                raw.execute("update app__notes set title = 'y'")
            raw.execute("pragma foreign_keys = on")
            (ok,) = raw.execute("pragma integrity_check").fetchone()
            assert ok == "ok"
        while len(bench.revisions) > 1:
            await bench.take_back()
        assert await bench.findings() == ()
    async with bench.store(Parent, OLD).session(scope) as session:
        await session.patch(OLD, row_id, {"n": 7})


async def test_references_are_held_after_a_table_was_made_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_anew(monkeypatch)
    scope, row_id = await with_row(bench)
    wider = notes(
        Shared(),
        Index("title"),
        title=Text,
        kind=Literal["a", "b, (c)", "d"],
        n=int,
        up=(Annotated[UUID, Ref("parents")] | None, None),
    )
    await bench.become(Parent, wider)
    assert await bench.findings() == ()
    with pytest.raises(ReferenceMissing):
        async with bench.store(Parent, wider).session(scope) as session:
            await session.patch(wider, row_id, {"up": new_id()})


async def test_a_foreign_key_that_would_be_broken_is_refused_and_nothing_is_changed(bench: Bench) -> None:
    loose = notes(title=Text, up=(UUID | None, None))
    await bench.become(Parent, loose)
    scope = (await bench.world()).ann
    async with bench.store(Parent, loose).session(scope) as session:
        await session.put(loose(title="x", up=new_id()))
    held = notes(title=Text, up=(Annotated[UUID, Ref("parents")] | None, None))
    made = bench.plan(Parent, held)
    await bench.apply(made.pre)
    before = open_schema(bench)
    with pytest.raises(SchemaError, match="refer by up to no row"):
        await bench.apply(made.post)
    assert open_schema(bench) == before


def open_schema(bench: Bench) -> list[Any]:
    with behind(bench.engine) as raw:
        return raw.execute(
            "select name, sql from sqlite_schema where name glob 'app__*' order by name"
        ).fetchall()


async def test_decimals_do_not_pass_eighteen_digits_in_place(bench: Bench) -> None:
    await bench.become(notes(n=money(8)))
    with pytest.raises(NotSupported, match="18 digits"):
        await bench.become(notes(n=money(24)))
    assert len(bench.revisions) == 1


async def test_large_decimals_take_more_digits(bench: Bench) -> None:
    small, large = notes(n=money(20)), notes(n=money(30))
    await bench.become(small)
    scope = (await bench.world()).ann
    row = small(n=Decimal("-123456789012345678.25"))
    async with bench.store(small).session(scope) as session:
        await session.put(row)
    await bench.become(large)
    assert await bench.findings() == ()
    async with bench.store(large).session(scope) as session:
        assert (await session.get(large, row.id)).n == Decimal("-123456789012345678.25")


def money(digits: int) -> Any:
    return Annotated[Decimal, Digits(digits, 2)]


# -- linked columns --------------------------------------------------------------------------------------------------

WORDS, NUMBERS = notes(title=Text, n=Text), notes(title=Text, n=Annotated[int, Converted("n")])


async def test_old_and_new_code_write_one_value_in_two_types(bench: Bench) -> None:
    await bench.become(WORDS)
    scope = (await bench.world()).ann
    made = bench.plan(NUMBERS)
    first = WORDS(title="a", n="007")
    async with bench.store(WORDS).session(scope) as session:
        await session.put(first)
    await bench.apply(made.pre)
    assert not [line for line in await bench.findings() if "trigger" in line]
    async with bench.elsewhere() as other:
        old = Store(other, catalog(WORDS), cursor_secret=b"x" * 32)
        new = bench.store(NUMBERS)

        async def both(row_id: UUID) -> tuple[str, Any]:
            async with old.session(scope) as session:
                one: Any = await session.get(WORDS, row_id)
            async with new.session(scope) as session:
                two: Any = await session.get(NUMBERS, row_id)
            return one.n, two.n

        assert await both(first.id) == ("007", 7)  # what is in step already is left as it is
        async with old.session(scope) as session:
            await session.patch(WORDS, first.id, {"n": "12"})
        assert await both(first.id) == ("12", 12)
        async with new.session(scope) as session:
            await session.patch(NUMBERS, first.id, {"n": -4})
        assert await both(first.id) == ("-4", -4)
        second = NUMBERS(title="b", n=5)
        async with new.session(scope) as session:
            await session.put(second)
        assert await both(second.id) == ("5", 5)
    await bench.apply(made.post)
    assert await bench.findings() == ()


async def test_what_old_code_could_not_read_is_refused_while_it_runs(bench: Bench) -> None:
    short = notes(title=Text, n=Annotated[str, MaxLength(3)])
    await bench.become(short)
    scope = (await bench.world()).ann
    await bench.apply(bench.plan(NUMBERS).pre)
    with pytest.raises(InvalidInput):
        async with bench.store(NUMBERS).session(scope) as session:
            await session.put(NUMBERS(title="a", n=12_345))


# -- several processes -----------------------------------------------------------------------------------------------


async def test_a_flush_does_not_write_over_what_was_filled_meanwhile(bench: Bench) -> None:
    entity = notes(title=(Text | None, None), n=int)
    await bench.become(entity)
    scope = (await bench.world()).ann
    row = entity(n=1)
    async with bench.store(entity).session(scope) as session:
        await session.put(row)
    schema = of_app(catalog(entity))[0]
    async with bench.elsewhere() as other:
        with pytest.raises(StaleVersion):
            async with other.begin(scope) as tx:
                head = await tx.lock()
                (stored,) = await tx.batch_get(schema, [row.id])
                assert stored is not None
                fill = Backfill(
                    "app.notes", FieldSchema("title", TextType(20), nullable=True), value="filled"
                )
                await bench.apply((fill,))
                new = {**stored.row, "n": 2, "version": 2}
                await tx.write(Batch([RowWrite(schema, row.id, new, 1, stored.salt)], head=head))
    async with bench.store(entity).session(scope) as session:
        await session.patch(entity, row.id, {"n": 3})
    async with bench.store(entity).session(scope) as session:
        found: Any = await session.get(entity, row.id)
    assert (found.title, found.n) == ("filled", 3)


async def test_two_processes_migrate_once(bench: Bench) -> None:
    steps = (CreateEntity(of_app(catalog(OLD_ALONE))[0]),)
    mark = checksum(steps)
    async with bench.elsewhere() as other:
        engines = [engine_of(bench), other] * 3
        await asyncio.gather(*(e.apply(steps, revision="app_0001", checksum=mark) for e in engines))
        assert await other.applied() == await engine_of(bench).applied()
    (entry,) = [entry for entry in await bench.engine.history() if entry.revision == "app_0001"]
    assert entry.by
    assert entry.seconds is not None
    assert not list(engine_of(bench).path.parent.glob("*-migration"))


OLD_ALONE = notes(title=Text)


async def test_others_write_between_the_batches_of_a_fill(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_migrator, "_FIRST_BATCH", 10)
    monkeypatch.setattr(_migrator, "_MOST_BATCH", 10)
    entity = notes(title=(Text | None, None), n=int)
    await bench.become(entity)
    scope = (await bench.world()).ann
    async with bench.store(entity).session(scope) as session:
        await session.batch([entity(n=number) for number in range(200)])
    written = 0
    async with bench.elsewhere() as other:
        store = Store(other, catalog(entity), cursor_secret=b"x" * 32)

        async def write() -> None:
            nonlocal written
            while True:
                async with store.session(scope) as session:
                    await session.put(entity(n=1, title="mine"))
                written += 1

        task = asyncio.create_task(write())
        fill = Backfill("app.notes", FieldSchema("title", TextType(20), nullable=True), value="filled")
        seen: list[tuple[int, int]] = []
        await bench.apply((fill,), progress=lambda *told: seen.append(told))
        between, alive = written, not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert alive
    assert between > 1
    assert len(seen) >= 20


# -- a full disk -----------------------------------------------------------------------------------------------------


async def test_a_disk_that_is_full_leaves_what_was_and_the_rest_is_done_later(bench: Bench) -> None:
    entity = notes(title=Text, n=(str, ""))
    await bench.become(entity)
    scope = (await bench.world()).ann
    async with bench.store(entity).session(scope) as session:
        await session.batch([entity(title=f"t{number}", n="x" * 900) for number in range(300)])
    indexed = notes(Shared(), Index("n"), title=Text, n=(str, ""))
    before = open_schema(bench)
    connection = engine_of(bench).writer.connection

    def most(pages: int) -> Any:
        return connection.call(lambda raw: raw.execute(f"pragma max_page_count = {pages}").fetchall())

    ((pages,),) = await connection.call(lambda raw: raw.execute("pragma page_count").fetchall())
    await most(pages + 8)
    made = bench.plan(indexed)
    with pytest.raises(Unavailable, match="full"):
        await bench.apply(made.pre)
    assert open_schema(bench) == before
    assert await bench.findings(of_app(catalog(entity))) == ()
    assert len(await bench.engine.applied()) == 2
    await most(1_000_000)
    async with bench.store(entity).session(scope) as session:
        assert (await session.select(entity, limit=5)).next is not None
    await bench.apply(made.pre)
    assert await bench.findings() == ()


# -- what is set aside -----------------------------------------------------------------------------------------------


async def test_a_table_of_the_same_name_finds_its_place_free(bench: Bench) -> None:
    first = notes(Shared(), Index("title"), Unique("title"), title=Text)
    await bench.become(first)
    scope = (await bench.world()).ann
    async with bench.store(first).session(scope) as session:
        await session.put(first(title="kept"))
    schema = of_app(catalog(first))[0]
    await bench.apply((DropEntity(schema),), force=True)
    second = notes(Shared(), Index("title"), title=Text, n=int)
    await bench.apply((CreateEntity(of_app(catalog(second))[0]),))
    assert await bench.findings() == ()
    async with bench.store(second).session(scope) as session:
        assert (await session.select(second)).items == []
    await bench.take_back(force=True)
    await bench.take_back()
    assert await bench.findings() == ()
    async with bench.store(first).session(scope) as session:
        (row,) = (await session.select(first)).items
    assert row.title == "kept"


async def test_what_is_set_aside_is_forgotten_with_its_tenant(bench: Bench) -> None:
    await bench.become(OLD_ALONE)
    scope = (await bench.world()).ann
    async with bench.store(OLD_ALONE).session(scope) as session:
        await session.put(OLD_ALONE(title="gone"))
    schema = of_app(catalog(OLD_ALONE))[0]
    await bench.apply((DropEntity(schema),), force=True)
    await bench.engine.forget_tenant(scope.tenant_id, [])
    await bench.take_back()
    with behind(bench.engine) as raw:
        assert raw.execute("select count(*) from app__notes").fetchone() == (0,)


async def test_the_statements_of_a_change_can_be_read_before(bench: Bench) -> None:
    await bench.become(Parent, OLD)
    before = open_schema(bench)
    made = bench.plan(Parent, NEW)
    lines = engine_of(bench).sql((*made.pre, *made.post))
    text = "\n".join(lines).lower()
    assert 'alter table "app__notes" add column "next" blob' in text
    assert "create unique index" in text
    assert "update sqlite_schema set sql" in text
    assert open_schema(bench) == before


async def test_a_new_release_makes_what_its_ledger_lacks_and_writes_nothing_otherwise(bench: Bench) -> None:
    await bench.become(OLD_ALONE)
    before = await bench.engine.position()
    assert await bench.engine.refresh([]) == []
    assert await bench.engine.position() == before
    with behind(bench.engine) as raw:
        raw.execute("drop table holdfast__revision_steps")
        raw.execute("alter table holdfast__tenant_heads drop column tended")
    assert len(await bench.findings()) == 2
    await bench.engine.refresh([])
    assert await bench.findings() == ()


async def test_a_step_asks_a_file_of_an_earlier_release_for_what_it_lacks(bench: Bench) -> None:
    with behind(bench.engine) as raw:
        raw.execute("drop table holdfast__revision_steps")
        raw.execute("drop table holdfast__set_aside")
    assert [entry.revision for entry in await bench.engine.history()] == ["kit"]
    await bench.become(OLD_ALONE)
    assert await bench.findings() == ()
    assert [entry.seconds is None for entry in await bench.engine.history()] == [True, False]


async def test_a_check_in_the_text_of_a_default_is_none(bench: Bench) -> None:
    text = "'; check (x), \"deferrable initially deferred"
    with_default = notes(title=Text, told=(Annotated[str, MaxLength(99)], text))
    await bench.become(with_default)
    assert await bench.findings() == ()
    with behind(bench.engine) as raw:
        raw.execute("alter table app__notes add column more text default 'a check (b)'")
    (line,) = await bench.findings()
    assert "column more is not declared" in line


async def test_whoever_knows_the_file_by_another_name_waits_too(bench: Bench, tmp_path: Path) -> None:
    path = engine_of(bench).path
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "link.db"
    other.symlink_to(path)
    held = engine_of(bench).medium.hold()
    assert held is not None
    assert Medium(Location(other)).hold() is None
    held.release()
