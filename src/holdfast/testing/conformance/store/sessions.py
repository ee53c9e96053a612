"""Sessions on the engine: what is read, what is buffered, what is told after the commit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast.errors import (
    AlreadyExists,
    Conflict,
    Duplicate,
    InvalidInput,
    NotFound,
    NotIndexed,
    StaleVersion,
    UncommittedRead,
)
from holdfast.model.ids import new_id
from holdfast.testing.clock import START, ManualClock
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Note, Preference
from holdfast.testing.conformance.world import World


class SessionTests(EngineTests):
    """One scope's reads and writes."""

    async def test_a_session_stores_reads_changes_and_deletes(self, world: World) -> None:
        store, note = world.store(), Note(title="first", stars=4)
        async with store.session(world.ann) as s:
            await s.put(note)
        async with store.session(world.ann) as s:
            found = await s.get(Note, note.id)
            assert (found.title, found.stars, found.version) == ("first", 4, 1)
            assert (found.user_id, found.created_at) == (world.ann.user_id, START)
            await s.patch(Note, note.id, {"title": "second"})
        async with store.session(world.ann) as s:
            assert (await s.get(Note, note.id)).title == "second"
            await s.delete(Note, note.id)
        async with store.session(world.ann) as s:
            assert await s.find(Note, note.id) is None
            with pytest.raises(NotFound):
                await s.get(Note, note.id)

    async def test_a_session_cannot_read_what_it_has_not_committed(self, world: World) -> None:
        store, note, other = world.store(), Note(title="new"), Note(title="old")
        async with store.session(world.ann) as s:
            await s.put(other)
        async with store.session(world.ann) as s:
            await s.put(note)
            for read in (s.get(Note, note.id), s.find(Note, note.id), s.select(Note)):
                with pytest.raises(UncommittedRead):
                    await read
            assert (await s.get(Note, other.id)).title == "old"
            assert (await s.select(Board)).items == []
            await s.commit()
            assert (await s.get(Note, note.id)).title == "new"

    async def test_a_receipt_is_filled_by_the_commit(self, world: World) -> None:
        store, note = world.store(), Note(title="new")
        async with store.session(world.ann) as s:
            receipt = await s.put(note)
            with pytest.raises(UncommittedRead):
                _ = receipt.outcome
        assert (receipt.outcome.version, receipt.outcome.number) == (1, 1)
        assert (note.version, note.created_at, note.updated_at) == (1, START, START)

    async def test_an_entity_may_be_put_again_and_again(self, world: World) -> None:
        clock = ManualClock()
        store, note = world.store(clock), Note(title="1")
        for version in (1, 2, 3):
            note.title = str(version)
            clock.advance(timedelta(seconds=1))
            async with store.session(world.ann) as s:
                receipt = await s.put(note)
            assert (note.version, receipt.outcome.version) == (version, version)
            assert (note.created_at, note.updated_at) == (START + timedelta(seconds=1), clock.now)

    async def test_a_copy_that_has_grown_old_is_stale(self, world: World) -> None:
        store, note = world.store(), Note(title="first")
        async with store.session(world.ann) as s:
            await s.put(note)
        async with store.session(world.ann) as s:
            copy = await s.get(Note, note.id)
            await s.patch(Note, note.id, {"title": "second"}, if_version=1)
        copy.title = "third"
        with pytest.raises(StaleVersion):
            async with store.session(world.ann) as s:
                await s.put(copy)
        for late in (world.ann, world.everyone):
            with pytest.raises(StaleVersion):
                async with store.session(late) as s:
                    await s.delete(Note, note.id, if_version=1)
        async with store.session(world.ann) as s:
            await s.delete(Note, note.id, if_version=2)

    async def test_a_session_is_all_or_nothing(self, world: World) -> None:
        store, note = world.store(), Note(title="there", number=1)
        async with store.session(world.ann) as s:
            await s.put(note)
        with pytest.raises(Duplicate):  # noqa: PT012 (it takes a transaction)
            async with store.session(world.ann) as s:
                await s.patch(Note, note.id, {"title": "changed"})
                await s.put(Board(name="new"))
                await s.put(Note(title="new", number=1))
        async with store.session(world.ann) as s:
            assert (await s.get(Note, note.id)).title == "there"
            assert (await s.select(Board)).items == []
        assert await store.head(world.ann) == 1

    async def test_a_session_that_raises_stores_nothing(self, world: World) -> None:
        store = world.store()
        with pytest.raises(RuntimeError):  # noqa: PT012 (it takes a transaction)
            async with store.session(world.ann) as s:
                await s.put(Board(name="never"))
                raise RuntimeError
        assert await store.head(world.ann) == 0

    async def test_several_patches_of_one_row_are_one_change(self, world: World) -> None:
        store, note = world.store(), Note(title="first")
        async with store.session(world.ann) as s:
            await s.put(note)
            await s.patch(Note, note.id, {"body": "text"})
        async with store.session(world.ann) as s:
            first = await s.patch(Note, note.id, {"title": "second"})
            last = await s.patch(Note, note.id, {"stars": 5})
        assert first.outcome == last.outcome
        changes = await world.changes(world.ann)
        assert [(change.version, change.number) for change in changes] == [(1, 1), (2, 2)]
        assert changes[1].fields == ("stars", "title")

    async def test_two_writes_that_do_not_combine_are_refused(self, world: World) -> None:
        store, note = world.store(), Note(title="new")
        async with store.session(world.ann) as s:
            await s.put(note)
            with pytest.raises(Conflict):
                await s.delete(Note, note.id)

    async def test_a_change_that_changes_nothing_writes_nothing(self, world: World) -> None:
        clock = ManualClock()
        store, board = world.store(clock), Board(name="same", settings={"a": [1, True]})
        async with store.session(world.ann) as s:
            await s.put(board)
        before = await world.get(world.ann, Board, board.id)
        clock.advance(timedelta(hours=1))
        async with store.session(world.bob) as s:
            receipt = await s.patch(Board, board.id, {"name": "same", "settings": {"a": [1.0, True]}})
        assert (receipt.outcome.version, receipt.outcome.number) == (1, None)
        assert await world.get(world.ann, Board, board.id) == before
        assert await store.head(world.ann) == 1

    async def test_true_is_another_value_than_one(self, world: World) -> None:
        """They are equal in Python, and are not in JSON."""
        store, board = world.store(), Board(name="same", settings={"a": 1, "b": [False]})
        async with store.session(world.ann) as s:
            await s.put(board)
        async with store.session(world.ann) as s:
            receipt = await s.patch(Board, board.id, {"settings": {"a": True, "b": [0]}})
        assert receipt.outcome.version == 2
        row = await world.get(world.ann, Board, board.id)
        assert row is not None
        assert row["settings"]["a"] is True
        assert row["settings"]["b"][0] is not False

    async def test_a_row_changes_later_than_it_did_before_whatever_the_clock_says(self, world: World) -> None:
        clock = ManualClock()
        store, note = world.store(clock), Note(title="first")
        async with store.session(world.ann) as s:
            await s.put(note)
        tick, expected = timedelta(microseconds=1), START
        for step in (timedelta(hours=-5), timedelta(0), timedelta(days=2), timedelta(days=-2)):
            clock.advance(step)
            async with store.session(world.ann) as s:
                await s.patch(Note, note.id, {"title": f"at {clock.now}", "stars": 5})
                await s.patch(Note, note.id, {"title": f"again at {clock.now} {step}"})
            expected = max(expected + tick, clock.now)
            row = await world.get(world.ann, Note, note.id)
            assert row is not None
            assert (row["updated_at"], row["created_at"]) == (expected, START)

    async def test_what_the_store_sets_nobody_else_sets(self, world: World) -> None:
        store, note = world.store(), Note(title="mine")
        async with store.session(world.ann) as s:
            await s.put(note)
        for field, value in (
            ("user_id", world.bob.user_id),
            ("version", 7),
            ("id", new_id()),
            ("synced_at", START),
        ):
            with pytest.raises(InvalidInput):
                async with store.session(world.ann) as s:
                    await s.patch(Note, note.id, {field: value})
        assert await store.head(world.ann) == 1


class SelectTests(EngineTests):
    """Lists."""

    async def test_filters_and_sorts_work_on_indexed_fields(self, world: World) -> None:
        store = world.store()
        async with store.session(world.ann) as s:
            await s.batch(Board(name=f"board {turn}", position=turn) for turn in range(6))
        async with store.session(world.bob) as s:
            page = await s.select(Board, {"position__gte": 2, "position__lt": 5}, sort="-position")
            assert [board.position for board in page.items] == [4, 3, 2]
            page = await s.select(Board, {"position__in": [5, 0]}, sort="position")
            assert [board.position for board in page.items] == [0, 5]
            assert page.next is None

    async def test_what_no_index_serves_is_refused(self, world: World) -> None:
        async with world.store().session(world.ann) as s:
            with pytest.raises(NotIndexed):
                await s.select(Board, {"name": "board"})
            with pytest.raises(NotIndexed):
                await s.select(Board, sort="-settings")
            with pytest.raises(InvalidInput):
                await s.select(Board, {"nothing": 1})
            with pytest.raises(InvalidInput):
                await s.select(Board, {"position": "one"})
            with pytest.raises(InvalidInput):
                await s.select(Board, {"position__like": 1})
            for limit in (0, -1, 1_001):
                with pytest.raises(InvalidInput):
                    await s.select(Board, limit=limit)

    async def test_an_id_that_is_taken_is_told(self, world: World) -> None:
        store, preference = world.store(), Preference(name="mine")
        async with store.session(world.ann) as s:
            await s.put(preference)
        for scope in (world.ann, world.bob):
            with pytest.raises(AlreadyExists):
                async with store.session(scope) as s:
                    await s.put(Preference(id=preference.id, name="again"))
