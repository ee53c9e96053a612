"""The context: forged, stale, missing, set too late, kept by a plan, a pool or a cache."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from holdfast.errors import BadCursor, InvalidInput
from holdfast.model.types import Plain
from tests.attack.entities import Folder
from tests.attack.sources import lines_that_match
from tests.attack.wall import (
    CATALOG,
    FOLDERS_OF_A,
    FOLDERS_OF_B,
    Wall,
    backend,
    enter,
    everyone,
    inside,
    refused,
    run,
    value,
)

COUNT = "select count(*) from app.folders"
FOLDERS = CATALOG.schema(Folder)
INJECTION = "x'; select set_config('app.tenant_id', '{tenant}', true); --"


def test_13_raw_sql_may_name_another_tenant(wall: Wall) -> None:
    """The known limit: whoever runs SQL of their own as the runtime login names any tenant. A signed context would end it."""
    with wall.runtime() as runtime, inside(runtime, everyone(wall.ann)):
        enter(runtime, everyone(wall.bob))
        assert value(runtime, COUNT) == FOLDERS_OF_B


async def test_13_no_value_becomes_sql(wall: Wall) -> None:
    text = INJECTION.format(tenant=wall.bob.tenant_id)
    scope = replace(wall.ann, device=text)
    async with wall.store(pool_size=1) as store:
        folder = Folder(label=text[:100])
        async with store.session(scope) as session:
            await session.put(folder)
        async with store.session(scope) as session:
            found = await session.select(Folder, {"label": text[:100]})
            assert [row.id for row in found.items] == [folder.id]
            for where, sort, after in (
                ({text: 1}, "id", None),
                ({}, text, None),
                ({f"label__{text}": "x"}, "id", None),
            ):
                with pytest.raises(InvalidInput):
                    await session.select(Folder, where, sort=sort, after=after)
            with pytest.raises(BadCursor):
                await session.select(Folder, after=text)
        async with store.session(scope) as session:
            await session.patch(Folder, folder.id, {"label": "y" + text[:99]})
        async with store.session(scope) as session:
            await session.delete(Folder, folder.id)
        async with store.engine.begin(scope, read_only=True) as tx:
            changes = [
                change for change in await tx.read_changes(0, limit=1000) if change.row_id == folder.id
            ]
        assert [change.device for change in changes] == [text] * 3
        assert len((await page(store, wall.bob))["ids"]) == FOLDERS_OF_B


async def page(store: object, scope: object) -> dict[str, list[Plain]]:
    import orjson

    body, _ = await store.read_bodies(scope, FOLDERS, {})  # type: ignore[attr-defined]
    return {"ids": [row["id"] for row in orjson.loads(body)]}


async def test_15_a_setting_left_on_a_pooled_connection(wall: Wall) -> None:
    """Somebody sets A for the session; B's plans and transactions set their own, and see B's rows alone."""
    async with wall.store(pool_size=1) as store:
        async with backend(store) as connection:
            await connection.execute(f"set app.tenant_id = '{wall.ann.tenant_id}'; set app.user_id = '*'")
        mine = {str(row.id) for row in wall.rows["bob"] if isinstance(row, Folder)}
        assert set((await page(store, wall.bob))["ids"]) == mine
        assert await store.read_body(wall.bob, FOLDERS, wall.rows["ann"][0].id) is None
        rows, _ = await store.read_page(wall.bob, FOLDERS, {}, sort="label")
        assert {str(row["id"]) for row in rows} == mine


def test_15_the_source_sets_nothing_for_a_session() -> None:
    assert not lines_that_match(r"set_config\([^)]*,\s*false\s*\)")
    assert not lines_that_match(r"\bset\s+(session\s+)?(app\.|\{(TENANT|USER|FLUSH)\})")


def test_16_a_generic_plan_asks_for_the_tenant_each_time(wall: Wall) -> None:
    with wall.runtime() as runtime:
        run(runtime, "set plan_cache_mode = force_generic_plan")
        run(runtime, f"prepare q as {COUNT}")
        for scope, count in ((wall.ann, FOLDERS_OF_A), (wall.bob, FOLDERS_OF_B), (wall.ann, FOLDERS_OF_A)):
            with inside(runtime, everyone(scope)):
                assert value(runtime, "execute q") == count


def test_16_an_immutable_wrapper_would_not(wall: Wall) -> None:
    """Why the audit looks for one: the first tenant's id is folded into the plan."""
    wrapper = "create function app.tenant() returns uuid immutable language sql as $$select current_setting('app.tenant_id')::uuid$$"
    policy = "alter policy {0}_{1} on app.{0} using (tenant_id = app.tenant()) with check (tenant_id = app.tenant())"
    with wall.undone() as admin:
        run(admin, wrapper)
        for name in ("tenant", "floor"):
            run(admin, policy.format("notices", name))
        run(admin, f"set local role {wall.roles.runtime}; set local plan_cache_mode = force_generic_plan")
        run(admin, "prepare q as select count(*) from app.notices where count = 777")
        enter(admin, wall.ann)
        assert value(admin, "execute q") == 0
        enter(admin, wall.bob)
        assert value(admin, "execute q") == 0, "the wrapper no longer leaks; the audit may forget about it"
        run(admin, "deallocate q")


def test_18_prepared_statements(wall: Wall) -> None:
    """A plan is made again for another role, and asks for the tenant each time."""
    with wall.undone() as admin:
        run(admin, f"prepare q as {COUNT}")
        assert value(admin, "execute q") == FOLDERS_OF_A + FOLDERS_OF_B
        run(admin, f"set local role {wall.roles.runtime}")
        for scope, count in ((wall.ann, 3), (wall.abe, 2), (wall.bob, FOLDERS_OF_B)):
            enter(admin, scope)
            assert value(admin, "execute q") == count
        run(admin, "reset role")
        assert value(admin, "execute q") == FOLDERS_OF_A + FOLDERS_OF_B


async def test_18_the_drivers_prepared_statements_serve_every_tenant(wall: Wall) -> None:
    """One connection, the same statements, prepared once: get, list, query, by A and B in turn."""
    async with wall.store(pool_size=1) as store:
        for _ in range(20):
            for scope, name, count in (
                (wall.ann, "ann", 3),
                (wall.abe, "abe", 2),
                (wall.bob, "bob", FOLDERS_OF_B),
            ):
                first = wall.rows[name][0]
                rows, _cursor = await store.read_page(scope, FOLDERS, {}, sort="-label")
                assert len(rows) == count
                assert (await store.read_row(scope, FOLDERS, first.id) or {})["id"] == first.id
        async with backend(store) as connection:
            prepared = await connection.fetchval("select count(*) from pg_prepared_statements")
            assert 0 < prepared < 20


def test_19_a_context_set_in_the_same_statement_comes_too_late(wall: Wall) -> None:
    """Why no statement of ours sets it beside reading rows: with a stale context it reads the previous tenant's."""
    late = "with c as materialized (select set_config('app.tenant_id', %s, true)) select count(*) from app.folders left join c on true"
    with wall.runtime() as runtime:
        with refused("42704"):
            run(runtime, late, str(wall.ann.tenant_id))
        with inside(runtime, everyone(wall.bob)):
            assert value(runtime, late, str(wall.ann.tenant_id)) == FOLDERS_OF_B


def test_19_a_plan_function_sets_it_first(wall: Wall) -> None:
    listed = f"select body from app.list_folders_{FOLDERS.digest}(%s, 100, null)"
    with wall.runtime() as runtime, inside(runtime, everyone(wall.bob)):
        body = value(runtime, listed, f"{wall.ann.tenant_id} *")
        assert body.count('"id"') == FOLDERS_OF_A
        assert str(wall.bob.user_id) not in body


async def test_25_a_pool_that_grows_has_no_default_tenant(wall: Wall) -> None:
    async with wall.store(pool_size=6) as store:
        scopes = [wall.ann, wall.bob, wall.abe] * 20
        pages = await asyncio.gather(*(page(store, scope) for scope in scopes))
        assert [len(found["ids"]) for found in pages] == [3, FOLDERS_OF_B, 2] * 20
        facts = await store.engine.facts()  # type: ignore[attr-defined]
        assert len(facts["pool"]) > 0
    with wall.runtime() as fresh:
        assert value(fresh, "select current_setting('app.tenant_id', true)") is None
        with refused("42704"):
            run(fresh, COUNT)


async def test_26_nothing_is_cached_above_the_database(wall: Wall) -> None:
    """One process reads, another writes, the first reads again; and the same key asked by B is B's."""
    async with wall.store(pool_size=2) as here, wall.store(pool_size=2) as there:
        folder = Folder(label="cached?")
        async with there.session(wall.ann) as session:
            await session.put(folder)
        before = await here.read_body(wall.ann, FOLDERS, folder.id)
        assert before is not None
        assert await here.read_body(wall.bob, FOLDERS, folder.id) is None
        async with there.session(wall.ann) as session:
            await session.patch(Folder, folder.id, {"label": "no"})
        after = await here.read_body(wall.ann, FOLDERS, folder.id)
        assert after is not None
        assert (before.version, after.version) == (1, 2)
        async with there.session(wall.ann) as session:
            await session.delete(Folder, folder.id)
        assert await here.read_body(wall.ann, FOLDERS, folder.id) is None


def test_the_patterns_of_the_source_checks_match_what_they_look_for() -> None:
    assert re.search(r"set_config\([^)]*,\s*false\s*\)", "select set_config('app.tenant_id', $1, false)")
    assert re.search(r"\bset\s+(session\s+)?\{?(app\.|TENANT|USER|FLUSH)", "SET app.tenant_id".lower())
