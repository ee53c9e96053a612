"""Who may do what through a session: roles, owners, the realm, the firehoses."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    NotSupported,
)
from holdfast.identity.principal import Role
from holdfast.model.ids import new_id
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START
from holdfast.testing.conformance.base import EngineTests
from holdfast.testing.conformance.entities import Board, Membership, Note, Reading, Rule, Salary, Step
from holdfast.testing.conformance.world import World


class PermissionTests(EngineTests):
    """Who may do what, before any row is looked at."""

    async def test_a_viewer_reads_and_writes_nothing(self, world: World) -> None:
        store, board = world.store(), Board(name="board")
        async with store.session(world.ann) as s:
            await s.put(board)
        viewer = Scope(world.tenant, Role.VIEWER, world.bob.user_id)
        async with store.session(viewer) as s:
            assert (await s.get(Board, board.id)).name == "board"
            for write in (
                s.put(Board(name="no")),
                s.patch(Board, board.id, {"name": "no"}),
                s.delete(Board, board.id),
            ):
                with pytest.raises(Forbidden):
                    await write

    async def test_an_entity_may_ask_for_a_higher_role(self, world: World) -> None:
        store, rule = world.store(), Rule(text="be kind")
        with pytest.raises(Forbidden):
            async with store.session(world.ann) as s:
                await s.put(rule)
        admin = Scope(world.tenant, Role.ADMIN, world.bob.user_id)
        async with store.session(admin) as s:
            await s.put(rule)
        async with store.session(world.ann) as s:
            assert (await s.get(Rule, rule.id)).text == "be kind"

    async def test_an_entity_may_ask_for_a_higher_role_to_read(self, world: World) -> None:
        store, salary = world.store(), Salary(amount=1)
        admin = Scope(world.tenant, Role.ADMIN, world.bob.user_id)
        async with store.session(admin) as s:
            await s.put(salary)
        async with store.session(admin) as s:
            assert (await s.get(Salary, salary.id)).amount == 1
        async with store.session(world.ann) as s:
            for read in (s.get(Salary, salary.id), s.find(Salary, salary.id), s.select(Salary)):
                with pytest.raises(Forbidden):
                    await read
        schema = world.schema(Salary)
        for body in (store.read_body(world.ann, schema, salary.id), store.read_bodies(world.ann, schema, {})):
            with pytest.raises(Forbidden):
                await body

    async def test_nobody_makes_a_row_in_another_persons_name(self, world: World) -> None:
        store = world.store()
        with pytest.raises(Forbidden):
            async with store.session(world.ann) as s:
                await s.put(Note(title="Bob's, says Ann", user_id=world.bob.user_id))
        async with store.session(world.everyone) as s:
            await s.put(Note(title="Bob's, says the tenant", user_id=world.bob.user_id))
            with pytest.raises(InvalidInput):
                await s.put(Note(title="nobody's"))
        async with store.session(world.bob) as s:
            assert [note.title for note in (await s.select(Note)).items] == ["Bob's, says the tenant"]

    async def test_another_persons_row_is_not_found_to_be_changed(self, world: World) -> None:
        store, note = world.store(), Note(title="Bob's")
        async with store.session(world.bob) as s:
            await s.put(note)
        for scope in (world.ann, world.cleo, world.strangers):
            with pytest.raises(NotFound):
                async with store.session(scope) as s:
                    await s.patch(Note, note.id, {"title": "mine"})
            with pytest.raises(NotFound):
                async with store.session(scope) as s:
                    await s.delete(Note, note.id)
        async with store.session(world.everyone) as s:
            await s.patch(Note, note.id, {"title": "the tenant's word"})
        assert [change.actor for change in await world.changes(world.everyone)] == [world.bob.user_id, None]

    async def test_the_realm_and_the_tenants_rows_do_not_meet(self, world: World) -> None:
        store = world.store()
        realm = Scope.realm(reason="conformance")
        with pytest.raises(Forbidden):
            async with store.session(world.everyone) as s:
                await s.select(Membership)
        with pytest.raises(Forbidden):
            await store.ingest(
                world.everyone, [Membership(tenant_id=world.tenant, user_id=new_id(), role="owner")]
            )
        with pytest.raises(Forbidden):
            async with store.session(realm) as s:
                await s.put(Board(name="nowhere"))

    async def test_rows_of_the_realm_are_kept_without_a_log(self, world: World) -> None:
        store, realm = world.store(), Scope.realm(reason="conformance")
        member = Membership(tenant_id=world.tenant, user_id=new_id())
        async with store.session(realm) as s:
            receipt = await s.put(member)
        assert (receipt.outcome.version, receipt.outcome.number) == (1, None)
        async with store.session(realm) as s:
            await s.patch(Membership, member.id, {"role": "admin"}, if_version=1)
        async with store.session(realm) as s:
            page = await s.select(Membership, {"tenant_id": world.tenant, "user_id": member.user_id})
            assert [(found.role, found.version) for found in page.items] == [("admin", 2)]
            await s.delete(Membership, member.id)
        with pytest.raises(NotFound):
            async with store.session(realm) as s:
                await s.delete(Membership, member.id)

    async def test_writers_of_one_realm_row_all_get_their_turn(self, world: World) -> None:
        store, realm = world.store(), Scope.realm(reason="conformance")
        member = Membership(tenant_id=world.tenant, user_id=new_id())
        async with store.session(realm) as s:
            await s.put(member)

        async def touch(role: str) -> None:
            async with store.session(realm) as s:
                await s.patch(Membership, member.id, {"role": role})

        await asyncio.gather(*(touch(role) for role in ("viewer", "admin", "owner")))
        async with store.session(realm) as s:
            assert 2 <= (await s.get(Membership, member.id)).version <= 4

    async def test_unjournaled_rows_come_in_bulk_only(self, world: World) -> None:
        store = world.store()
        with pytest.raises(NotSupported):
            async with store.session(world.ann) as s:
                await s.put(Reading(sensor="s", taken_at=START, value=1.0))
        with pytest.raises(NotSupported):
            await store.ingest(world.ann, [Board(name="journaled")])

    async def test_ingestion_asks_for_the_same_permissions(self, world: World) -> None:
        store = world.store()
        viewer = Scope(world.tenant, Role.VIEWER, world.bob.user_id)
        for scope, user in ((viewer, None), (world.ann, world.bob.user_id)):
            with pytest.raises(Forbidden):
                await store.ingest(scope, [Step(taken_at=START, count=1, user_id=user)])
        assert await world.query(world.everyone, Step) == []
