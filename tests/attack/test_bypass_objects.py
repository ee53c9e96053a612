"""Objects that would open the wall: that they would, that the login cannot make them, that none is there.

An administrator makes each in a transaction that is undone, and becomes the runtime login in it to look through the hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast.model.catalog import Catalog
from holdfast.tenancy.scope import Scope
from tests.attack.entities import Folder
from tests.attack.wall import (
    CATALOG,
    FOLDERS_OF_A,
    FOLDERS_OF_B,
    Connection,
    Wall,
    enter,
    everyone,
    inside,
    refused,
    run,
    value,
)

ALL = FOLDERS_OF_A + FOLDERS_OF_B
OURS = "(select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')"


@contextmanager
def hole(wall: Wall, made_by: str, *, scope: Scope | None = None) -> Iterator[Connection]:
    """The runtime login inside tenant A, after an administrator has run `made_by`."""
    with wall.undone() as admin:
        run(admin, made_by)
        run(admin, f"set local role {wall.roles.runtime}")
        enter(admin, scope or everyone(wall.ann))
        yield admin


def test_03_views(wall: Wall) -> None:
    grant = f"grant select on app.v to {wall.roles.runtime}"
    view = "create view app.v {} as select * from app.folders"
    with hole(wall, f"{view.format('')}; {grant}") as runtime:
        assert value(runtime, "select count(*) from app.v") == ALL
    with hole(wall, f"{view.format('with (security_invoker)')}; {grant}") as runtime:
        assert value(runtime, "select count(*) from app.v") == FOLDERS_OF_A
    with wall.runtime() as runtime:
        with refused("42501"):
            run(runtime, "create view app.v as select * from app.folders")
        assert (
            value(runtime, f"select count(*) from pg_class where relkind = 'v' and relnamespace in {OURS}")
            == 0
        )


def test_04_materialized_views(wall: Wall) -> None:
    made = f"create materialized view app.m as select * from app.folders; grant select on app.m to {wall.roles.runtime}"
    with hole(wall, made) as runtime:
        assert value(runtime, "select count(*) from app.m") == ALL
    with wall.runtime() as runtime:
        with refused("42501"):
            run(runtime, "create materialized view app.m as select * from app.folders")
        assert (
            value(runtime, f"select count(*) from pg_class where relkind = 'm' and relnamespace in {OURS}")
            == 0
        )


def test_05_definer_functions(wall: Wall) -> None:
    made = """create function app.peek() returns bigint language sql security definer set search_path = ''
      as 'select count(*) from app.folders'"""
    with hole(wall, made) as runtime:
        assert value(runtime, "select app.peek()") == ALL
    with wall.runtime() as runtime:
        definers = f"select count(*) from pg_proc where prosecdef and pronamespace in {OURS}"
        assert value(runtime, definers) == 0


def test_06_names_that_stand_in_front(wall: Wall) -> None:
    """With a right to temporary objects that it does not have, the login still could not put its own before ours."""
    schema = CATALOG.schema(Folder)
    made = f"grant temporary on database {wall.logins.database} to {wall.roles.runtime}"
    ann = wall.rows["ann"][0]
    with hole(wall, made) as runtime:
        run(runtime, "create temporary table folders as select * from app.folders where false")
        run(runtime, "create temporary table tenant_heads (tenant_id uuid, head bigint)")
        run(
            runtime,
            "create function pg_temp.substr(text, integer, integer) returns text language sql as $$select ''$$",
        )
        run(runtime, "set local search_path = pg_temp, app, holdfast, pg_catalog")
        get = f"select version from app.get_folders_{schema.digest}(%s, %s)"
        assert value(runtime, get, f"{wall.ann.tenant_id} *", ann.id) == 1
        assert value(runtime, get, f"{wall.bob.tenant_id} *", ann.id) is None


def test_07_parts_addressed_directly(wall: Wall) -> None:
    with hole(wall, "create table app.part () inherits (app.folders)") as runtime:
        with refused("42501"), runtime.transaction():
            run(runtime, "select * from app.part")
        assert value(runtime, "select count(*) from app.folders") == FOLDERS_OF_A
    with wall.runtime() as runtime:
        assert (
            value(
                runtime,
                "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid "
                f"where c.relkind in ('r', 'p') and c.relnamespace in {OURS}",
            )
            == 0
        )


def test_08_a_second_permissive_policy(wall: Wall) -> None:
    """It opens what the first closes; the restrictive floor does not give way."""
    opened = "create policy open on app.folders using (true) with check (true)"
    with hole(wall, opened) as runtime:
        assert value(runtime, "select count(*) from app.folders") == FOLDERS_OF_A
    floors = "drop policy folders_floor on app.folders; drop policy folders_owner on app.folders"
    with hole(wall, f"{opened}; {floors}") as runtime:
        assert value(runtime, "select count(*) from app.folders") == ALL


def test_08_the_owners_floor_holds_too(wall: Wall) -> None:
    opened = "create policy open on app.folders using (true) with check (true)"
    with hole(wall, opened, scope=wall.ann) as runtime:
        assert value(runtime, "select count(*) from app.folders") == 3


def test_23_triggers_and_rules(wall: Wall) -> None:
    """What runs by itself runs as its owner, if it says so; ours does not, and the login cannot add any."""
    with wall.runtime() as runtime:
        with refused("42501"):
            run(runtime, "create rule r as on insert to app.notices do also select 1")
        with refused("42501"):
            run(runtime, "create event trigger e on ddl_command_end execute function holdfast.guard()")
        with refused("42501"):
            run(runtime, "alter table app.folders disable trigger guard")
        with refused("42501"):
            run(runtime, "set session_replication_role = replica")
        definers = f"""select count(*) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
          join pg_class c on c.oid = t.tgrelid where c.relnamespace in {OURS} and p.prosecdef"""
        assert value(runtime, definers) == 0


def test_28_policies_rest_on_nothing_that_a_user_can_change(wall: Wall) -> None:
    """A setting and the row: no other table, no function of our own, no claim."""
    text = f"""select count(*) from pg_policy p join pg_class c on c.oid = p.polrelid
      join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
     where c.relnamespace in {OURS} and (d.refclassid = 'pg_proc'::regclass
       or d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid)"""
    with wall.runtime() as runtime:
        assert value(runtime, text) == 0
        assert value(runtime, "select count(*) from pg_policy") == 20


def test_37_sequences(wall: Wall) -> None:
    with wall.runtime() as runtime:
        assert (
            value(runtime, f"select count(*) from pg_class where relkind = 'S' and relnamespace in {OURS}")
            == 0
        )


@pytest.mark.parametrize("pack", ["realm", "app"])
def test_the_realm_and_the_tenants_rows_do_not_meet(wall: Wall, pack: str) -> None:
    """The runtime login reaches no table of the realm, and the realm login none of the tenants'."""
    login = "runtime" if pack == "realm" else "realm"
    catalog: Catalog = CATALOG
    with wall.connect(login) as connection:
        for schema in catalog:
            if schema.pack == pack:
                for text in (f"select * from {schema.name}", f"insert into {schema.name} default values"):
                    with refused("42501"):
                        run(connection, text)
        if login == "realm":
            for table in ("tenant_heads", "changes", "field_history", "tombstones"):
                with refused("42501"):
                    run(connection, f"select * from holdfast.{table}")


def test_the_maintenance_login_is_behind_the_same_wall(wall: Wall) -> None:
    with wall.connect("maintenance") as maintenance:
        with refused("42704"):
            run(maintenance, "select count(*) from app.folders")
        with inside(maintenance, everyone(wall.ann)):
            assert value(maintenance, "select count(*) from app.folders") == FOLDERS_OF_A
            with refused("42501"), maintenance.transaction():
                run(maintenance, "update app.folders set label = 'x'")
