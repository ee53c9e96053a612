"""Two engines on one file, as two processes are: the counter is the file's, not the process's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.errors import Busy, StaleVersion
from holdfast.store.store import Store
from holdfast.testing.clock import ManualClock
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import CATALOG, Board, Tally
from holdfast.testing.conformance.world import CURSOR_SECRET, log_of


@pytest.fixture
async def other(engine: SqliteEngine) -> AsyncIterator[SqliteEngine]:
    made = await SqliteEngine.open(Location(engine.path), lock_timeout=0.5)
    yield made
    await made.aclose()


def seen_from(world: World, engine: SqliteEngine) -> World:
    return World(
        world.harness,
        engine,
        world.ann,
        world.bob,
        world.everyone,
        world.cleo,
        world.strangers,
        world.catalog,
    )


async def test_who_comes_second_is_told_before_anything_is_written(
    world: World, engine: SqliteEngine, other: SqliteEngine
) -> None:
    there = seen_from(world, other)
    late = world.creation(world.ann, Board(name="late"))

    async def second() -> None:
        async with engine.begin(world.ann) as tx:
            head = await tx.lock()
            await there.put(world.bob, Board(name="first"))
            await tx.write(log_of(world.ann, head, [late]))

    with pytest.raises(StaleVersion):
        await second()
    assert [change.number for change in await world.changes(world.ann)] == [1]
    assert await world.get(world.ann, Board, late.row_id) is None
    # From now on, for a while, it begins alone in the file.
    async with engine.begin(world.ann) as tx:
        head = await tx.lock()
        assert head == 1
        with pytest.raises(Busy):
            await there.put(world.bob, Board(name="waits"))
        await tx.write(log_of(world.ann, head, [late]))
    await there.put(world.bob, Board(name="third"))
    assert [change.number for change in await there.changes(world.ann)] == [1, 2, 3]


async def test_other_tenants_and_bookkeeping_of_another_process_are_no_reason_to_begin_again(
    world: World, engine: SqliteEngine, other: SqliteEngine
) -> None:
    there = seen_from(world, other)
    store = Store(other, CATALOG, cursor_secret=CURSOR_SECRET, clock=ManualClock())
    async with engine.begin(world.ann) as tx:
        head = await tx.lock()
        await there.put(world.cleo, Board(name="theirs"))
        async with store.session(world.bob) as s:
            await s.put(Tally(name="counted"))
        await tx.write(log_of(world.ann, head, [world.creation(world.ann, Board(name="ours"))]))
    assert await world.head(world.ann) == 1


async def test_stores_in_two_processes_share_a_tenant_without_a_gap(
    world: World, engine: SqliteEngine, other: SqliteEngine, tmp_path: Path
) -> None:
    stores = [
        Store(one, CATALOG, cursor_secret=CURSOR_SECRET, clock=ManualClock()) for one in (engine, other)
    ]
    shared = Board(name="shared", position=0)
    async with stores[0].session(world.ann) as s:
        await s.put(shared)

    async def write(store: Store, turn: int) -> None:
        async with store.session(world.ann) as s:
            await s.put(Board(name=f"{turn}"))
            await s.patch(Board, shared.id, {"position": turn})

    for turn in range(0, 60, 2):
        await asyncio.gather(write(stores[0], turn + 1), write(stores[1], turn + 2))
    log = [change.number for change in await world.changes(world.ann)]
    assert log == list(range(1, 122))
    async with stores[1].session(world.bob) as s:
        assert (await s.get(Board, shared.id)).version == 61


async def test_a_snapshot_outlives_what_another_process_commits(
    world: World, engine: SqliteEngine, other: SqliteEngine
) -> None:
    there = seen_from(world, other)
    async with engine.begin(world.ann, read_only=True) as tx:
        assert (await tx.marks()).head == 0
        await there.put(world.bob, Board(name="later"))
        assert (await tx.marks()).head == 0
        assert await tx.read_changes(0, limit=9) == []
    assert await world.head(world.ann) == 1
