"""What the runtime login may not become, hold or make. The number in a name is the vector's, 1 to 41."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import psycopg
import pytest

from holdfast.engines.postgres._names import Roles
from tests.attack.wall import FOLDERS_OF_A, FOLDERS_OF_B, Wall, enter, everyone, inside, refused, run, value
from tests.servers import bin_dir_of

ALL = FOLDERS_OF_A + FOLDERS_OF_B
COUNT = "select count(*) from app.folders"


def test_01_owner_without_force(wall: Wall) -> None:
    """The owner is held by FORCE; without it, it sees everything."""
    with wall.undone() as admin:
        run(admin, f"set local role {wall.roles.owner}")
        assert value(admin, COUNT) == 0
        run(admin, "alter table app.folders no force row level security")
        assert value(admin, COUNT) == ALL
    with wall.runtime() as runtime, refused("42501"):
        run(runtime, "alter table app.folders no force row level security")


def test_02_roles_that_bypass(wall: Wall) -> None:
    others = [getattr(wall.roles, name) for name in Roles.__slots__ if name != "runtime"]
    with wall.runtime() as runtime:
        for role in (*others, "postgres", "pg_read_all_data", "pg_database_owner"):
            with refused("42501"):
                run(runtime, f"set role {role}")
        with refused("42501"):
            run(runtime, "set session authorization postgres")
        with refused("42501"):
            run(runtime, f"alter role {wall.roles.runtime} bypassrls")
        with inside(runtime, everyone(wall.ann)):
            run(runtime, "set local row_security = off")
            with refused("42501"):
                run(runtime, COUNT)


def test_09_privileges_that_ignore_row_security(wall: Wall) -> None:
    with wall.runtime() as runtime:
        for table in ("app.folders", "app.readings", "holdfast.changes", "holdfast.tenant_heads"):
            with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
                run(runtime, f"truncate {table} cascade")
        with refused("42501"):
            run(runtime, "create trigger t before insert on app.folders execute function holdfast.guard()")
        with refused("42501"):
            run(runtime, "create table app.probe (x uuid references realm.tenants (id))")


def test_09_the_log_is_only_ever_added_to(wall: Wall) -> None:
    with wall.runtime() as runtime:
        for change in ("update holdfast.changes set number = number", "delete from holdfast.changes"):
            with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
                run(runtime, change)
        for change in ("update holdfast.field_history set field = ''", "delete from holdfast.tenant_heads"):
            with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
                run(runtime, change)
        for change in ("delete from holdfast.tombstones", "truncate holdfast.tombstones"):
            with refused("42501"), inside(runtime, everyone(wall.ann), flush=True):
                run(runtime, change)


def test_14_switching_roles(wall: Wall) -> None:
    """No tenant is a role: there is nothing to switch to, and RESET ROLE stays where it is."""
    with wall.runtime() as runtime:
        member_of = (
            "select array_agg(r.rolname) from pg_roles r where pg_has_role(current_user, r.oid, 'MEMBER')"
        )
        assert value(runtime, member_of) == [wall.roles.runtime]
        run(runtime, "reset role")
        run(runtime, "reset session authorization")
        assert value(runtime, "select current_user::text") == wall.roles.runtime


def test_17_temporary_tables(wall: Wall) -> None:
    with wall.runtime() as runtime, inside(runtime, wall.ann), refused("42501"):
        run(runtime, "create temporary table stash as select * from app.folders")


def test_17_cursors_that_outlive_their_transaction(wall: Wall) -> None:
    """Raw SQL can hold one; it takes Ann's SQL and Bob's on one backend, and the engine declares none (see below)."""
    with wall.runtime() as runtime:
        with runtime.transaction():
            enter(runtime, wall.ann)
            run(runtime, "declare kept cursor with hold for select label from app.folders")
        with runtime.transaction():
            enter(runtime, wall.bob)
            assert len(run(runtime, "fetch all from kept")) == 3


async def test_17_the_engine_leaves_nothing_on_its_connections(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store:
        folder = wall.rows["ann"][0]
        async with store.session(wall.ann) as session:
            await session.get(type(folder), folder.id)
        async with store.engine.begin(wall.bob, read_only=True) as tx:
            connection = tx.connection  # type: ignore[attr-defined]
            assert await connection.fetchval("select count(*) from pg_cursors where is_holdable") == 0
            assert await connection.fetchval("select pg_my_temp_schema()::bigint") == 0


def test_20_large_objects(wall: Wall) -> None:
    calls = (
        "lo_create(0)",
        "lo_creat(-1)",
        "lo_from_bytea(0, 'x')",
        "lo_get(1)",
        "lo_put(1, 0, 'x')",
        "lo_open(1, 131072)",
        "lo_unlink(1)",
        "lo_import('/etc/hostname')",
        "lo_export(1, '/tmp/x')",
        "loread(0, 1)",
        "lowrite(0, 'x')",
    )
    with wall.runtime() as runtime:
        for call in calls:
            with refused("42501"):
                run(runtime, f"select {call}")


def test_21_foreign_tables(wall: Wall) -> None:
    with wall.undone() as admin:
        assert value(admin, "select count(*) from pg_class where relkind = 'f'") == 0
        run(admin, "create foreign data wrapper f; create server s foreign data wrapper f")
        run(admin, f"set local role {wall.roles.runtime}")
        attempts = (
            "create foreign data wrapper g",
            "create server t foreign data wrapper f",
            "create foreign table app.far (x integer) server s",
            "create user mapping for current_user server s",
        )
        for text in attempts:
            with refused("42501"), admin.transaction():
                run(admin, text)


def test_22_replication_and_publications(wall: Wall) -> None:
    with pytest.raises(
        psycopg.OperationalError, match=r"REPLICATION attribute|must be superuser or replication role"
    ):
        psycopg.connect(wall.logins.runtime, replication="database")
    with wall.runtime() as runtime:
        with refused("42501"):
            run(runtime, "create publication p for table app.folders")
        with refused("42501"):
            run(runtime, "select pg_create_logical_replication_slot('s', 'pgoutput')")
        with refused("42501"):
            run(runtime, "select pg_read_file('postgresql.conf')")


def test_22_a_dump_is_whole_or_fails(wall: Wall) -> None:
    """Never an empty file that looks like a backup."""
    assert dump(wall, "backup").count("\t") > ALL
    for flags in ((), ("--enable-row-security",)):
        with pytest.raises(subprocess.CalledProcessError) as failed:
            dump(wall, "runtime", *flags)
        assert failed.value.returncode == 1
    with pytest.raises(subprocess.CalledProcessError):
        dump(wall, "admin", f"--role={wall.roles.owner}")


def dump(wall: Wall, login: str, *flags: str) -> str:
    """The rows of the folders, as pg_dump gives them to `login`."""
    url: str = getattr(wall.logins, login)
    command: Sequence[str] = (str(bin_dir_of(wall.version) / "pg_dump"), "--data-only", "--table=app.folders")
    return subprocess.run(
        [*command, *flags, url], check=True, capture_output=True, text=True, timeout=30
    ).stdout


def test_27_a_new_table_is_out_of_reach(wall: Wall) -> None:
    with wall.undone() as admin:
        run(admin, f"set local role {wall.roles.owner}")
        run(admin, "create table app.fresh (tenant_id uuid not null)")
        run(admin, "create function app.fresh() returns integer language sql as 'select 1'")
        run(admin, f"set local role {wall.roles.runtime}")
        for text in ("select * from app.fresh", "select app.fresh()"):
            with refused("42501"), admin.transaction():
                run(admin, text)


def test_33_the_login_makes_nothing(wall: Wall) -> None:
    """No function, operator, view, type or schema of its own: nothing of its own runs beside the row policies."""
    with wall.runtime() as runtime:
        schemas = [
            row[0] for row in run(runtime, "select nspname from pg_namespace where nspname !~ '^pg_toast'")
        ]
        for schema in schemas:
            with refused("42501"):
                run(
                    runtime,
                    f"create function {schema}.spy(bigint) returns boolean language sql as 'select true'",
                )
        with refused("42501"):
            run(runtime, "create schema mine")
        with refused("42501"):
            run(runtime, "do $$begin execute 'create view app.v as select 1'; end$$")
        with refused("42501"):
            run(runtime, "copy app.folders to '/tmp/x'")
        with refused("42501"):
            run(runtime, "copy app.folders to program 'true'")
