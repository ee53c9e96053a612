"""Promise 1: what is not this scope's is not there."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.changes.change import new_salt
from holdfast.engines.port import Capability, RowWrite, Walled
from holdfast.errors import HoldfastError, StaleVersion
from holdfast.identity.principal import Role
from holdfast.model.ids import new_id
from holdfast.model.query import Condition, Op
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Membership, Note
from holdfast.testing.conformance.world import World


class TenantIsolationTests(EngineTests):
    """A row of another tenant is not there."""

    async def test_a_row_of_another_tenant_is_not_there(self, world: World) -> None:
        theirs = await world.plant(world.cleo, Board(name="theirs"))
        assert await world.peek(world.cleo, Board, theirs["id"]) is not None
        assert await world.get(world.ann, Board, theirs["id"]) is None
        assert await world.batch_get(world.ann, Board, [theirs["id"]]) == [None]
        assert await world.query(world.ann, Board) == []
        wanted = (Condition("id", Op.EQ, theirs["id"]),)
        assert await world.query(world.ann, Board, where=wanted) == []

    async def test_who_claims_that_the_medium_refuses_can_be_asked_bare(self, world: World) -> None:
        engine = world.engine
        assert isinstance(engine, Walled) == (Capability.ROW_SECURITY in engine.capabilities)
        if isinstance(engine, Walled):
            schema, note = world.schema(Note), await world.plant(world.ann, Note(title="mine"))
            sights = {
                scope: await engine.shows_bare(scope, schema, note["id"])
                for scope in (world.ann, world.everyone, world.bob, world.cleo, world.strangers)
            }
            assert list(sights.values()) == [True, True, False, False, False]

    async def test_the_whole_tenant_is_only_the_own_tenant(self, world: World) -> None:
        theirs = await world.plant(world.cleo, Note(title="theirs"))
        assert await world.get(world.everyone, Note, theirs["id"]) is None
        assert await world.query(world.everyone, Note) == []
        assert await world.get(world.strangers, Note, theirs["id"]) is not None

    async def test_a_row_of_another_tenant_cannot_be_changed(self, world: World) -> None:
        theirs = await world.plant(world.cleo, Board(name="theirs"))
        taken = RowWrite(world.schema(Board), theirs["id"], {**theirs, "version": 2}, 1, new_salt())
        with pytest.raises(StaleVersion):
            await world.flush(world.ann, replace(taken, row={**theirs, "version": 2, "name": "ours"}))
        left = await world.peek(world.cleo, Board, theirs["id"])
        assert left is not None
        assert (left["name"], left["version"]) == ("theirs", 1)

    async def test_a_row_of_another_tenant_cannot_be_deleted(self, world: World) -> None:
        theirs = await world.plant(world.cleo, Board(name="theirs"))
        with pytest.raises(StaleVersion):
            await world.flush(
                world.everyone, RowWrite(world.schema(Board), theirs["id"], None, 1, new_salt())
            )
        assert await world.peek(world.cleo, Board, theirs["id"]) is not None

    async def test_one_id_in_two_tenants_is_two_rows(self, world: World) -> None:
        (ours,) = await world.put(world.ann, Board(name="ours"))
        await world.put(world.cleo, Board(id=ours["id"], name="theirs"))
        for scope, name in ((world.ann, "ours"), (world.cleo, "theirs")):
            row = await world.get(scope, Board, ours["id"])
            assert row is not None
            assert row["name"] == name

    async def test_the_log_of_another_tenant_is_not_there(self, world: World) -> None:
        (theirs,) = await world.put(world.cleo, Note(title="theirs"))
        await world.flush(world.cleo, await world.deletion(world.cleo, Note, theirs))
        assert await world.head(world.strangers) == 2
        assert await world.head(world.ann) == 0
        assert await world.changes(world.everyone) == []
        assert await world.history(world.everyone, Note, theirs["id"]) == []
        assert await world.history(world.strangers, Note, theirs["id"]) != []

    async def test_a_transaction_acts_for_one_tenant_only(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            with pytest.raises(HoldfastError):
                await tx.act_as(world.cleo)

    async def test_a_tenants_scope_does_not_reach_the_realm(self, world: World) -> None:
        realm = Scope.realm(reason="conformance")
        (member,) = await world.query(
            realm, Membership, where=(Condition("user_id", Op.EQ, world.ann.user_id),)
        )
        for scope in (world.ann, world.everyone):
            assert await _nothing_or_error(world.get(scope, Membership, member["id"]))
            assert await _nothing_or_error(world.query(scope, Membership))

    async def test_the_realms_scope_does_not_reach_a_tenants_rows(self, world: World) -> None:
        ours = await world.plant(world.ann, Board(name="ours"))
        realm = Scope.realm(reason="conformance")
        assert await _nothing_or_error(world.get(realm, Board, ours["id"]))
        assert await _nothing_or_error(world.query(realm, Board))

    async def test_no_transaction_leaves_its_tenant_to_the_next(self, world: World) -> None:
        """Connections are shared: neither a commit, an error nor a cancellation may leave a context behind."""
        note = Note(title="a note")
        await world.put(world.ann, note)
        await world.put(world.cleo, Note(id=note.id, title="another"))
        titles = {world.ann: "a note", world.cleo: "another"}

        async def read(scope: Scope, turn: int) -> None:
            try:
                async with world.engine.begin(scope, read_only=True) as tx:
                    row = await tx.get(world.schema(Note), note.id)
                    assert row is not None
                    assert row["title"] == titles[scope]
                    if turn % 3 == 1:
                        raise _Oops
                    if turn % 3 == 2:
                        raise asyncio.CancelledError
            except (_Oops, asyncio.CancelledError):
                pass

        scopes = [world.ann, world.cleo]
        await asyncio.gather(*(read(scopes[turn % 2], turn) for turn in range(120)))


class OwnerIsolationTests(EngineTests):
    """A row of another owner is not there either, unless the scope acts for the whole tenant."""

    async def test_a_row_of_another_owner_is_not_there(self, world: World) -> None:
        bobs = await world.plant(world.bob, Note(title="Bob's"))
        assert await world.peek(world.bob, Note, bobs["id"]) is not None
        assert await world.get(world.bob, Note, bobs["id"]) is not None
        assert await world.get(world.ann, Note, bobs["id"]) is None
        assert await world.batch_get(world.ann, Note, [bobs["id"]]) == [None]
        assert await world.query(world.ann, Note) == []

    async def test_a_row_of_another_owner_cannot_be_changed(self, world: World) -> None:
        bobs = await world.plant(world.bob, Note(title="Bob's"))
        new = {**bobs, "version": 2, "title": "Ann's"}
        with pytest.raises(StaleVersion):
            await world.flush(world.ann, RowWrite(world.schema(Note), bobs["id"], new, 1, new_salt()))
        left = await world.peek(world.bob, Note, bobs["id"])
        assert left is not None
        assert left["title"] == "Bob's"

    async def test_a_row_of_another_owner_cannot_be_deleted(self, world: World) -> None:
        bobs = await world.plant(world.bob, Note(title="Bob's"))
        with pytest.raises(StaleVersion):
            await world.flush(world.ann, RowWrite(world.schema(Note), bobs["id"], None, 1, new_salt()))
        assert await world.peek(world.bob, Note, bobs["id"]) is not None

    async def test_a_row_cannot_be_made_in_another_persons_name(self, world: World) -> None:
        note = Note(title="Bob's, says Ann", user_id=world.bob.user_id)
        with pytest.raises(HoldfastError):
            await world.flush(world.ann, world.creation(world.ann, note))
        assert await world.peek(world.bob, Note, note.id) is None
        assert await world.head(world.everyone) == 0

    async def test_a_row_cannot_be_given_to_another_person(self, world: World) -> None:
        (anns,) = await world.put(world.ann, Note(title="Ann's"))
        given = await world.update(world.ann, Note, anns)
        assert given.row is not None
        with pytest.raises(HoldfastError):
            await world.flush(world.ann, replace(given, row={**given.row, "user_id": world.bob.user_id}))
        left = await world.peek(world.ann, Note, anns["id"])
        assert left is not None
        assert left["user_id"] == world.ann.user_id

    async def test_the_whole_tenant_sees_and_writes_every_owners_rows(self, world: World) -> None:
        (anns,) = await world.put(world.ann, Note(title="Ann's"))
        (bobs,) = await world.put(world.bob, Note(title="Bob's"))
        seen = await world.query(world.everyone, Note)
        assert {row["id"] for row in seen} == {anns["id"], bobs["id"]}
        await world.flush(world.everyone, await world.update(world.everyone, Note, bobs, title="new"))
        row = await world.get(world.bob, Note, bobs["id"])
        assert row is not None
        assert (row["title"], row["user_id"]) == ("new", world.bob.user_id)

    async def test_whom_a_transaction_acts_as_decides_what_it_sees(self, world: World) -> None:
        (anns,) = await world.put(world.ann, Note(title="Ann's"))
        (bobs,) = await world.put(world.bob, Note(title="Bob's"))
        ids = [anns["id"], bobs["id"]]
        async with world.engine.begin(world.ann) as tx:
            for scope, visible in ((world.ann, 1), (world.bob, 1), (world.everyone, 2), (world.ann, 1)):
                await tx.act_as(scope)
                found = await tx.batch_get(world.schema(Note), ids)
                assert sum(stored is not None for stored in found) == visible

    async def test_a_scope_without_a_person_sees_no_owned_row(self, world: World) -> None:
        anns = await world.plant(world.ann, Note(title="Ann's"))
        nobody = Scope(world.tenant, Role.MEMBER)
        assert await _nothing_or_error(world.get(nobody, Note, anns["id"]))
        assert await _nothing_or_error(world.query(nobody, Note))

    async def test_a_person_who_is_no_member_sees_no_owned_row(self, world: World) -> None:
        anns = await world.plant(world.ann, Note(title="Ann's"))
        other = Scope(world.tenant, Role.MEMBER, new_id())
        assert await world.get(other, Note, anns["id"]) is None
        assert await world.query(other, Note) == []

    async def test_the_history_of_another_owners_row_is_not_there(self, world: World) -> None:
        store = world.store()
        note = Note(title="first")
        async with store.session(world.bob) as s:
            await s.put(note)
        async with store.session(world.bob) as s:
            await s.patch(Note, note.id, {"title": "second"})
        async with store.session(world.bob) as s:
            await s.delete(Note, note.id)
        assert await world.history(world.ann, Note, note.id) == []
        mine = await world.history(world.bob, Note, note.id)
        assert mine == await world.history(world.everyone, Note, note.id)
        assert b'"first"' in [value.value for value in mine]


class _Oops(Exception):
    """Ends a transaction in this file."""


async def _nothing_or_error(reading: object) -> bool:
    """Whether a read finds nothing, or is refused: both keep what is there from being seen."""
    try:
        return not await reading  # type: ignore[misc]
    except HoldfastError:
        return True
