"""Cascades: done by the store, a change a row, whoever's the rows are."""

from __future__ import annotations

import pytest

from holdfast.changes.change import Operation
from holdfast.engines.port import Capability, Engine
from holdfast.errors import NotFound, StaleVersion, StillReferenced, TooLarge
from holdfast.model.ids import new_id
from holdfast.testing.conformance.base import EngineTests, lacks
from holdfast.testing.conformance.entities import Bookmark, File, Folder, Loan
from holdfast.testing.conformance.world import World


class CascadeTests(EngineTests):
    """What a delete takes with it."""

    async def test_a_delete_takes_the_rows_that_cascade_with_it(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        files = [File(folder_id=folder.id, name=f"{turn}") for turn in range(3)]
        async with store.session(world.ann) as s:
            await s.batch([folder, *files])
        async with store.session(world.ann) as s:
            receipt = await s.delete(Folder, folder.id)
        assert await world.query(world.everyone, File) == []
        last = (await world.changes(world.ann))[4:]
        assert [change.op for change in last] == [Operation.DELETE] * 4
        assert [change.number for change in last] == [5, 6, 7, 8]
        assert {change.flush_end for change in last} == {8}
        assert (last[-1].row_id, receipt.outcome.number) == (folder.id, 8)
        assert {change.row_id for change in last[:3]} == {file.id for file in files}

    async def test_a_delete_takes_rows_of_other_owners_too(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        bobs = File(folder_id=folder.id, name="Bob's")
        async with store.session(world.ann) as s:
            await s.put(folder)
        async with store.session(world.bob) as s:
            await s.put(bobs)
        async with store.session(world.ann) as s:
            await s.delete(Folder, folder.id)
        assert await world.peek(world.bob, File, bobs.id) is None
        assert (await world.changes(world.ann))[-2].actor == world.ann.user_id
        assert [v.field for v in await world.history(world.ann, File, bobs.id)] == []
        assert [v.field for v in await world.history(world.bob, File, bobs.id)] != []

    async def test_a_reference_that_restricts_keeps_its_row(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="lent")
        async with store.session(world.ann) as s:
            await s.batch([folder, file, Loan(file_id=file.id)])
        for entity, row_id in ((File, file.id), (Folder, folder.id)):
            with pytest.raises(StillReferenced):
                async with store.session(world.ann) as s:
                    await s.delete(entity, row_id)
        assert len(await world.query(world.ann, File)) == 1
        assert await store.head(world.ann) == 3

    async def test_a_row_may_go_together_with_what_restricts_it(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="lent")
        loan = Loan(file_id=file.id)
        async with store.session(world.ann) as s:
            await s.batch([folder, file, loan])
        async with store.session(world.ann) as s:
            await s.delete(File, file.id)
            await s.delete(Loan, loan.id)
        assert await world.query(world.ann, File) == []
        assert await world.query(world.ann, Loan) == []

    async def test_a_row_may_go_once_what_restricts_it_points_elsewhere(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        old, new = (File(folder_id=folder.id, name=name) for name in ("old", "new"))
        loan = Loan(file_id=old.id)
        async with store.session(world.ann) as s:
            await s.batch([folder, old, new, loan])
        async with store.session(world.ann) as s:
            await s.patch(Loan, loan.id, {"file_id": new.id})
            await s.delete(File, old.id)
        assert [row["id"] for row in await world.query(world.ann, File)] == [new.id]

    async def test_a_row_that_refers_to_itself_may_go(self, world: World) -> None:
        store, folder = world.store(), Folder(name="ring")
        folder.parent_id = folder.id
        file = File(folder_id=folder.id, name="file")
        loan = Loan(file_id=file.id)
        async with store.session(world.ann) as s:
            await s.batch([folder, file, loan])
        async with store.session(world.ann) as s:
            await s.patch(Loan, loan.id, {"replaces_id": loan.id})
        async with store.session(world.ann) as s:
            await s.delete(Loan, loan.id)
        async with store.session(world.ann) as s:
            await s.delete(Folder, folder.id)
        assert await world.query(world.ann, Folder) == []

    async def test_a_reference_that_is_set_to_null_outlives_its_row(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="file")
        once, twice = Bookmark(name="once", file_id=file.id), Bookmark(name="twice", file_id=file.id)
        twice.other_id = file.id
        async with store.session(world.ann) as s:
            await s.batch([folder, file, once, twice])
        async with store.session(world.bob) as s:
            with pytest.raises(NotFound):
                await s.get(File, file.id)
        async with store.session(world.ann) as s:
            await s.delete(File, file.id)
        rows = {row["name"]: row for row in await world.query(world.ann, Bookmark)}
        for row in rows.values():
            assert (row["file_id"], row["other_id"], row["version"]) == (None, None, 2)
        changed = {c.row_id: c.fields for c in await world.changes(world.ann) if c.op is Operation.UPDATE}
        assert changed == {once.id: ("file_id",), twice.id: ("file_id", "other_id")}

    async def test_a_row_that_would_be_emptied_and_deleted_is_deleted(self, world: World) -> None:
        """Two ways lead from the folder to the bookmark: one empties a field, the other deletes."""
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="file")
        bookmark = Bookmark(name="both", file_id=file.id, folder_id=folder.id)
        async with store.session(world.ann) as s:
            await s.batch([folder, file, bookmark])
        async with store.session(world.ann) as s:
            await s.delete(Folder, folder.id)
        assert await world.query(world.ann, Bookmark) == []
        ops = [(c.op, c.row_id) for c in (await world.changes(world.ann))[3:]]
        assert sorted(ops) == sorted((Operation.DELETE, gone) for gone in (bookmark.id, file.id, folder.id))
        assert ops[-1] == (Operation.DELETE, folder.id)

    async def test_a_cascade_goes_as_deep_as_the_rows_do(self, world: World, engine: Engine) -> None:
        depth = 12 if lacks(engine, Capability.LARGE_TRANSACTIONS) else 1_100
        folders = [Folder(name="0")]
        for turn in range(1, depth):
            folders.append(Folder(name=str(turn), parent_id=folders[-1].id))
        await world.put(world.ann, *folders)
        store = world.store()
        async with store.session(world.ann) as s:
            await s.delete(Folder, folders[0].id)
        assert await world.query(world.ann, Folder) == []
        deleted = [c.row_id for c in (await world.changes(world.ann))[depth:]]
        assert deleted == [folder.id for folder in reversed(folders)]

    async def test_a_ring_of_rows_goes_as_a_whole(self, world: World) -> None:
        first, second, third = (Folder(name=str(turn)) for turn in range(3))
        first.parent_id, second.parent_id, third.parent_id = third.id, first.id, second.id
        await world.put(world.ann, first, second, third)
        store = world.store()
        async with store.session(world.ann) as s:
            await s.delete(Folder, second.id)
        assert await world.query(world.ann, Folder) == []
        assert await store.head(world.ann) == 6

    async def test_several_deletes_of_one_session_share_their_cascade(self, world: World) -> None:
        store, root = world.store(), Folder(name="root")
        leaf = Folder(name="leaf", parent_id=root.id)
        file = File(folder_id=leaf.id, name="file")
        async with store.session(world.ann) as s:
            await s.batch([root, leaf, file])
        async with store.session(world.ann) as s:
            await s.delete(Folder, root.id)
            await s.delete(Folder, leaf.id)
        assert await store.head(world.ann) == 6
        assert await world.query(world.ann, File) == []

    async def test_a_cascade_over_the_engines_limit_is_refused_whole(
        self, world: World, engine: Engine
    ) -> None:
        folder = Folder(name="folder")
        await world.put(world.ann, folder)
        for turn in range(3):
            await world.put(world.ann, *(File(folder_id=folder.id, name=f"{turn}") for _ in range(40)))
        store = world.store()
        if lacks(engine, Capability.LARGE_TRANSACTIONS):
            with pytest.raises(TooLarge):
                async with store.session(world.ann) as s:
                    await s.delete(Folder, folder.id)
            assert len(await world.query(world.ann, File, limit=1_000)) == 120
            return
        async with store.session(world.ann) as s:
            await s.delete(Folder, folder.id)
        assert await store.head(world.ann) == 242

    async def test_what_one_cannot_see_tells_nothing_of_what_refers_to_it(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="Bob's, lent")
        async with store.session(world.bob) as s:
            await s.batch([folder, file, Loan(file_id=file.id)])
        for scope in (world.ann, world.cleo):
            with pytest.raises(NotFound):
                async with store.session(scope) as s:
                    await s.delete(File, file.id)
        with pytest.raises(NotFound):
            async with store.session(world.ann) as s:
                await s.delete(Folder, new_id())

    async def test_a_stale_delete_is_stale_whatever_refers_to_the_row(self, world: World) -> None:
        store, folder = world.store(), Folder(name="folder")
        file = File(folder_id=folder.id, name="lent")
        async with store.session(world.ann) as s:
            await s.batch([folder, file, Loan(file_id=file.id)])
        with pytest.raises(StaleVersion):
            async with store.session(world.ann) as s:
                await s.delete(File, file.id, if_version=9)
