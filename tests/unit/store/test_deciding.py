"""Write sets that are decided on under the counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from holdfast.changes.change import Operation, new_salt
from holdfast.engines.port import Outcome, PlannedWrite, Transaction, Write
from holdfast.errors import HoldfastError, StaleVersion, StillReferenced
from holdfast.store.deciding import Decided, RowKey
from holdfast.store.store import Store, utc_now
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import CATALOG, Board, File, Folder, Loan


class Deciding:
    """Writes what it is told, and remembers how it was asked."""

    def __init__(self, world: World, *writes: Write) -> None:
        self.world = world
        self.writes = writes
        self.asked: list[Mapping[RowKey, HoldfastError]] = []
        self.heads: list[int] = []
        self.recorded: list[Sequence[Outcome]] = []
        self.first_error: HoldfastError | None = None

    async def decide(self, tx: Transaction, head: int, refused: Mapping[RowKey, HoldfastError]) -> Decided:
        self.asked.append(dict(refused))
        self.heads.append(head)
        if self.first_error is not None:
            error, self.first_error = self.first_error, None
            raise error
        assert (await tx.marks()).head == head
        wanted = [w for w in self.writes if (w.schema.name, w.row_id) not in refused]
        return Decided([PlannedWrite(w, self.world.ann, utc_now()) for w in wanted])

    def record(self, outcomes: Sequence[Outcome]) -> list[PlannedWrite]:
        self.recorded.append(outcomes)
        return []


def store_of(world: World) -> Store:
    return Store(world.engine, CATALOG, cursor_secret=b"s" * 32)


def creation(world: World, entity: Any) -> Write:
    schema = world.schema(type(entity))
    values = {f.name: getattr(entity, f.name) for f in schema.fields}
    return Write(schema, Operation.CREATE, entity.id, values, if_version=0, salt=new_salt())


async def test_it_is_asked_under_the_counter_and_told_what_became_of_it(world: World) -> None:
    store = store_of(world)
    board = Board(name="one", shelf="s", label="l")
    decider = Deciding(world, creation(world, board))
    (outcome,) = await store.flusher.submit_decided(world.ann, decider)
    assert (outcome.version, outcome.number) == (1, 1)
    assert decider.heads == [0]
    assert [len(outcomes) for outcomes in decider.recorded] == [1]
    assert await world.get(world.ann, Board, board.id) is not None


async def test_it_is_asked_again_without_deletes_that_are_not_allowed(world: World) -> None:
    store = store_of(world)
    folder = Folder(name="f")
    file = File(name="x", folder_id=folder.id)
    loan = Loan(file_id=file.id)
    free = Board(name="one", shelf="s", label="l")
    async with store.session(world.ann) as session:
        await session.batch([folder, file, loan, free])
    deletes = [Write(world.schema(type(row)), Operation.DELETE, row.id) for row in (file, free)]
    decider = Deciding(world, *deletes)
    await store.flusher.submit_decided(world.ann, decider)
    key = (world.schema(File).name, file.id)
    assert [set(asked) for asked in decider.asked] == [set(), {key}]
    assert isinstance(decider.asked[1][key], StillReferenced)
    assert await world.get(world.ann, File, file.id) is not None
    assert await world.get(world.ann, Board, free.id) is None


async def test_it_begins_anew_when_a_row_without_a_log_has_moved(world: World) -> None:
    decider = Deciding(world, creation(world, Board(name="one", shelf="s", label="l")))
    decider.first_error = StaleVersion()
    await store_of(world).flusher.submit_decided(world.ann, decider)
    assert [dict(asked) for asked in decider.asked] == [{}, {}]


async def test_what_it_raises_undoes_all_and_reaches_its_caller_alone(world: World) -> None:
    store = store_of(world)
    decider = Deciding(world, creation(world, Board(name="one", shelf="s", label="l")))
    decider.first_error = HoldfastError("no")
    with pytest.raises(HoldfastError, match="no"):
        await store.flusher.submit_decided(world.ann, decider)
    assert await world.head(world.ann) == 0
    await store.flusher.submit_decided(world.ann, decider)
    assert await world.head(world.ann) == 1
