"""The flush: who shares one, what fails alone, what fails together, and what a queue holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from holdfast.engines.memory import MemoryEngine
from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.engines.port import Plan, R, Transaction, WritePlan
from holdfast.errors import Busy, Duplicate, NotFound, ReferenceMissing, StaleVersion, Unavailable
from holdfast.model.ids import new_id
from holdfast.store import _flush, _lane
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import Board, Folder, Membership, Note, Tally
from holdfast.testing.planned import PlannedMemoryEngine
from tests.unit.store.conftest import world_on

pytestmark = pytest.mark.anyio


async def put(store: Store, scope: Scope, *, number: int | None = None, rows: int = 1) -> None:
    async with store.session(scope) as s:
        await s.batch(Note(title="note", number=number) for _ in range(rows))


async def flushes(world: World) -> list[int]:
    """How many changes each flush of our tenant had, in order."""
    ends = [change.flush_end for change in await world.changes(world.everyone)]
    return [ends.count(end) for end in dict.fromkeys(ends)]


class TestSharing:
    async def test_writers_at_once_share_a_flush(self, world: World) -> None:
        store = world.store()
        await asyncio.gather(*(put(store, world.ann) for _ in range(5)))
        await put(store, world.ann)
        assert await flushes(world) == [5, 1]

    async def test_a_flush_takes_so_many_rows_and_no_more(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_lane, "MAX_GROUP", 4)
        store = world.store()
        await asyncio.gather(*(put(store, world.ann, rows=rows) for rows in (1, 2, 2, 9, 1)))
        assert await flushes(world) == [3, 2, 9, 1]

    async def test_who_comes_while_a_flush_is_under_way_shares_the_next(self, world: World) -> None:
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            first = asyncio.create_task(put(store, world.ann))
            await asyncio.sleep(0.01)
            rest = [asyncio.create_task(put(store, world.bob)) for _ in range(3)]
            await asyncio.sleep(0.01)
        await asyncio.gather(first, *rest)
        assert await flushes(world) == [1, 3]

    async def test_tenants_have_a_queue_each(self, world: World) -> None:
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            waiting = asyncio.create_task(put(store, world.ann))
            await put(store, world.cleo)
            assert not waiting.done()
        await waiting

    async def test_a_queue_is_forgotten_once_it_is_empty(self, world: World) -> None:
        store = world.store()
        await asyncio.gather(*(put(store, scope) for scope in (world.ann, world.bob, world.cleo)))
        await store.flusher.drain()
        assert store.flusher._lanes == {}

    async def test_closing_flushes_what_waits(self, world: World) -> None:
        store = world.store()
        task = asyncio.create_task(put(store, world.ann))
        await asyncio.sleep(0)
        await store.aclose()
        await task
        assert await world.head(world.ann) == 1


class TestFailing:
    async def test_what_is_refused_in_planning_leaves_the_flush_to_the_others(self, world: World) -> None:
        store, note = world.store(), Note(title="there")
        await world.put(world.ann, note)

        async def late() -> None:
            async with store.session(world.ann) as s:
                await s.put(Board(name="goes with the stale patch"))
                await s.patch(Note, note.id, {"title": "late"}, if_version=7)

        results = await asyncio.gather(
            put(store, world.ann), late(), put(store, world.bob), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), StaleVersion, type(None)]
        assert await flushes(world) == [1, 2]
        assert await world.query(world.ann, Board) == []

    async def test_what_the_engine_refuses_is_tried_again_one_by_one(self, world: World) -> None:
        store = world.store()
        numbers: list[int | None] = [1, None, 1, 2]
        results = await asyncio.gather(
            *(put(store, world.ann, number=number) for number in numbers), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), type(None), Duplicate, type(None)]
        assert await flushes(world) == [1, 1, 1]
        assert await world.head(world.ann) == 3

    async def test_nobody_is_refused_for_the_work_of_another_that_is_undone(self, world: World) -> None:
        """The first two share a flush that fails at its commit; the second was stale only in there."""
        store, folder, other = world.store(), Folder(name="folder"), Folder(name="other")
        await _put(store, world, folder, other)

        async def move(parent_id: UUID) -> None:
            async with store.session(world.ann) as s:
                await s.patch(Folder, folder.id, {"parent_id": parent_id}, if_version=1)

        results = await asyncio.gather(move(new_id()), move(other.id), return_exceptions=True)
        assert [type(result) for result in results] == [ReferenceMissing, type(None)]

    async def test_an_engine_that_is_away_fails_all_at_once_and_each_with_an_error_of_its_own(self) -> None:
        world = await world_on(AwayEngine)
        assert isinstance(world.engine, AwayEngine)
        store, world.engine.away = world.store(), True
        results = await asyncio.gather(*(put(store, world.ann) for _ in range(4)), return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 4
        assert len({id(result) for result in results}) == 4
        assert {str(result) for result in results} == {"[unavailable] the database cannot be reached (there)"}
        assert world.engine.tried == 1
        world.engine.away = False
        await put(store, world.ann)

    async def test_a_defect_reaches_its_callers_and_stops_nobody_else(self) -> None:
        world = await world_on(DefectEngine)
        store = world.store()
        results = await asyncio.gather(put(store, world.ann), put(store, world.bob), return_exceptions=True)
        assert [type(result) for result in results] == [ZeroDivisionError] * 2
        async with asyncio.timeout(5):
            with pytest.raises(ZeroDivisionError):
                await put(store, world.ann)

    async def test_a_queue_is_only_so_long(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_lane, "MAX_WAITING", 3)
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            tasks = [asyncio.create_task(put(store, world.ann))]
            await asyncio.sleep(0.01)
            tasks += [asyncio.create_task(put(store, world.ann)) for _ in range(3)]
            await asyncio.sleep(0.01)
            with pytest.raises(Busy, match="too many"):
                await put(store, world.ann)
            await put(store, world.cleo)
        await asyncio.gather(*tasks)
        assert await world.head(world.ann) == 4


class TestCancelling:
    async def test_who_gives_up_while_waiting_writes_nothing(self, world: World) -> None:
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            under_way = asyncio.create_task(put(store, world.ann))
            await asyncio.sleep(0.01)
            given_up, stays = (asyncio.create_task(put(store, world.bob, rows=n)) for n in (5, 1))
            await asyncio.sleep(0.01)
            given_up.cancel()
            with pytest.raises(asyncio.CancelledError):
                await given_up
        await asyncio.gather(under_way, stays)
        assert await flushes(world) == [1, 1]

    async def test_who_gives_up_under_way_is_written_and_disturbs_nobody(self, world: World) -> None:
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            first, second = (asyncio.create_task(put(store, world.ann)) for _ in range(2))
            await asyncio.sleep(0.01)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
        await second
        assert await flushes(world) == [2]


class TestPlans:
    """Which write sets go down in one round trip, and which are planned here."""

    async def test_writers_of_one_kind_share_a_plan(self) -> None:
        world = await world_on(CountingEngine)
        store, note, other = world.store(), Note(title="there"), Note(title="too")
        await asyncio.gather(
            put(store, world.ann), put(store, world.bob, rows=3), _put(store, world, note, other)
        )
        assert plans_of(world) == [("create", 6)]
        await asyncio.gather(*(_patch(store, world, note, f"{turn}") for turn in range(3)))
        assert plans_of(world) == [("update", 3)]
        await asyncio.gather(_delete(store, world, note), _delete(store, world, other))
        assert plans_of(world) == [("delete", 2)]
        assert await flushes(world) == [6, 3, 2]

    async def test_another_kind_waits_for_its_own_plan(self) -> None:
        world = await world_on(CountingEngine)
        store, board = world.store(), Board(name="there")
        await _put(store, world, board)
        plans_of(world)
        results = await asyncio.gather(
            put(store, world.ann),
            _patch_board(store, world, board.id),
            put(store, world.ann),
            _patch_board(store, world, new_id()),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [type(None)] * 3 + [NotFound]
        assert plans_of(world) == [("create", 1), ("update", 1), ("create", 1), ("update", 1)]

    async def test_what_must_be_planned_here_is(self) -> None:
        """Several changes of one session, two kinds together, and deletes of rows that others refer to."""
        world = await world_on(CountingEngine)
        store, note, other, folder = world.store(), Note(title="a"), Note(title="b"), Folder(name="f")
        async with store.session(world.ann) as s:
            await s.batch([note, other, folder])
        async with store.session(world.ann) as s:
            await s.patch(Note, note.id, {"title": "c"})
            await s.patch(Note, other.id, {"title": "d"})
        async with store.session(world.ann) as s:
            await s.patch(Note, note.id, {"title": "e"})
            await s.delete(Note, other.id)
        await _delete(store, world, folder)
        assert plans_of(world) == []
        assert await flushes(world) == [3, 2, 2, 1]

    async def test_a_plan_that_fails_is_tried_again_caller_by_caller(self) -> None:
        world = await world_on(CountingEngine)
        store = world.store()
        results = await asyncio.gather(
            put(store, world.ann, number=1),
            put(store, world.bob, number=1),
            put(store, world.bob),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [type(None), Duplicate, type(None)]
        assert plans_of(world) == [("create", 3), ("create", 1), ("create", 1), ("create", 1)]
        assert await flushes(world) == [1, 1]


class TestRealm:
    async def test_a_realm_row_that_moves_is_read_again(self) -> None:
        world = await world_on(MovingEngine)
        assert isinstance(world.engine, MovingEngine)
        store, realm = world.store(), Scope.realm(reason="a test")
        member = Membership(tenant_id=world.tenant, user_id=new_id())
        async with store.session(realm) as s:
            await s.put(member)
        world.engine.moves = 4
        async with store.session(realm) as s:
            await s.patch(Membership, member.id, {"role": "admin"})
        world.engine.moves = 5
        with pytest.raises(StaleVersion):
            async with store.session(realm) as s:
                await s.patch(Membership, member.id, {"role": "owner"})
        world.engine.moves = 1
        with pytest.raises(StaleVersion):
            async with store.session(realm) as s:
                await s.patch(Membership, member.id, {"role": "viewer"}, if_version=2)
        async with store.session(realm) as s:
            found = await s.get(Membership, member.id)
        assert (found.role, found.version) == ("admin", 2)


class AwayEngine(MemoryEngine):
    """Cannot be reached while it is away."""

    away = False
    tried = 0

    def begin(
        self, scope: Scope, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[MemoryTransaction]:
        if self.away:
            self.tried += 1
            raise Unavailable("the database cannot be reached", where="there")
        return super().begin(scope, read_only=read_only)


class DefectEngine(MemoryEngine):
    """Has a defect where it writes."""

    def begin(
        self, scope: Scope, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[MemoryTransaction]:
        if not read_only and not scope.is_realm:
            raise ZeroDivisionError
        return super().begin(scope, read_only=read_only)


class MovingEngine(MemoryEngine):
    """Somebody else changes the realm while a transaction is under way, a few times."""

    moves = 0

    @asynccontextmanager
    async def _begin(self, scope: Scope, *, read_only: bool) -> AsyncIterator[MemoryTransaction]:
        async with super()._begin(scope, read_only=read_only) as tx:
            yield tx
            if not read_only and self.moves > 0:
                self.moves -= 1
                raise StaleVersion


class CountingEngine(PlannedMemoryEngine):
    """Remembers the write plans that it was given."""

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        if isinstance(plan, WritePlan):
            self.__dict__.setdefault("seen", []).append((plan.op.name.lower(), len(plan.writes)))
        return await super().run(scope, plan)


def plans_of(world: World) -> list[tuple[str, int]]:
    """The write plans since the last call: the operation, and how many writes."""
    seen: list[tuple[str, int]] = world.engine.__dict__.pop("seen", [])
    return seen


async def _put(store: Store, world: World, *entities: Any) -> None:
    async with store.session(world.ann) as s:
        await s.batch(entities)


async def _patch(store: Store, world: World, note: Note, title: str) -> None:
    async with store.session(world.ann) as s:
        await s.patch(Note, note.id, {"title": title})


async def _patch_board(store: Store, world: World, row_id: Any) -> None:
    async with store.session(world.ann) as s:
        await s.patch(Board, row_id, {"name": "new"})


async def _delete(store: Store, world: World, entity: Any) -> None:
    async with store.session(world.ann) as s:
        await s.delete(type(entity), entity.id)


class TestBookkeeping:
    """The counter keeps nobody away from its rows: one may move between a flush's read and its write."""

    @pytest.fixture
    async def tally(self, world: World) -> Tally:
        tally = Tally(name="pushes")
        async with world.store().session(world.ann) as s:
            await s.put(tally)
        return tally

    @staticmethod
    def moving(monkeypatch: pytest.MonkeyPatch, world: World, tally: Tally, times: int) -> None:
        """Let another change the row behind each of the next reads."""
        read, other = _flush._read_current, world.store()
        left = [times]

        async def read_and_move(tx: Transaction, planned: Any) -> Any:
            found = await read(tx, planned)
            if left[0] > 0:
                left[0] -= 1
                async with other.session(world.bob) as s:
                    await s.patch(Tally, tally.id, {"count": 100 + left[0]})
            return found

        monkeypatch.setattr(_flush, "_read_current", read_and_move)

    async def test_a_row_that_moved_is_read_again(
        self, world: World, tally: Tally, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store, board = world.store(), Board(name="board")
        # Every other read is the other's own.
        self.moving(monkeypatch, world, tally, times=2)
        async with store.session(world.ann) as s:
            await s.put(board)
            await s.patch(Tally, tally.id, {"count": 1})
        row = await world.get(world.ann, Tally, tally.id)
        assert row is not None
        assert row["count"] == 1
        assert await flushes(world) == [1]

    async def test_who_names_a_version_is_told(
        self, world: World, tally: Tally, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = world.store()
        self.moving(monkeypatch, world, tally, times=1)
        async with store.session(world.ann) as s:
            await s.put(Board(name="board"))
            await s.patch(Tally, tally.id, {"count": 1}, if_version=1)
            with pytest.raises(StaleVersion):
                await s.commit()
        assert await flushes(world) == []
