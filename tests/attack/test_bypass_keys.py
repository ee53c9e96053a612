"""Writes that would cross: foreign keys, moved rows, absent tenants; and what keys would tell about another tenant."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from holdfast import new_id
from holdfast.errors import ReferenceMissing
from holdfast.tenancy.scope import Scope
from tests.attack.entities import Paper
from tests.attack.wall import FOLDERS_OF_B, Connection, Wall, everyone, inside, refused, run, value

NIL = UUID(int=0)
PAPER = """insert into app.papers (tenant_id, id, version, created_at, updated_at, commit_salt, user_id, folder_id, title, rank,
  price, is_cover) values (%s, %s, 1, now(), now(), '', %s, %s, '', 1, 0, false)"""
FOLDER = """insert into app.folders (tenant_id, id, version, created_at, updated_at, commit_salt, user_id, label)
  values (%s, %s, 1, now(), now(), '', %s, %s)"""


def paper(connection: Connection, scope: Scope, folder_id: UUID) -> None:
    run(connection, PAPER, scope.tenant_id, uuid4(), scope.user_id, folder_id)
    run(connection, "set constraints all immediate")


def test_10_references_do_not_cascade_across(wall: Wall) -> None:
    """A deletes what B's child points at, were it to: with composite keys that child cannot be, and nothing cascades."""
    with wall.runtime() as runtime:
        actions = (
            "select distinct confdeltype::text || confupdtype::text from pg_constraint where contype = 'f'"
        )
        assert run(runtime, actions) == [("aa",)]
        with inside(runtime, everyone(wall.ann), flush=True):
            run(runtime, "delete from app.folders")
            with refused("23503"), runtime.transaction():
                run(runtime, "set constraints all immediate")
        with inside(runtime, everyone(wall.bob)):
            assert value(runtime, "select count(*) from app.papers") == FOLDERS_OF_B


def test_11_a_child_of_another_tenants_row(wall: Wall) -> None:
    theirs = wall.rows["bob"][0].id
    with wall.runtime() as runtime:
        with refused("23503"), inside(runtime, wall.ann, flush=True):
            paper(runtime, wall.ann, theirs)
        with inside(runtime, wall.bob, flush=True):
            paper(runtime, wall.bob, theirs)


def test_12_rows_cannot_be_written_for_another_tenant(wall: Wall) -> None:
    with wall.runtime() as runtime:
        with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
            run(runtime, FOLDER, wall.bob.tenant_id, uuid4(), wall.bob.user_id, "moved")
        with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
            run(runtime, "update app.folders set tenant_id = %s", wall.bob.tenant_id)
        with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
            run(runtime, "update holdfast.tenant_heads set tenant_id = %s", wall.bob.tenant_id)
        with refused("42501"), inside(runtime, everyone(wall.ann)):
            run(
                runtime,
                "insert into app.readings values (%s, gen_random_uuid(), 1, now(), now(), '', 0)",
                wall.bob.tenant_id,
            )


def test_12_nor_for_another_owner(wall: Wall) -> None:
    with wall.runtime() as runtime:
        with refused("42501"), inside(runtime, wall.ann, flush=True):
            run(runtime, FOLDER, wall.ann.tenant_id, uuid4(), wall.abe.user_id, "given")
        with refused("42501"), inside(runtime, wall.ann, flush=True):
            run(runtime, "update app.folders set user_id = %s", wall.abe.user_id)
        with inside(runtime, wall.ann, flush=True):
            changed = runtime.execute(
                "update app.folders set version = 9 where user_id = %s", [wall.abe.user_id]
            )
            assert changed.rowcount == 0
            assert (
                runtime.execute("delete from app.folders where user_id = %s", [wall.abe.user_id]).rowcount
                == 0
            )


def test_12_old_values_are_their_owners(wall: Wall) -> None:
    text = """insert into holdfast.field_history select %s, 'app.folders', %s, 1, 'label', '', %s"""
    with wall.runtime() as runtime, refused("42501"), inside(runtime, wall.ann, flush=True):
        run(runtime, text, wall.ann.tenant_id, uuid4(), wall.abe.user_id)


def test_12_tombstones_are_their_owners(wall: Wall) -> None:
    """Nobody learns of another's deleted row, writes a tombstone in another's name, or takes one over."""
    text = "insert into holdfast.tombstones values (%s, 'app.folders', %s, 1, %s, null)"
    take = " on conflict (tenant_id, entity, row_id) do update set owner_id = excluded.owner_id"
    row_id = uuid4()
    with wall.runtime() as runtime:
        with refused("42501"), inside(runtime, wall.ann, flush=True):
            run(runtime, text, wall.ann.tenant_id, row_id, wall.abe.user_id)
        with refused("ZH001"), inside(runtime, wall.ann):
            run(runtime, text, wall.ann.tenant_id, row_id, wall.ann.user_id)
        with inside(runtime, wall.abe, flush=True):
            run(runtime, text, wall.abe.tenant_id, row_id, wall.abe.user_id)
            run(runtime, f"set local app.user_id = '{wall.ann.user_id}'")
            assert value(runtime, "select count(*) from holdfast.tombstones where row_id = %s", row_id) == 0
            run(runtime, "update holdfast.tombstones set number = 2 where row_id = %s", row_id)
            with refused("42501"), runtime.transaction():
                run(runtime, text + take, wall.ann.tenant_id, row_id, wall.ann.user_id)
            run(runtime, "set local app.user_id = '*'")
            assert value(runtime, "select number from holdfast.tombstones where row_id = %s", row_id) == 1


def test_12_only_the_horizon_is_moved_by_maintenance(wall: Wall) -> None:
    with wall.connect("maintenance") as maintenance:
        with inside(maintenance, everyone(wall.ann), flush=True):
            run(maintenance, "update holdfast.tenant_heads set horizon = horizon")
        for change in (
            "update holdfast.tenant_heads set head = head",
            "update holdfast.tombstones set number = number",
        ):
            with refused("42501"), inside(maintenance, everyone(wall.ann), flush=True):
                run(maintenance, change)


def test_29_rows_without_a_tenant(wall: Wall) -> None:
    with wall.runtime() as runtime:
        with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
            run(runtime, FOLDER, None, uuid4(), wall.ann.user_id, "nobody's")
        nowhere = Scope(NIL, wall.ann.role, whole_tenant=True, reason="test")
        with refused("23514"), inside(runtime, nowhere, flush=True):
            run(runtime, FOLDER, NIL, uuid4(), wall.ann.user_id, "nil's")
        with inside(runtime, nowhere):
            for table in ("app.folders", "app.notices", "app.readings", "holdfast.changes"):
                assert value(runtime, f"select count(*) from {table}") == 0
    with wall.undone() as admin, refused("23502"), admin.transaction():
        run(admin, "set local app.flush = 'on'")
        run(admin, FOLDER, None, uuid4(), wall.ann.user_id, "nobody's")


def test_30_merge_does_not_touch_another_tenants_row(wall: Wall) -> None:
    theirs = wall.rows["bob"][0].id
    merge = """merge into app.folders f using (select %s::uuid as id) n on f.id = n.id
      when matched then update set label = 'taken'"""
    with wall.runtime() as runtime:
        with inside(runtime, everyone(wall.ann), flush=True):
            assert runtime.execute(merge, [theirs]).rowcount == 0
        with inside(runtime, everyone(wall.bob), flush=True):
            assert runtime.execute(merge, [theirs]).rowcount == 1


def test_31_an_id_tells_nothing(wall: Wall) -> None:
    """A's row with the id of B's row is simply a new row, in all three ways of inserting it."""
    theirs = wall.rows["bob"][0].id
    with wall.runtime() as runtime:
        for end in ("", " on conflict do nothing", " on conflict (tenant_id, id) do update set version = 9"):
            with inside(runtime, wall.ann, flush=True):
                arguments = [wall.ann.tenant_id, theirs, wall.ann.user_id, "same id"]
                assert runtime.execute(f"{FOLDER}{end}".encode(), arguments).rowcount == 1


def test_31_nor_does_a_unique_value(wall: Wall) -> None:
    with wall.runtime() as runtime, inside(runtime, wall.ann, flush=True):
        label = f"{wall.bob.user_id} 0"
        assert runtime.execute(FOLDER, [wall.ann.tenant_id, uuid4(), wall.ann.user_id, label]).rowcount == 1
        leads = """select count(*) from pg_index i join pg_class c on c.oid = i.indrelid join pg_attribute a
          on a.attrelid = c.oid and a.attname = 'tenant_id' where c.relrowsecurity and i.indkey[0] <> a.attnum"""
        assert value(runtime, leads) == 0


async def test_32_nor_does_a_reference(wall: Wall) -> None:
    """B's parent and nobody's parent are refused alike."""
    seen = []
    async with wall.store(pool_size=1) as store:
        for folder_id in (wall.rows["bob"][0].id, new_id()):
            with pytest.raises(ReferenceMissing) as caught:
                async with store.session(wall.ann) as session:
                    await session.put(Paper(folder_id=folder_id))
            seen.append((str(caught.value), str(caught.value.__cause__)))
    assert seen[0] == seen[1]
