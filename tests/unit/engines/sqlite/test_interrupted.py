"""Whoever is cancelled leaves no connection behind that stands in the past."""

from __future__ import annotations

import asyncio
import contextlib
from threading import Event
from typing import Any

import pytest

from holdfast.engines.port import Batch, Selection
from holdfast.engines.sqlite import transaction
from holdfast.engines.sqlite._stream import Pieces
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import CATALOG, Board, Note
from holdfast.testing.conformance.world import log_of


class _Slow(Pieces):
    """A cursor that was opened when its reader has been cancelled, and that somebody still holds."""

    opened = Event()
    go = Event()
    held: list[Pieces]

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.held.append(self)
        self.opened.set()
        assert self.go.wait(5)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> type[_Slow]:
    made = type("_Slow", (_Slow,), {"opened": Event(), "go": Event(), "held": []})
    monkeypatch.setattr(transaction, "Pieces", made)
    return made


async def _cancelled(task: asyncio.Task[None], slow: type[_Slow]) -> None:
    while not slow.opened.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    slow.go.set()


async def test_a_stream_that_is_cancelled_leaves_no_reader_in_its_moment(
    world: World, engine: SqliteEngine, slow: type[_Slow]
) -> None:
    await world.put(world.ann, *(Note(title=f"{n}") for n in range(200)))
    head = await world.head(world.ann)

    async def read() -> None:
        async with (
            engine.begin(world.ann, read_only=True) as tx,
            contextlib.aclosing(tx.stream(Selection(CATALOG.schema(Note)))) as pieces,
        ):
            async for _ in pieces:
                pass

    await _cancelled(asyncio.create_task(read()), slow)
    await world.put(world.ann, Note(title="written since"))
    for _ in range(3):
        async with engine.begin(world.ann, read_only=True) as tx:
            assert (await tx.marks()).head == head + 1
    assert slow.held


async def test_a_write_that_is_cancelled_while_it_streams_leaves_the_file_free(
    world: World, engine: SqliteEngine, slow: type[_Slow]
) -> None:
    await world.put(world.ann, *(Note(title=f"{n}") for n in range(200)))

    async def write() -> None:
        async with engine.begin(world.ann) as tx:
            head = await tx.lock()
            await tx.write(log_of(world.ann, head, [world.creation(world.ann, Board(name="a"))]))
            async with contextlib.aclosing(tx.stream(Selection(CATALOG.schema(Note)))) as pieces:
                async for _ in pieces:
                    pass

    await _cancelled(asyncio.create_task(write()), slow)
    (row,) = await world.put(world.ann, Note(title="written since"))
    assert await world.get(world.ann, Note, row["id"]) == row
    assert slow.held


async def test_a_reader_that_stands_in_a_moment_is_not_lent(world: World, engine: SqliteEngine) -> None:
    connection = await engine.readers.take(world.tenant)
    engine.readers.give(world.tenant, connection)
    connection.raw.execute("begin")
    connection.raw.execute("select * from kit__notes").fetchall()
    (row,) = await world.put(world.ann, Note(title="written since"))
    async with engine.begin(world.ann, read_only=True) as tx:
        assert await tx.get(CATALOG.schema(Note), row["id"]) == row
    assert engine.readers.open_connections == 1


async def test_a_writer_that_cannot_be_freed_is_replaced(world: World, engine: SqliteEngine) -> None:
    old = engine.writer.connection
    await old.call(lambda raw: raw.execute("begin"))
    (row,) = await world.put(world.ann, Note(title="there"))
    assert engine.writer.connection is not old
    assert await world.get(world.ann, Note, row["id"]) == row
    async with engine.begin(world.ann) as tx:
        await tx.lock()
        await tx.write(Batch([]))
