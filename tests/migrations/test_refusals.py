"""What cannot be done is said before anything is changed: what, where, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import Field

from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.errors import Busy, DeclarationError, NotSupported, SchemaError
from holdfast.model.conversions import can_convert
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.markers import Converted, MaxLength, Ref, Was
from holdfast.model.planning import Plan, plan
from holdfast.model.policies import Bookkeeping, Policy, Shared, Synced, Unique
from holdfast.model.schema import FieldSchema
from holdfast.model.steps import (
    Backfill,
    CreateLog,
    PurgeField,
    checksum,
    restore_step,
    undo,
)
from holdfast.model.types import DateType, InstantType, JsonType, TextType
from holdfast.tenancy.scope import Scope
from tests.conformance.sqlite import behind
from tests.migrations.bench import Bench, catalog, fingerprint, of_app
from tests.unit.model.declaring import declare

Text = Annotated[str, MaxLength(20)]


def notes(*policies: Policy, **fields: Any) -> type[Entity]:
    return declare(*(policies or (Shared(),)), table="notes", **fields)


def planned(old: type[Entity], new: type[Entity]) -> Plan:
    return plan(of_app(catalog(old)), of_app(catalog(new)))


OLD = notes(title=Text)

UNPLANNABLE: dict[str, tuple[type[Entity], str]] = {
    "a required field without a default": (notes(title=Text, n=int), "what the rows that stand hold"),
    "a name that never was": (notes(title=Text, n=(Annotated[int, Was("m")], 1)), "never was: m"),
    "a table that never was": (
        declare(Shared(), Was("cards"), table="boards", title=Text),
        "never was: cards",
    ),
    "a conversion of what never was": (
        notes(title=Text, n=(Annotated[int, Converted("m")], 1)),
        "never was: m",
    ),
    "a conversion of what is still declared": (
        notes(title=Text, n=(Annotated[int, Converted("title")], 1)),
        "still declared: title",
    ),
    "a conversion that no engine makes": (
        notes(title=(Annotated[dict[str, int], Converted("title")], {})),
        "from text to json",
    ),
    "a conversion of a synced field": (
        notes(Shared(), Synced(), title=(Annotated[int, Converted("title")], 1)),
        "a device cannot change",
    ),
    "another type in place": (notes(title=(int, 1)), "from text to integer in place"),
    "another life": (notes(Shared(), Bookkeeping(), title=Text), "whether its rows have a log"),
}


@pytest.mark.parametrize("what", UNPLANNABLE)
def test_what_cannot_be_planned_is_said(what: str) -> None:
    new, words = UNPLANNABLE[what]
    with pytest.raises((DeclarationError, NotSupported), match=words) as error:
        planned(OLD, new)
    assert error.value.where
    assert error.value.hint or "never was" in words or "still" in words


ROWS: Any = notes(title=(Text | None, None), n=(int, 7), up=(UUID | None, None))

IN_THE_WAY: dict[str, tuple[type[Entity], str]] = {
    "absent values": (
        notes(title=Text, n=(int, 7), up=(UUID | None, None)),
        r"1 rows .* hold nothing in title",
    ),
    "values outside a range": (
        notes(title=(Text | None, None), n=(Annotated[int, Field(ge=0, le=5)], 5), up=(UUID | None, None)),
        r"3 rows .* hold in n what it will not take",
    ),
    "texts that are no choice": (
        notes(title=(Literal["b"] | None, None), n=(int, 7), up=(UUID | None, None)),
        r"1 rows .* hold in title what it will not take",
    ),
    "texts that are too long": (
        notes(title=(Annotated[str, MaxLength(3)] | None, None), n=(int, 7), up=(UUID | None, None)),
        r"1 rows .* hold in title what it will not take",
    ),
    "the same value twice": (
        notes(Shared(), Unique("n"), title=(Text | None, None), n=(int, 7), up=(UUID | None, None)),
        r"3 rows .* hold the same n as others",
    ),
    "references to nothing": (
        notes(title=(Text | None, None), n=(int, 7), up=(Annotated[UUID, Ref("notes")] | None, None)),
        r"1 rows .* refer by up to no row",
    ),
    "texts that are no number": (
        notes(title=(Annotated[int, Converted("title")] | None, None), n=(int, 7), up=(UUID | None, None)),
        r"2 rows .* what has no counterpart in title_integer",
    ),
}


async def with_rows(bench: Bench) -> Scope:
    """Three rows of one person."""
    await bench.become(ROWS)
    scope = (await bench.world()).ann
    async with bench.store(ROWS).session(scope) as session:
        await session.batch([ROWS(title="not short"), ROWS(title="b", up=new_id()), ROWS()])
    return scope


@pytest.mark.parametrize("what", IN_THE_WAY)
async def test_rows_in_the_way_are_counted_and_named(bench: Bench, what: str) -> None:
    new, words = IN_THE_WAY[what]
    await with_rows(bench)
    made = bench.plan(new)
    await bench.apply(made.pre)
    with pytest.raises(SchemaError, match=words) as error:
        await bench.apply(made.post)
    assert "such as" in error.value.message
    assert "Change these rows first" in str(error.value.hint)
    assert len(await bench.engine.applied()) == 3  # the kit's, and the two before
    assert not [line for line in await fingerprint(bench) if "migration" in line]


async def test_a_table_with_rows_is_set_aside_only_when_that_is_said(bench: Bench) -> None:
    scope = await with_rows(bench)
    made = bench.plan()
    with pytest.raises(SchemaError, match="holds rows") as error:
        await bench.apply((*made.pre, *made.post))
    assert "--yes" in str(error.value.hint)
    await bench.apply((*made.pre, *made.post), force=True)
    assert "app.notes" not in bench.declared()
    await bench.take_back()
    assert await bench.findings() == ()
    async with bench.store(ROWS).session(scope) as session:
        assert len((await session.select(ROWS)).items) == 3


async def test_what_was_set_aside_can_be_purged_and_then_is_gone(bench: Bench) -> None:
    await bench.become(notes(title=Text, n=(int, 7)))
    await bench.become(OLD)
    step = PurgeField("app.notes", "n")
    await bench.apply((step,))
    with pytest.raises(SchemaError, match="cannot be undone: what the column held is gone"):
        undo((step,), bench.declared())
    assert await bench.findings() == ()
    await bench.become(notes(title=Text, n=(str, "x")))
    assert await bench.findings() == ()


def test_the_log_is_not_taken_back() -> None:
    with pytest.raises(SchemaError, match="cannot be undone"):
        undo((CreateLog(),), {})


async def test_a_constant_fills_what_is_empty(bench: Bench) -> None:
    scope = await with_rows(bench)
    title = FieldSchema("title", TextType(20), nullable=True)
    told: list[tuple[int, int]] = []
    await bench.apply(
        (Backfill("app.notes", title, value="filled"),), progress=lambda *done: told.append(done)
    )
    async with bench.store(ROWS).session(scope) as session:
        rows = (await session.select(ROWS)).items
    assert sorted(row.title for row in rows) == ["b", "filled", "not short"]
    assert {row.version for row in rows} == {1}
    assert bench.on_memory or told


async def test_two_migrators_do_it_once(bench: Bench) -> None:
    steps = planned_first()
    mark = checksum(steps)
    await asyncio.gather(*(bench.engine.apply(steps, revision="app_0001", checksum=mark) for _ in range(3)))
    assert (await bench.engine.applied())["app_0001"] == mark
    assert len([entry for entry in await bench.engine.history() if entry.revision == "app_0001"]) == 1


def planned_first() -> tuple[Any, ...]:
    return plan((), of_app(catalog(OLD))).pre


@asynccontextmanager
async def another_migrator(bench: Bench) -> AsyncIterator[None]:
    """Elsewhere a schema change is under way."""
    if isinstance(bench.engine, SqliteEngine):
        held = bench.engine.medium.hold()
        assert held is not None
        try:
            yield
        finally:
            held.release()
        return
    async with bench.behind() as other:
        await other.execute("select pg_advisory_lock(7271626)")
        yield


async def test_a_migrator_that_waits_too_long_says_for_what(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bench.on_memory:
        pytest.skip("one process at a time has a store in memory")
    for engine in ("postgres", "sqlite"):
        monkeypatch.setattr(f"holdfast.engines.{engine}._migrator.WAIT_SECONDS", 0.3)
    async with another_migrator(bench):
        with pytest.raises(Busy, match="another migration"):
            await bench.apply(planned_first())
    await bench.apply(planned_first())


async def test_a_table_that_is_held_is_let_alone_in_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not bench.on_postgres:
        pytest.skip("no table is locked there")
    await bench.become(OLD)
    monkeypatch.setattr("holdfast.engines.postgres._migrator.TRIES", 2)
    monkeypatch.setattr("holdfast.engines.postgres._migrator._LONG", "0 seconds")
    told: list[str] = []
    async with bench.behind() as other:
        await other.execute("begin; lock table app.notes in access share mode")
        with pytest.raises(Busy, match="not to be had in 2 tries"):
            await bench.apply(bench.plan(notes(title=Text, n=(int, 7))).pre, tell=told.append)
        assert any("waiting for a lock" in line for line in told)
    await bench.become(notes(title=Text, n=(int, 7)))
    assert await bench.findings() == ()


async def test_a_file_that_is_written_to_for_too_long_is_let_alone_in_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(bench.engine, SqliteEngine):
        pytest.skip("no other engine has a file that is written to")
    await bench.become(OLD)
    monkeypatch.setattr("holdfast.engines.sqlite._migrator.WAIT_SECONDS", 1.0)
    told: list[str] = []
    with behind(bench.engine) as raw:
        raw.execute("begin immediate")
        with pytest.raises(Busy, match="writes for too long"):
            await bench.apply(bench.plan(notes(title=Text, n=(int, 7))).pre, tell=told.append)
    assert any("waiting for whoever writes" in line for line in told)
    await bench.become(notes(title=Text, n=(int, 7)))
    assert await bench.findings() == ()


async def refused_half_way(bench: Bench) -> tuple[Any, ...]:
    """Steps of which the last one is refused."""
    await with_rows(bench)
    new = notes(title=Text, n=(int, 7), up=(UUID | None, None), done=(bool | None, None))
    made = bench.plan(new)
    return (*made.pre, *made.post)


async def test_a_revision_that_is_changed_half_way_is_refused(bench: Bench) -> None:
    if bench.on_memory:
        pytest.skip("what is in memory is not interrupted")
    steps = await refused_half_way(bench)
    with pytest.raises(SchemaError, match="hold nothing"):
        await bench.engine.apply(steps, revision="app_0007", checksum=checksum(steps))
    with pytest.raises(SchemaError, match="changed while it was being applied"):
        await bench.engine.apply(steps[:-1], revision="app_0007", checksum=checksum(steps[:-1]))


async def test_a_revision_that_was_refused_at_once_may_be_written_anew(bench: Bench) -> None:
    steps = await refused_half_way(bench)
    with pytest.raises(SchemaError, match="hold nothing"):
        await bench.engine.apply(steps[-1:], revision="app_0007", checksum=checksum(steps[-1:]))
    await bench.engine.apply(steps[:-1], revision="app_0007", checksum=checksum(steps[:-1]))
    assert (await bench.engine.applied())["app_0007"] == checksum(steps[:-1])


async def test_what_was_half_taken_back_is_finished_first(bench: Bench) -> None:
    if bench.on_memory:
        pytest.skip("what is in memory is not interrupted")
    steps = await refused_half_way(bench)
    name, _, _ = bench.revisions[-1]
    with pytest.raises(SchemaError, match="hold nothing"):
        await bench.engine.revert(steps, revision=name)
    with pytest.raises(SchemaError, match="being taken back") as error:
        await bench.apply(planned_first())
    assert f"holdfast migrate down {name}" in str(error.value.hint)


async def test_a_pack_does_not_wait_for_one_whose_name_begins_like_its_own(bench: Bench) -> None:
    if bench.on_memory:
        pytest.skip("what is in memory is not interrupted")
    steps = await refused_half_way(bench)
    await bench.engine.apply([], revision="app_two_0001", checksum="")
    with pytest.raises(SchemaError, match="hold nothing"):
        await bench.engine.revert(steps, revision="app_two_0001")
    await bench.engine.apply([], revision="app_0007", checksum="")
    assert "app_0007" in await bench.engine.applied()
    with pytest.raises(SchemaError, match="being taken back"):
        await bench.engine.apply([], revision="app_two_0002", checksum="")


async def test_functions_that_nobody_uses_are_named(bench: Bench) -> None:
    if not bench.on_postgres:
        pytest.skip("nothing is generated there")
    await bench.become(OLD)
    renamed = declare(Shared(), Was("notes"), table="memos", title=Text)
    await bench.become(renamed)
    stale = await bench.engine.stale_plans(bench.declared().values())
    assert len(stale) == 5
    assert all(OLD_DIGEST in name for name in stale)
    await bench.engine.drop_plans(stale)
    assert await bench.findings() == ()


OLD_DIGEST = of_app(catalog(OLD))[0].digest


async def test_a_function_that_was_generated_otherwise_is_made_anew(bench: Bench) -> None:
    if not bench.on_postgres:
        pytest.skip("nothing is generated there")
    await bench.become(OLD)
    name = f"app.get_notes_{OLD_DIGEST}"
    async with bench.behind() as other:
        text = await other.fetchval("select pg_get_functiondef($1::regproc)", name)
        await other.execute(text.replace("begin", "begin  -- of another release"))
    assert len(await bench.findings()) == 1
    assert await bench.engine.refresh(bench.declared().values()) == ["app.notes"]
    assert await bench.findings() == ()
    assert await bench.engine.refresh(bench.declared().values()) == []


def test_a_step_that_cannot_be_read_is_refused() -> None:
    for plain in (
        {"step": "vanish"},
        {"step": "add_field", "table": "a.b"},
        {"step": "drop_index", "what": 1},
    ):
        with pytest.raises(SchemaError):
            restore_step(plain)


def test_only_pairs_of_the_list_are_converted() -> None:
    assert can_convert(DateType(), InstantType())
    assert not can_convert(JsonType(), TextType())
