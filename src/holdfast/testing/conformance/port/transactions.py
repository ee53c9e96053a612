"""Promise 2: a transaction is all or nothing, and one that only reads sees one moment."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import AlreadyExists, HoldfastError
from holdfast.model.query import Query
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note
from holdfast.testing.conformance.world import World, log_of


class _Oops(Exception):
    """Ends a transaction in this file."""


class TransactionTests(EngineTests):
    """All or nothing."""

    async def test_an_error_in_the_block_undoes_everything(self, world: World) -> None:
        (old,) = await world.put(world.ann, Board(name="old"))
        write = await world.update(world.ann, Board, old, name="new")
        other = world.creation(world.ann, Board(name="other"))
        with pytest.raises(_Oops):  # noqa: PT012 (it takes a transaction)
            async with world.engine.begin(world.ann) as tx:
                head = await tx.lock()
                await tx.write(log_of(world.ann, head, [write, other]))
                raise _Oops
        assert await world.get(world.ann, Board, old["id"]) == old
        assert await world.get(world.ann, Board, other.row_id) is None
        assert await world.head(world.ann) == 1
        assert [change.number for change in await world.changes(world.ann)] == [1]

    async def test_a_write_that_fails_undoes_those_before_it(self, world: World) -> None:
        (old,) = await world.put(world.ann, Board(name="old"))
        first = world.creation(world.ann, Board(name="first"))
        again = world.creation(world.ann, Board(id=old["id"], name="again"))
        with pytest.raises(AlreadyExists):
            await world.flush(world.ann, first, again)
        assert await world.get(world.ann, Board, first.row_id) is None
        assert await world.head(world.ann) == 1

    async def test_a_cancelled_transaction_leaves_nothing_behind(self, world: World) -> None:
        write = world.creation(world.ann, Board(name="never"))
        reached = asyncio.Event()

        async def hang() -> None:
            async with world.engine.begin(world.ann) as tx:
                head = await tx.lock()
                await tx.write(log_of(world.ann, head, [write]))
                reached.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(hang())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await world.get(world.ann, Board, write.row_id) is None
        await world.put(world.ann, Board(name="the counter is free"))
        assert await world.head(world.ann) == 1

    async def test_nobody_sees_a_write_before_its_commit(self, world: World) -> None:
        write = world.creation(world.ann, Board(name="soon"))
        async with world.engine.begin(world.ann) as tx:
            head = await tx.lock()
            await tx.write(log_of(world.ann, head, [write]))
            assert await world.get(world.bob, Board, write.row_id) is None
            assert await world.query(world.bob, Board) == []
            assert await world.head(world.bob) == 0
            assert await world.changes(world.bob) == []
        assert await world.get(world.bob, Board, write.row_id) == write.row
        assert await world.head(world.bob) == 1

    async def test_a_transaction_without_a_write_leaves_no_trace(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            assert await tx.lock() == 0
        async with world.engine.begin(world.ann, read_only=True) as tx:
            assert (await tx.marks()).head == 0
        assert await world.changes(world.ann) == []


class SnapshotTests(EngineTests):
    """A transaction that is read-only sees one moment."""

    async def test_a_reader_sees_the_moment_of_its_first_read(self, world: World) -> None:
        note, gone = Note(title="first"), Note(title="gone")
        rows = await world.put(world.ann, note, gone)
        schema = world.schema(Note)
        async with world.engine.begin(world.ann, read_only=True) as tx:
            assert await tx.get(schema, note.id) == rows[0]
            await world.flush(
                world.ann,
                await world.update(world.ann, Note, rows[0], title="second"),
                await world.deletion(world.ann, Note, rows[1]),
                world.creation(world.ann, Note(title="new")),
            )
            assert await tx.get(schema, note.id) == rows[0]
            assert [
                stored and stored.row for stored in await tx.batch_get(schema, [note.id, gone.id])
            ] == rows
            assert await tx.query(_all_notes(world)) == sorted(rows, key=lambda row: row["id"].bytes)
            assert (await tx.marks()).head == 2
            assert [change.number for change in await tx.read_changes(0, limit=10)] == [1, 2]
            assert await tx.read_history(schema, gone.id) == []
        assert await world.head(world.ann) == 5
        assert len(await world.query(world.ann, Note)) == 2

    async def test_a_reader_keeps_nobody_from_writing(self, world: World) -> None:
        (row,) = await world.put(world.ann, Board(name="first"))
        async with world.engine.begin(world.ann, read_only=True) as tx:
            await tx.get(world.schema(Board), row["id"])
            async with asyncio.timeout(5):
                await world.flush(world.bob, await world.update(world.bob, Board, row, name="second"))
        assert await world.head(world.ann) == 2

    async def test_a_reader_cannot_write(self, world: World) -> None:
        write = world.creation(world.ann, Board(name="never"))
        with pytest.raises(HoldfastError):
            async with world.engine.begin(world.ann, read_only=True) as tx:
                await tx.write(log_of(world.ann, 0, [write]))
        assert await world.peek(world.ann, Board, write.row_id) is None
        assert await world.head(world.ann) == 0


def _all_notes(world: World) -> Query:
    return Query(world.schema(Note))
