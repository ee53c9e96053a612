"""Cascades where a session's own writes and a cascade meet; the rest is in the conformance suite."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from holdfast.errors import Conflict, ReferenceMissing, StillReferenced, TooLarge
from holdfast.store import _cascade
from holdfast.store.store import Store
from holdfast.testing.conformance import World
from holdfast.testing.conformance.entities import Bookmark, File, Folder, Loan

pytestmark = pytest.mark.anyio


async def a_tree(world: World) -> tuple[Store, Folder, File, File]:
    """A folder with two files, in a store."""
    store, folder = world.store(), Folder(name="folder")
    files = [File(folder_id=folder.id, name=name) for name in ("one", "two")]
    async with store.session(world.ann) as s:
        await s.batch([folder, *files])
    return store, folder, files[0], files[1]


async def versions(world: World, row_id: UUID) -> list[tuple[int, tuple[str, ...]]]:
    return [(c.version, c.fields) for c in await world.changes(world.ann) if c.row_id == row_id]


async def test_a_patch_and_the_emptying_of_a_reference_are_one_change(world: World) -> None:
    store, _, file, other = await a_tree(world)
    bookmark = Bookmark(name="old", file_id=file.id, other_id=other.id)
    async with store.session(world.ann) as s:
        await s.put(bookmark)
    async with store.session(world.ann) as s:
        receipt = await s.patch(Bookmark, bookmark.id, {"name": "new"}, if_version=1)
        await s.delete(File, file.id)
    assert (await versions(world, bookmark.id))[1:] == [(2, ("file_id", "name"))]
    assert receipt.outcome.version == 2
    row = await world.get(world.ann, Bookmark, bookmark.id)
    assert row is not None
    assert (row["name"], row["file_id"], row["other_id"]) == ("new", None, other.id)


async def test_a_patch_that_points_elsewhere_stands(world: World) -> None:
    store, _, file, other = await a_tree(world)
    bookmark = Bookmark(name="mark", file_id=file.id)
    async with store.session(world.ann) as s:
        await s.put(bookmark)
    async with store.session(world.ann) as s:
        await s.patch(Bookmark, bookmark.id, {"file_id": other.id})
        await s.delete(File, file.id)
    row = await world.get(world.ann, Bookmark, bookmark.id)
    assert row is not None
    assert row["file_id"] == other.id


async def test_a_patch_that_points_at_what_goes_is_refused(world: World) -> None:
    store, _, file, _ = await a_tree(world)
    bookmark = Bookmark(name="mark")
    async with store.session(world.ann) as s:
        await s.put(bookmark)
    with pytest.raises(ReferenceMissing):
        async with store.session(world.ann) as s:
            await s.patch(Bookmark, bookmark.id, {"file_id": file.id})
            await s.delete(File, file.id)
    assert await world.get(world.ann, File, file.id) is not None


async def test_a_row_that_is_changed_and_would_be_taken_is_a_contradiction(world: World) -> None:
    store, folder, file, _ = await a_tree(world)
    with pytest.raises(Conflict, match="takes with it"):
        async with store.session(world.ann) as s:
            await s.patch(File, file.id, {"name": "new"})
            await s.delete(Folder, folder.id)
    assert len(await world.query(world.ann, File)) == 2


async def test_a_row_that_is_moved_is_not_taken(world: World) -> None:
    store, folder, file, other = await a_tree(world)
    refuge = Folder(name="refuge")
    async with store.session(world.ann) as s:
        await s.put(refuge)
    async with store.session(world.ann) as s:
        await s.patch(File, file.id, {"folder_id": refuge.id})
        await s.delete(Folder, folder.id)
    assert [row["id"] for row in await world.query(world.ann, File)] == [file.id]
    assert await world.get(world.ann, File, other.id) is None


async def test_a_loan_that_is_changed_and_not_ended_still_restricts(world: World) -> None:
    store, _, file, _ = await a_tree(world)
    loan = Loan(file_id=file.id)
    async with store.session(world.ann) as s:
        await s.put(loan)
    with pytest.raises(StillReferenced) as caught:
        async with store.session(world.ann) as s:
            await s.patch(Loan, loan.id, {"holder_id": world.bob.user_id})
            await s.delete(File, file.id)
    assert caught.value.where == "kit.loans.file_id"


async def test_a_row_is_emptied_once_however_many_of_its_targets_go(world: World) -> None:
    store, folder, file, other = await a_tree(world)
    bookmark = Bookmark(name="mark", file_id=file.id, other_id=other.id)
    async with store.session(world.ann) as s:
        await s.put(bookmark)
    async with store.session(world.ann) as s:
        await s.delete(Folder, folder.id)
    assert (await versions(world, bookmark.id))[1:] == [(2, ("file_id", "other_id"))]


async def test_a_delete_takes_only_so_much_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cascade, "MAX_CASCADE", 1)
    store, folder, _, _ = await a_tree(world)
    with pytest.raises(TooLarge, match="more than 1 others"):
        async with store.session(world.ann) as s:
            await s.delete(Folder, folder.id)
    assert len(await world.query(world.ann, File)) == 2


async def test_referring_rows_are_found_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cascade, "_PAGE", 2)
    store, folder, _, _ = await a_tree(world)
    async with store.session(world.bob) as s:
        await s.batch(File(folder_id=folder.id, name=f"{turn}") for turn in range(5))
    async with store.session(world.ann) as s:
        await s.delete(Folder, folder.id)
    assert await world.query(world.everyone, File) == []


async def test_one_flush_plans_each_cascade_on_what_those_before_it_left(world: World) -> None:
    """Two sessions that share a flush: the second deletes the folder whose files the first has moved away."""
    store, folder, file, other = await a_tree(world)
    refuge = Folder(name="refuge")
    async with store.session(world.ann) as s:
        await s.put(refuge)

    async def move() -> None:
        async with store.session(world.ann) as s:
            await s.patch(File, file.id, {"folder_id": refuge.id})
            await s.patch(File, other.id, {"folder_id": refuge.id})

    async def remove() -> None:
        async with store.session(world.ann) as s:
            await s.delete(Folder, folder.id)

    await asyncio.gather(move(), remove())
    assert len(await world.query(world.ann, File)) == 2
    ends = [c.flush_end for c in await world.changes(world.ann)]
    assert len(set(ends[-3:])) == 1
