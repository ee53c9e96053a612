"""Promise 5: a reference names a row of the same tenant, at the end of the transaction at the latest."""

from __future__ import annotations

from uuid import UUID

import pytest

from holdfast.engines.port import Batch, RowWrite
from holdfast.errors import ReferenceMissing
from holdfast.model.ids import new_id
from holdfast.model.query import Condition, Op
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import File, Folder, Loan, Membership, Note
from holdfast.testing.conformance.world import World


class ReferenceTests(EngineTests):
    """References between rows."""

    async def test_a_reference_to_nothing_is_refused(self, world: World) -> None:
        write = world.creation(world.ann, File(folder_id=new_id(), name="lost"))
        with pytest.raises(ReferenceMissing):
            await world.flush(world.ann, write)
        assert await world.peek(world.ann, File, write.row_id) is None
        assert await world.head(world.ann) == 0

    async def test_a_reference_to_a_row_of_another_tenant_is_refused(self, world: World) -> None:
        (theirs,) = await world.put(world.cleo, Folder(name="theirs"))
        with pytest.raises(ReferenceMissing):
            await world.put(world.ann, File(folder_id=theirs["id"], name="lost"))

    async def test_an_update_cannot_point_at_nothing(self, world: World) -> None:
        folder = Folder(name="folder")
        _, file = await world.put(world.ann, folder, File(folder_id=folder.id, name="file"))
        with pytest.raises(ReferenceMissing):
            await world.flush(world.ann, await world.update(world.ann, File, file, folder_id=new_id()))
        assert await world.get(world.ann, File, file["id"]) == file

    async def test_an_absent_reference_points_at_nothing_and_may(self, world: World) -> None:
        (row,) = await world.put(world.ann, Folder(name="root"))
        assert row["parent_id"] is None

    async def test_the_row_that_is_referred_to_may_come_later_in_the_flush(self, world: World) -> None:
        root, leaf = Folder(name="root"), Folder(name="leaf")
        leaf.parent_id = root.id
        await world.put(world.ann, File(folder_id=leaf.id, name="file"), leaf, root)
        assert len(await world.query(world.ann, Folder)) == 2

    async def test_a_row_may_refer_to_itself(self, world: World) -> None:
        ring = Folder(name="ring")
        ring.parent_id = ring.id
        (row,) = await world.put(world.ann, ring)
        await world.flush(world.ann, await world.deletion(world.ann, Folder, row))
        assert await world.query(world.ann, Folder) == []

    async def test_a_row_may_refer_to_another_owners_row(self, world: World) -> None:
        folder = Folder(name="folder")
        _, file = await world.put(world.bob, folder, File(folder_id=folder.id, name="Bob's"))
        await world.put(world.ann, Loan(file_id=file["id"]))

    async def test_a_row_that_is_referred_to_cannot_go_alone(self, world: World) -> None:
        """Cascades are the store's. The medium only sees to it that nothing is left that points at nothing."""
        folder = Folder(name="folder")
        row, file = await world.put(world.ann, folder, File(folder_id=folder.id, name="file"))
        gone = await world.deletion(world.ann, Folder, row)
        with pytest.raises(ReferenceMissing):
            await world.flush(world.ann, gone)
        assert await world.get(world.ann, Folder, folder.id) == row
        await world.flush(world.ann, gone, await world.deletion(world.ann, File, file))
        assert await world.query(world.ann, Folder) == []

    async def test_a_row_may_go_once_what_referred_to_it_points_elsewhere(self, world: World) -> None:
        old, new = Folder(name="old"), Folder(name="new")
        row, _, file = await world.put(world.ann, old, new, File(folder_id=old.id, name="file"))
        await world.flush(
            world.ann,
            await world.deletion(world.ann, Folder, row),
            await world.update(world.ann, File, file, folder_id=new.id),
        )
        assert [row["name"] for row in await world.query(world.ann, Folder)] == ["new"]


class MemberReferenceTests(EngineTests):
    """References to the tenant's members: owners, and `Member` fields."""

    async def test_an_owner_is_a_member_of_the_tenant(self, world: World) -> None:
        for user in (new_id(), world.cleo.user_id):
            note = Note(title="whose?", user_id=user)
            with pytest.raises(ReferenceMissing):
                await world.put(world.everyone, note)
            assert await world.peek(world.ann, Note, note.id) is None

    async def test_a_member_field_names_a_member_of_the_tenant(self, world: World) -> None:
        folder = Folder(name="folder")
        _, file = await world.put(world.ann, folder, File(folder_id=folder.id, name="file"))
        await world.put(world.ann, Loan(file_id=file["id"], holder_id=world.bob.user_id))
        with pytest.raises(ReferenceMissing):
            await world.put(world.ann, Loan(file_id=file["id"], holder_id=world.cleo.user_id))

    async def test_a_member_whose_rows_remain_cannot_go(self, world: World) -> None:
        await world.put(world.ann, Note(title="Ann's"))
        realm = Scope.realm(reason="conformance")
        members = await world.query(realm, Membership, where=(Condition("tenant_id", Op.EQ, world.tenant),))
        with pytest.raises(ReferenceMissing):
            await _remove(world, realm, next(m for m in members if m["user_id"] == world.ann.user_id))
        await _remove(world, realm, next(m for m in members if m["user_id"] == world.bob.user_id))
        left = await world.query(realm, Membership, where=(Condition("tenant_id", Op.EQ, world.tenant),))
        assert [member["user_id"] for member in left] == [world.ann.user_id]


async def _remove(world: World, realm: Scope, member: dict[str, object]) -> None:
    row_id = member["id"]
    assert isinstance(row_id, UUID)
    async with world.engine.begin(realm) as tx:
        await tx.write(Batch([RowWrite(world.schema(Membership), row_id, None, 1, b"")]))
