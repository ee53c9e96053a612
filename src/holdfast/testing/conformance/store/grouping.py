"""Many sessions of one tenant at once: they share flushes, and one's mistake is nobody else's."""

from __future__ import annotations

import asyncio

from holdfast.errors import Busy, Duplicate, NotFound, StaleVersion
from holdfast.model.ids import new_id
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note
from holdfast.testing.conformance.world import World


class GroupingTests(EngineTests):
    """What a caller sees of it."""

    async def test_writers_at_once_all_succeed(self, world: World) -> None:
        store = world.store()
        await asyncio.gather(
            *(_put(store, scope, title=f"{turn}") for turn in range(20) for scope in (world.ann, world.bob))
        )
        assert [change.number for change in await world.changes(world.everyone)] == list(range(1, 41))
        assert len(await world.query(world.ann, Note)) == 20
        ends = {change.flush_end for change in await world.changes(world.everyone)}
        assert len(ends) < 40, "forty writes at once shared no flush"

    async def test_one_failure_in_a_shared_flush_is_one_callers(self, world: World) -> None:
        store, there = world.store(), Note(title="there", number=1)
        async with store.session(world.ann) as s:
            await s.put(there)

        async def stale() -> None:
            async with store.session(world.ann) as s:
                await s.patch(Note, there.id, {"title": "late"}, if_version=9)

        async def ghost() -> None:
            async with store.session(world.ann) as s:
                await s.delete(Note, new_id())

        results = await asyncio.gather(
            _put(store, world.ann, title="a"),
            _put(store, world.ann, title="b", number=1),
            stale(),
            _put(store, world.ann, title="c", number=2),
            ghost(),
            _put(store, world.bob, title="d", number=2),
            _put(store, world.bob, title="e"),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [
            type(None),
            Duplicate,
            StaleVersion,
            type(None),
            NotFound,
            Duplicate,
            type(None),
        ]
        assert [change.number for change in await world.changes(world.everyone)] == [1, 2, 3, 4]

    async def test_writers_of_one_row_at_once_are_one_after_another(self, world: World) -> None:
        store, board = world.store(), Board(name="board", position=0)
        async with store.session(world.ann) as s:
            await s.put(board)

        async def raise_to(position: int) -> int:
            async with store.session(world.ann) as s:
                receipt = await s.patch(Board, board.id, {"position": position})
            return receipt.outcome.version

        versions = await asyncio.gather(*(raise_to(turn) for turn in range(1, 13)))
        assert sorted(versions) == list(range(2, 14))
        changes = await world.changes(world.ann)
        assert [change.version for change in changes] == list(range(1, 14))

    async def test_of_writers_on_one_version_one_succeeds(self, world: World) -> None:
        store, board = world.store(), Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(board)

        async def take(position: int) -> bool:
            try:
                async with store.session(world.ann) as s:
                    await s.patch(Board, board.id, {"position": position}, if_version=1)
            except StaleVersion:
                return False
            return True

        assert sum(await asyncio.gather(*(take(turn) for turn in range(8)))) == 1
        assert await store.head(world.ann) == 2

    async def test_a_caller_that_is_cancelled_takes_nobody_with_it(self, world: World) -> None:
        store = world.store()
        tasks = [asyncio.create_task(_put(store, world.ann, title=f"{turn}")) for turn in range(6)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[3].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results].count(asyncio.CancelledError) == 2
        await store.flusher.drain()
        numbers = [change.number for change in await world.changes(world.ann)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert 4 <= len(numbers) <= 6

    async def test_writers_of_a_tenant_whose_counter_is_held_are_told_within_bounds(
        self, world: World
    ) -> None:
        """A shared flush that found the tenant busy is not tried again caller by caller: that would wait for each."""
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            async with asyncio.timeout(world.harness.lock_timeout * 4 + 5):
                results = await asyncio.gather(
                    *(_put(store, world.ann, title=f"{turn}") for turn in range(12)), return_exceptions=True
                )
        assert {type(result) for result in results} == {Busy}
        await _put(store, world.ann, title="after")
        assert await store.head(world.ann) == 1

    async def test_tenants_do_not_wait_for_one_another(self, world: World) -> None:
        store = world.store()
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            held = asyncio.create_task(_put(store, world.ann, title="ours"))
            async with asyncio.timeout(5):
                await _put(store, world.cleo, title="theirs")
        await held
        assert (await store.head(world.ann), await store.head(world.cleo)) == (1, 1)


async def _put(store: Store, scope: Scope, *, title: str, number: int | None = None) -> None:
    async with store.session(scope) as s:
        await s.put(Note(title=title, number=number))
