"""Whoever is forgotten is forgotten in what was set aside, too."""

from __future__ import annotations

from typing import Any

from holdfast.model.policies import Shared
from holdfast.tenancy.scope import Scope
from tests.migrations.bench import Bench, catalog, of_app
from tests.unit.model.declaring import declare

Kept: Any = declare(Shared(), table="kept", title=str, gone=(str | None, None))
Rest: Any = declare(Shared(), table="kept", title=str)
Old: Any = declare(Shared(), table="old", title=str)


async def test_a_tenant_is_forgotten_where_things_were_set_aside(bench: Bench) -> None:
    await bench.become(Kept, Old)
    world = await bench.world()
    ours = world.ann
    theirs = Scope.system(world.cleo.tenant_id, reason="test")
    store = bench.store(Kept, Old)
    rows = {}
    for scope in (ours, theirs):
        rows[scope] = Old(title="old"), Kept(title="kept", gone="gone")
        async with store.session(scope) as session:
            await session.batch(list(rows[scope]))
    await bench.become(Rest, force=True)
    await bench.engine.forget_tenant(ours.tenant_id, of_app(catalog(Rest)))
    while len(bench.revisions) > 1:
        await bench.take_back(force=True)
    for scope, count in ((ours, 0), (theirs, 1)):
        async with store.session(scope) as session:
            assert len((await session.select(Old)).items) == count
            assert [row.gone for row in (await session.select(Kept)).items] == ["gone"] * count


async def test_what_an_earlier_release_has_set_aside_is_opened(bench: Bench) -> None:
    if not bench.on_postgres:
        return
    await bench.become(Old)
    world = await bench.world()
    async with bench.store(Old).session(world.ann) as session:
        await session.put(Old(title="old"))
    await bench.become(force=True)
    async with bench.behind() as raw:
        (name,) = [
            r[0]
            for r in await raw.fetch("select nspname from pg_namespace where nspname like '\\_dropped\\_%'")
        ]
        await raw.execute(
            f'do $$ begin execute (select format($f$revoke usage on schema "{name}" from %I$f$, grantee::regrole) '
            f"from pg_namespace n, aclexplode(n.nspacl) where nspname = '{name}' and grantee <> nspowner); end $$"
        )
    await bench.engine.refresh([])
    await bench.engine.forget_tenant(world.tenant, [])
    async with bench.behind() as raw:
        assert await raw.fetchval(f'select count(*) from "{name}"."old"') == 0
