"""Promise 3: the counter is taken first, whoever has it is alone, and number order is commit order without gaps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from holdfast.errors import Busy
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board
from holdfast.testing.conformance.world import World, log_of

WRITERS = 16


class _Oops(Exception):
    """Ends a transaction in this file."""


async def _write(world: World, scope: Scope, *, rows: int = 1, pause: float = 0.0, fail: bool = False) -> int:
    """One flush of new boards that holds the counter for a while; returns its first number."""
    writes = [world.creation(scope, Board(name=f"board {turn}")) for turn in range(rows)]
    async with world.engine.begin(scope) as tx:
        head = await tx.lock()
        await asyncio.sleep(pause)
        await tx.write(log_of(scope, head, writes))
        if fail:
            raise _Oops
    return head + 1


class CounterTests(EngineTests):
    """One writer after another."""

    async def test_a_new_tenant_begins_at_nothing(self, world: World) -> None:
        assert await world.head(world.ann) == 0
        async with world.engine.begin(world.ann) as tx:
            assert await tx.lock() == 0

    async def test_a_flush_of_several_rows_has_consecutive_numbers(self, world: World) -> None:
        await _write(world, world.ann)
        await _write(world, world.bob, rows=3)
        changes = await world.changes(world.ann)
        assert [change.number for change in changes] == [1, 2, 3, 4]
        assert [change.flush_end for change in changes] == [1, 4, 4, 4]
        assert [change.actor for change in changes] == [world.ann.user_id, *[world.bob.user_id] * 3]
        assert await world.head(world.ann) == 4

    async def test_the_log_is_read_from_any_number_on(self, world: World) -> None:
        await _write(world, world.ann, rows=5)
        async with world.engine.begin(world.ann, read_only=True) as tx:
            assert [c.number for c in await tx.read_changes(2, limit=2)] == [3, 4]
            assert [c.number for c in await tx.read_changes(4, limit=100)] == [5]
            assert await tx.read_changes(5, limit=100) == []

    async def test_the_second_writer_waits_for_the_first(self, world: World) -> None:
        heads: list[int] = []

        async def second() -> None:
            async with world.engine.begin(world.bob) as tx:
                heads.append(await tx.lock())

        async with world.engine.begin(world.ann) as tx:
            head = await tx.lock()
            waiting = asyncio.create_task(second())
            await asyncio.sleep(0.05)
            assert heads == []
            await tx.write(log_of(world.ann, head, [world.creation(world.ann, Board(name="first"))]))
        await waiting
        assert heads == [1]

    async def test_one_transaction_may_ask_for_the_counter_twice(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            assert [await tx.lock(), await tx.lock()] == [0, 0]

    async def test_the_counter_keeps_no_reader_waiting(self, world: World) -> None:
        (row,) = await world.put(world.ann, Board(name="there"))
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            async with asyncio.timeout(5):
                assert await world.get(world.bob, Board, row["id"]) == row
                assert await world.head(world.bob) == 1

    async def test_one_tenants_counter_keeps_no_other_tenant_waiting(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            async with asyncio.timeout(5):
                assert await _write(world, world.cleo) == 1

    async def test_a_writer_that_waits_too_long_is_told_to_come_again(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            started = time.monotonic()
            with pytest.raises(Busy) as caught:
                await _write(world, world.bob)
            waited = time.monotonic() - started
        assert caught.value.retry_after
        assert waited < world.harness.lock_timeout + 5
        assert await _write(world, world.bob) == 1

    async def test_a_writer_that_is_cancelled_while_it_waits_harms_nobody(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            head = await tx.lock()
            waiting = [asyncio.create_task(_write(world, world.bob)) for _ in range(3)]
            await asyncio.sleep(0.05)
            waiting[1].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting[1]
            await tx.write(log_of(world.ann, head, [world.creation(world.ann, Board(name="first"))]))
        assert sorted([await waiting[0], await waiting[2]]) == [2, 3]
        assert await world.head(world.ann) == 3

    async def test_a_writer_that_is_cancelled_while_it_holds_the_counter_gives_it_back(
        self, world: World
    ) -> None:
        held = asyncio.create_task(_write(world, world.ann, pause=60))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(_write(world, world.bob))
        held.cancel()
        with pytest.raises(asyncio.CancelledError):
            await held
        assert await waiting == 1


class CommitOrderTests(EngineTests):
    """Many writers at once."""

    async def test_sixteen_writers_of_one_tenant_leave_no_gap(self, world: World) -> None:
        scopes = [world.ann, world.bob]
        firsts = await _all(lambda turn: _write(world, scopes[turn % 2], rows=1 + turn % 3))
        changes = await world.changes(world.everyone)
        assert [change.number for change in changes] == list(range(1, len(changes) + 1))
        assert len(set(firsts)) == WRITERS
        assert await world.head(world.ann) == len(changes)

    async def test_who_sees_a_number_sees_all_before_it(self, world: World) -> None:
        """Commit order: a reader that polls while writers write never sees a number above one that is missing."""
        done = asyncio.Event()

        async def poll() -> int:
            seen = 0
            while not done.is_set():
                async with world.engine.begin(world.bob, read_only=True) as tx:
                    head = (await tx.marks()).head
                    numbers = [change.number for change in await tx.read_changes(0, limit=1000)]
                assert numbers == list(range(1, head + 1))
                assert head >= seen
                seen = head
                await asyncio.sleep(0)
            return seen

        polling = asyncio.create_task(poll())
        await _all(lambda turn: _write(world, world.ann, rows=2, pause=0.002 * (turn % 4)))
        done.set()
        assert await polling <= 2 * WRITERS
        assert await world.head(world.ann) == 2 * WRITERS

    async def test_writers_that_fail_leave_no_gap(self, world: World) -> None:
        results = await _all(lambda turn: _write(world, world.ann, rows=2, fail=turn % 3 == 0))
        failed = sum(isinstance(result, _Oops) for result in results)
        numbers = [change.number for change in await world.changes(world.ann)]
        assert failed == 6
        assert numbers == list(range(1, 2 * (WRITERS - failed) + 1))

    async def test_many_tenants_write_side_by_side(self, world: World) -> None:
        worlds = [world, *[await World.make(world.harness, world.engine) for _ in range(3)]]
        scopes = [scope for place in worlds for scope in (place.ann, place.cleo)]
        await _all(lambda turn: _write(world, scopes[turn % len(scopes)], rows=1 + turn % 2))
        for scope in scopes:
            numbers = [change.number for change in await world.changes(scope)]
            assert numbers == list(range(1, len(numbers) + 1))
            assert numbers


async def _all(write: Callable[[int], Awaitable[int]]) -> list[int | BaseException]:
    """Let all writers begin at once; a failure that the test did not ask for is raised."""
    results = await asyncio.gather(*(write(turn) for turn in range(WRITERS)), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, _Oops):
            raise result
    return results
