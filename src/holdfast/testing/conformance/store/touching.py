"""Writes that are there for those who hold copies: a version though nothing changes, a tombstone of nothing, values kept."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from holdfast.changes.change import PUSHED, SALT_FIELD, Operation, Tombstone, commitment, new_salt
from holdfast.engines.port import Write
from holdfast.errors import NotFound, StaleVersion
from holdfast.identity.principal import Role
from holdfast.model.ids import new_id
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Bookmark, File, Folder, Note
from holdfast.testing.conformance.port.tombstones import found, tombstones
from holdfast.testing.conformance.world import World


class TouchTests(EngineTests):
    """`Write.touch` and `Write.kept`."""

    async def test_a_touched_row_has_a_new_version_and_nothing_else(self, world: World) -> None:
        store, note = world.store(), Note(title="as it was")
        async with store.session(world.ann) as s:
            await s.put(note)
        before = await world.get(world.ann, Note, note.id)
        touch = Write(world.schema(Note), Operation.UPDATE, note.id, {"title": "as it was"}, touch=True)
        (outcome,) = await store.flusher.submit(world.ann, [touch])
        assert (outcome.version, outcome.number) == (2, 2)
        after = await world.get(world.ann, Note, note.id)
        assert before is not None
        assert after is not None
        assert after["updated_at"] > before["updated_at"]
        assert {**after, "version": 1, "updated_at": before["updated_at"]} == before
        change = (await world.changes(world.ann))[-1]
        (stored,) = await world.batch_get(world.ann, Note, [note.id])
        assert stored is not None
        assert (change.op, change.fields, change.version) == (Operation.UPDATE, (), 2)
        assert change.commitment == commitment(stored.salt, 2, {})
        assert await world.history(world.ann, Note, note.id) == []

    async def test_what_was_not_taken_is_kept_with_the_change(self, world: World) -> None:
        store, note = world.store(), Note(title="first")
        async with store.session(world.ann) as s:
            await s.put(note)
        write = Write(
            world.schema(Note), Operation.UPDATE, note.id, {"stars": 4}, kept={"title": b'"theirs"'}
        )
        await store.flusher.submit(world.everyone, [write])
        old = await world.history(world.ann, Note, note.id)
        assert [(v.number, v.field, v.value, v.owner) for v in old] == [
            (2, "stars", b"0", world.ann.user_id),
            (2, "title" + PUSHED, b'"theirs"', world.ann.user_id),
        ]
        assert await world.history(world.bob, Note, note.id) == []

    async def test_a_row_that_is_not_there_is_deleted_all_the_same(self, world: World) -> None:
        store, row_id = world.store(), new_id()
        phone = replace(world.ann, device="sync:phone")
        delete = Write(
            world.schema(Note),
            Operation.DELETE,
            row_id,
            touch=True,
            kept={"title": b'"refused"', "ratio": b"1"},
        )
        (outcome,) = await store.flusher.submit(phone, [delete])
        assert (outcome.version, outcome.number, outcome.row) == (1, 1, None)
        (change,) = await world.changes(world.ann)
        assert (change.op, change.version, change.fields) == (Operation.DELETE, 1, ())
        old = {v.field: v for v in await world.history(world.ann, Note, row_id)}
        assert {v.owner for v in old.values()} == {world.ann.user_id}
        assert old["title" + PUSHED].value == b'"refused"'
        assert set(old) == {SALT_FIELD, "title" + PUSHED, "ratio" + PUSHED}
        assert await tombstones(world, world.ann, Note) == [
            Tombstone("kit.notes", row_id, 1, world.ann.user_id, "sync:phone")
        ]
        assert await tombstones(world, world.bob, Note) == []

    async def test_a_row_that_is_there_is_deleted_as_ever(self, world: World) -> None:
        store, board = world.store(), Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(board)
        delete = Write(world.schema(Board), Operation.DELETE, board.id, touch=True)
        (outcome,) = await store.flusher.submit(world.bob, [delete])
        assert (outcome.version, outcome.number) == (2, 2)
        assert await world.get(world.ann, Board, board.id) is None

    async def test_without_a_touch_nothing_is_not_deleted(self, world: World) -> None:
        store = world.store()
        for options in ({}, {"kept": {"name": b'"x"'}}, {"touch": True, "if_version": 3}):
            delete = Write(world.schema(Board), Operation.DELETE, new_id(), **options)
            with pytest.raises(NotFound):
                await store.flusher.submit(world.ann, [delete])
        board = Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(board)
        with pytest.raises(StaleVersion):
            await store.flusher.submit(
                world.ann,
                [Write(world.schema(Board), Operation.UPDATE, board.id, if_version=3, touch=True)],
            )
        assert await world.head(world.ann) == 1

    async def test_several_in_one_write_set(self, world: World) -> None:
        store, schema = world.store(), world.schema(Board)
        made, ghost = Board(name="made"), new_id()
        values = {field.name: getattr(made, field.name) for field in schema.fields}
        writes = [
            Write(schema, Operation.CREATE, made.id, values, 0, new_salt(), kept={"name": b'"asked"'}),
            Write(schema, Operation.DELETE, ghost, touch=True),
        ]
        outcomes = await store.flusher.submit(world.ann, writes)
        assert [(o.version, o.number) for o in outcomes] == [(1, 1), (1, 2)]
        old = await world.history(world.ann, Board, made.id)
        assert [(v.number, v.field, v.value, v.owner) for v in old] == [
            (1, "name" + PUSHED, b'"asked"', None)
        ]
        assert set(await found(world, world.ann, Board, [made.id, ghost])) == {ghost}

    async def test_a_write_set_that_fails_leaves_no_tombstone(self, world: World) -> None:
        store, schema = world.store(), world.schema(Board)
        writes = [
            Write(schema, Operation.DELETE, new_id(), touch=True),
            Write(schema, Operation.UPDATE, new_id(), {"name": "not there"}),
        ]
        with pytest.raises(NotFound):
            await store.flusher.submit(world.ann, writes)
        assert await tombstones(world, world.ann, Board) == []
        assert await world.head(world.ann) == 0

    async def test_what_follows_from_a_push_goes_back_to_the_device(self, world: World) -> None:
        """The device sent the delete of the folder, and nothing of what went with it."""
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="file")
        bookmark = Bookmark(name="mark", file_id=file.id)
        async with store.session(world.ann) as s:
            await s.batch([folder, file, bookmark])
        async with store.session(replace(world.ann, device="sync:phone")) as s:
            await s.delete(Folder, folder.id)
        devices = {change.entity: change.device for change in (await world.changes(world.everyone))[3:]}
        assert devices == {
            "kit.bookmarks": "sync:phone+",
            "kit.files": "sync:phone+",
            "kit.folders": "sync:phone",
        }
        assert [g.device for g in await tombstones(world, world.ann, File)] == ["sync:phone+"]

    async def test_an_old_value_that_json_spells_otherwise_is_kept_as_it_came(self, world: World) -> None:
        store, board = world.store(), Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(board)
        kept = {"settings": orjson.dumps({"a": [1, None], "b": "\u00e9"}), "position": b"null"}
        admin = replace(world.ann, role=Role.ADMIN)
        await store.flusher.submit(
            admin, [Write(world.schema(Board), Operation.UPDATE, board.id, touch=True, kept=kept)]
        )
        old = {v.field: v.value for v in await world.history(world.ann, Board, board.id)}
        assert old == {name + PUSHED: value for name, value in kept.items()}
