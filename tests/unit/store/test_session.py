"""Sessions: what is buffered, how several writes of one row become one, and which do not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from holdfast.changes.change import Operation
from holdfast.errors import Conflict, NotFound, UncommittedRead
from holdfast.model.ids import new_id
from holdfast.store.session import Receipt, Session
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import Board, Note

pytestmark = pytest.mark.anyio
ROW_ID = UUID(int=9)

Write = Callable[[Session], Awaitable[Receipt]]


def put(version: int = 0, title: str = "put") -> Write:
    return lambda s: s.put(Note(id=ROW_ID, title=title, version=version))


def patch(if_version: int | None = None, **changes: object) -> Write:
    return lambda s: s.patch(Note, ROW_ID, changes, if_version=if_version)


def delete(if_version: int | None = None) -> Write:
    return lambda s: s.delete(Note, ROW_ID, if_version=if_version)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (put(), patch(stars=5), (Operation.CREATE, "put", 5, 0)),
        (put(3), patch(stars=5), (Operation.UPDATE, "put", 5, 3)),
        (patch(title="a"), patch(stars=5), (Operation.UPDATE, "a", 5, None)),
        (patch(title="a", if_version=3), patch(title="b", stars=5), (Operation.UPDATE, "b", 5, 3)),
        (patch(title="a"), delete(), (Operation.DELETE, None, None, None)),
        (patch(title="a", if_version=3), delete(), (Operation.DELETE, None, None, 3)),
        (patch(title="a"), delete(3), (Operation.DELETE, None, None, 3)),
    ],
)
async def test_two_writes_of_a_row_become_one(
    world: World, first: Write, second: Write, expected: tuple[object, ...]
) -> None:
    s = world.store().session(world.ann)
    await first(s)
    await second(s)
    (write,) = s._writes.values()
    assert (write.op, write.values.get("title"), write.values.get("stars"), write.if_version) == expected
    assert len(write.salt) == (16 if write.op is Operation.CREATE else 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (put(), put()),
        (put(), put(1)),
        (put(), delete()),
        (delete(), delete()),
        (delete(), put()),
        (delete(), patch(title="a")),
        (patch(title="a"), put(1)),
        (patch(title="a"), patch(title="b", if_version=2)),
    ],
)
async def test_two_writes_that_do_not_combine_are_refused_and_the_first_stands(
    world: World, first: Write, second: Write
) -> None:
    s = world.store().session(world.ann)
    await first(s)
    (before,) = s._writes.values()
    with pytest.raises(Conflict, match="do not combine"):
        await second(s)
    assert list(s._writes.values()) == [before]


async def test_a_session_goes_on_after_its_commit(world: World) -> None:
    s = world.store().session(world.ann)
    assert await s.commit() == []
    first, second = Board(name="first"), Board(name="second")
    await s.put(first)
    (outcome,) = await s.commit()
    assert (outcome.version, outcome.number) == (1, 1)
    assert (await s.get(Board, first.id)).name == "first"
    await s.put(second)
    await s.delete(Board, first.id)
    assert [outcome.number for outcome in await s.commit()] == [2, 3]


async def test_a_commit_that_fails_leaves_an_empty_buffer(world: World) -> None:
    s = world.store().session(world.ann)
    receipt = await s.delete(Board, new_id())
    with pytest.raises(NotFound):
        await s.commit()
    assert await s.commit() == []
    with pytest.raises(UncommittedRead):
        _ = receipt.outcome


async def test_what_is_discarded_is_never_written(world: World) -> None:
    s = world.store().session(world.ann)
    await s.put(Board(name="never"))
    s.discard()
    assert await s.commit() == []
    assert (await s.select(Board)).items == []


async def test_a_batch_gives_a_receipt_for_each(world: World) -> None:
    async with world.store().session(world.ann) as s:
        receipts = await s.batch(Board(name=str(turn)) for turn in range(3))
    assert [receipt.outcome.number for receipt in receipts] == [1, 2, 3]
    assert [receipt.entity and receipt.entity.version for receipt in receipts] == [1, 1, 1]


async def test_an_entity_that_was_put_and_deleted_elsewhere_is_not_found(world: World) -> None:
    store, board = world.store(), Board(name="there")
    async with store.session(world.ann) as s:
        await s.put(board)
    async with store.session(world.bob) as s:
        await s.delete(Board, board.id)
    board.name = "again"
    with pytest.raises(NotFound):
        async with store.session(world.ann) as s:
            await s.put(board)


async def test_an_entity_that_nobody_declared_is_not_found(world: World) -> None:
    class Stranger(Board, table="strangers", policies=Board.policies):
        pass

    s = world.store().session(world.ann)
    for work in (s.get(Stranger, ROW_ID), s.select(Stranger), s.put(Stranger(name="a"))):
        with pytest.raises(NotFound, match="not declared"):
            await work
