"""Promises 4 and 5: each row only at the version that was planned on; unique rules hold after each row."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.engines.port import Batch, RowWrite
from holdfast.errors import AlreadyExists, Duplicate, StaleVersion
from holdfast.model.ids import new_id
from holdfast.model.query import Condition, Op
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Membership, Note, Preference
from holdfast.testing.conformance.world import World


class WriteTests(EngineTests):
    """Rows and their versions."""

    async def test_a_row_is_there_once_it_is_written(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="there", stars=3))
        assert await world.get(world.ann, Note, row["id"]) == row
        raw = await world.peek(world.ann, Note, row["id"])
        assert raw is not None
        assert (raw["title"], raw["version"]) == ("there", 1)

    async def test_an_update_replaces_the_whole_row(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="old", body="text", number=7))
        write = await world.update(world.ann, Note, row, title="new", body=None)
        await world.flush(world.ann, write)
        assert await world.get(world.ann, Note, row["id"]) == write.row

    async def test_an_update_of_another_version_is_stale(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="one"))
        write = await world.update(world.ann, Note, row, title="two")
        await world.flush(world.ann, write)
        with pytest.raises(StaleVersion):
            await world.flush(world.ann, replace(write, row={**row, "version": 2, "title": "three"}))
        assert await world.get(world.ann, Note, row["id"]) == write.row

    async def test_a_delete_of_another_version_is_stale(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="one"))
        write = await world.deletion(world.ann, Note, row)
        with pytest.raises(StaleVersion):
            await world.flush(world.ann, replace(write, if_version=2))
        await world.flush(world.ann, write)
        assert await world.get(world.ann, Note, row["id"]) is None

    async def test_a_write_to_a_row_that_is_not_there_is_stale(self, world: World) -> None:
        ghost = world.creation(world.ann, Note(title="ghost"))
        for row in (ghost.row, None):
            with pytest.raises(StaleVersion):
                await world.flush(world.ann, replace(ghost, row=row, if_version=1))
        assert await world.peek(world.ann, Note, ghost.row_id) is None

    async def test_a_new_row_with_an_id_that_is_taken_already_exists(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="first"))
        for scope in (world.ann, world.bob):
            with pytest.raises(AlreadyExists):
                await world.flush(scope, world.creation(scope, Note(id=row["id"], title="second")))
        assert await world.get(world.ann, Note, row["id"]) == row

    async def test_an_id_is_free_again_once_its_row_is_deleted(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="first"))
        await world.flush(world.ann, await world.deletion(world.ann, Note, row))
        (again,) = await world.put(world.bob, Note(id=row["id"], title="second"))
        assert await world.get(world.bob, Note, row["id"]) == again
        assert await world.head(world.ann) == 3

    async def test_rows_are_read_together_in_the_order_asked_for(self, world: World) -> None:
        rows = await world.put(world.ann, *(Note(title=f"note {turn}") for turn in range(3)))
        ids = [rows[2]["id"], new_id(), rows[0]["id"], rows[2]["id"], rows[1]["id"]]
        found = await world.batch_get(world.ann, Note, ids)
        assert [stored and stored.row["title"] for stored in found] == [
            "note 2",
            None,
            "note 0",
            "note 2",
            "note 1",
        ]
        assert await world.batch_get(world.ann, Note, []) == []

    async def test_a_rows_salt_stays_with_it(self, world: World) -> None:
        write = world.creation(world.ann, Note(title="salted"))
        await world.flush(world.ann, write)
        await world.flush(world.ann, await world.update(world.ann, Note, write.row or {}, title="again"))
        (stored,) = await world.batch_get(world.ann, Note, [write.row_id])
        assert stored is not None
        assert stored.salt == write.salt

    async def test_what_a_reader_changes_in_its_copy_changes_nothing(self, world: World) -> None:
        (row,) = await world.put(world.ann, Board(name="board", settings={"list": [1]}))
        copy = await world.get(world.ann, Board, row["id"])
        assert copy is not None
        copy["settings"]["list"].append(2)
        copy["name"] = "mine"
        assert await world.get(world.ann, Board, row["id"]) == row

    async def test_of_two_writers_without_a_counter_the_second_is_stale(self, world: World) -> None:
        """Rows of the realm have no counter: their version alone keeps an update from being lost."""
        realm = Scope.realm(reason="conformance")
        schema = world.schema(Membership)
        (row,) = await world.query(realm, Membership, where=(Condition("user_id", Op.EQ, world.ann.user_id),))

        async def become(role: str, pause: float) -> str:
            new = {**row, "version": 2, "role": role}
            async with world.engine.begin(realm) as tx:
                await tx.batch_get(schema, [row["id"]])
                await tx.write(Batch([RowWrite(schema, row["id"], new, 1, b"")]))
                await asyncio.sleep(pause)
            return role

        results = await asyncio.gather(become("viewer", 0.05), become("admin", 0.02), return_exceptions=True)
        won = [result for result in results if isinstance(result, str)]
        assert [type(result) for result in results if not isinstance(result, str)] == [StaleVersion]
        found = await world.get(realm, Membership, row["id"])
        assert found is not None
        assert ([found["role"]], found["version"]) == (won, 2)


class UniqueTests(EngineTests):
    """Unique rules: within a tenant, whoever's the rows are, absent values left out."""

    async def test_two_rows_of_a_tenant_cannot_hold_the_same(self, world: World) -> None:
        await world.put(world.ann, Note(title="first", number=1))
        second = world.creation(world.ann, Note(title="second", number=1))
        with pytest.raises(Duplicate):
            await world.flush(world.ann, second)
        assert await world.peek(world.ann, Note, second.row_id) is None
        assert await world.head(world.ann) == 1

    async def test_rows_that_one_cannot_see_count_as_well(self, world: World) -> None:
        await world.put(world.bob, Note(title="Bob's", number=1))
        with pytest.raises(Duplicate):
            await world.put(world.ann, Note(title="Ann's", number=1))

    async def test_an_update_cannot_take_what_another_row_holds(self, world: World) -> None:
        _, row = await world.put(world.ann, Note(title="first", number=1), Note(title="second", number=2))
        with pytest.raises(Duplicate):
            await world.flush(world.ann, await world.update(world.ann, Note, row, number=1))
        await world.flush(world.ann, await world.update(world.ann, Note, row, title="still mine", number=2))

    async def test_two_rows_of_one_flush_cannot_hold_the_same(self, world: World) -> None:
        with pytest.raises(Duplicate):
            await world.put(world.ann, Note(title="first", number=1), Note(title="second", number=1))
        assert await world.query(world.ann, Note) == []

    async def test_rows_of_two_tenants_may_hold_the_same(self, world: World) -> None:
        await world.put(world.ann, Note(title="ours", number=1))
        await world.put(world.cleo, Note(title="theirs", number=1))

    async def test_absent_values_are_never_the_same(self, world: World) -> None:
        await world.put(world.ann, Note(title="first"), Note(title="second"))
        await world.put(world.ann, Board(name="first", shelf="A"), Board(name="second", shelf="A"))
        assert len(await world.query(world.ann, Board)) == 2

    async def test_a_rule_over_two_fields_counts_both(self, world: World) -> None:
        await world.put(
            world.ann,
            Board(name="1", shelf="A", label="x"),
            Board(name="2", shelf="A", label="y"),
            Board(name="3", shelf="B", label="x"),
        )
        with pytest.raises(Duplicate):
            await world.put(world.ann, Board(name="4", shelf="B", label="x"))

    async def test_texts_are_the_same_only_byte_for_byte(self, world: World) -> None:
        labels = ("a", "A", "a ", "\u00e4", "a\u0308")
        await world.put(world.ann, *(Board(name="board", shelf="S", label=label) for label in labels))
        assert len(await world.query(world.ann, Board)) == len(labels)

    async def test_what_a_deleted_row_held_is_free(self, world: World) -> None:
        (row,) = await world.put(world.ann, Note(title="first", number=1))
        await world.flush(world.ann, await world.deletion(world.ann, Note, row))
        await world.put(world.ann, Note(title="second", number=1))

    async def test_what_one_row_of_a_flush_gives_up_a_later_one_may_take(self, world: World) -> None:
        first, second = await world.put(
            world.ann, Preference(name="first", is_default=True), Preference(name="second")
        )
        off = await world.update(world.ann, Preference, first, is_default=False)
        on = await world.update(world.ann, Preference, second, is_default=True)
        await world.flush(world.ann, off, on)
        found = await world.get(world.ann, Preference, second["id"])
        assert found is not None
        assert found["is_default"] is True

    async def test_what_a_later_row_of_a_flush_gives_up_an_earlier_one_cannot_take(
        self, world: World
    ) -> None:
        first, second = await world.put(
            world.ann, Preference(name="first", is_default=True), Preference(name="second")
        )
        off = await world.update(world.ann, Preference, first, is_default=False)
        on = await world.update(world.ann, Preference, second, is_default=True)
        with pytest.raises(Duplicate):
            await world.flush(world.ann, on, off)

    async def test_a_conditional_rule_counts_only_the_rows_that_meet_it(self, world: World) -> None:
        await world.put(world.ann, *(Preference(name=name) for name in ("one", "two")))
        await world.put(world.ann, Preference(name="default", is_default=True))
        await world.put(world.bob, Preference(name="Bob's", is_default=True))
        with pytest.raises(Duplicate):
            await world.put(world.ann, Preference(name="another", is_default=True))

    async def test_of_writers_who_want_the_same_at_once_one_gets_it(self, world: World) -> None:
        wishes = (world.put(scope, Note(title="mine", number=1)) for scope in (world.ann, world.bob) * 4)
        results = await asyncio.gather(*wishes, return_exceptions=True)
        assert sorted(isinstance(result, Duplicate) for result in results) == [False] + [True] * 7
        assert await world.head(world.ann) == 1

    async def test_a_unique_rule_of_the_realm_knows_no_tenant(self, world: World) -> None:
        realm, user = Scope.realm(reason="conformance"), new_id()
        await _enter(world, realm, Membership(tenant_id=world.tenant, user_id=user))
        with pytest.raises(Duplicate):
            await _enter(world, realm, Membership(tenant_id=world.tenant, user_id=user))
        await _enter(world, realm, Membership(tenant_id=world.cleo.tenant_id, user_id=user))

    async def test_of_two_who_enter_the_realm_at_once_one_gets_in(self, world: World) -> None:
        """There is no counter before the realm's rules either."""
        realm, user = Scope.realm(reason="conformance"), new_id()
        entering = (
            _enter(world, realm, Membership(tenant_id=world.tenant, user_id=user), pause=pause)
            for pause in (0.05, 0.02)
        )
        results = await asyncio.gather(*entering, return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Duplicate", "NoneType"]
        assert len(await world.query(realm, Membership, where=(Condition("user_id", Op.EQ, user),))) == 1


async def _enter(world: World, realm: Scope, member: Membership, *, pause: float = 0.0) -> None:
    async with world.engine.begin(realm) as tx:
        write = RowWrite(world.schema(Membership), member.id, world.row(realm, member), 0, b"")
        await tx.write(Batch([write]))
        await asyncio.sleep(pause)
