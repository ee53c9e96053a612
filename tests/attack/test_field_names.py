"""A field may be called like anything that the generated statements call theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from holdfast import Entity, Index, Owned, Shared, Store, new_id
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import new_passwords, provision
from holdfast.model.catalog import Catalog
from holdfast.tenancy.scope import Scope
from holdfast.testing.planned import WithoutPlans
from tests.attack.entities import REALM
from tests.attack.wall import SECRET, member, steps


class Event(Entity, table="events", policies=(Shared(), Index("start"))):
    """Words of the functions' own, as texts."""

    who: str = ""
    start: str = ""
    page: str = ""
    wanted: str = ""
    ctx: str = ""
    ops: str = ""
    t: str = ""
    o: str = ""
    h: str = ""
    k: str = ""
    m: str = ""
    v: str = ""
    r: str = ""
    e: str = ""
    x: str = ""
    f: str = ""
    j: str = ""
    n: str = ""
    p: str = ""
    w: str = ""
    cur: str = ""
    nw: str = ""
    log: str = ""
    changed: str = ""
    status: str = ""
    number: str = ""
    body: str = ""
    following: str = ""
    if_version: str = ""
    ord: str = ""


class Letter(Entity, table="letters", policies=(Owned(),)):
    """The same with the types that would go unnoticed."""

    user_id: UUID | None = None
    t: UUID | None = None
    wanted: UUID | None = None
    start: UUID | None = None
    who: str | None = None
    h: int = 0
    if_version: int = 0


CATALOG = Catalog({"realm": REALM, "app": (Event, Letter)})


@pytest.fixture
async def engine(wheel_server: EmbeddedServer) -> AsyncIterator[PostgresEngine]:
    database = f"names_{new_id().hex[-12:]}"
    logins = await provision(wheel_server.admin_url, database=database, passwords=new_passwords())
    engine = await PostgresEngine.open(logins, pool_size=2)
    try:
        await engine.apply(steps(CATALOG), revision="test_0001", checksum="test")
        yield engine
    finally:
        await engine.aclose()


@pytest.mark.anyio
@pytest.mark.parametrize("plans", [True, False])
async def test_fields_with_the_names_of_the_statements_own_words(engine: PostgresEngine, plans: bool) -> None:
    store = Store(engine if plans else WithoutPlans(engine), CATALOG, cursor_secret=SECRET)
    ann = await member(store)
    names = [field.name for field in CATALOG.schema(Event).fields]
    await _walk(store, ann, Event(**{name: name.upper() for name in names}), dict.fromkeys(names, "two"))
    ids = {name: new_id() for name in ("t", "wanted", "start")}
    await _walk(store, ann, Letter(**ids, who="somebody", h=7, if_version=5), {"who": "else", "h": 8})


async def _walk(store: Store, scope: Scope, row: Event | Letter, changes: dict[str, object]) -> None:
    """Create, read, list, update and delete it."""
    kind, schema = type(row), store.catalog.schema(type(row))
    async with store.session(scope) as s:
        await s.put(row)
    async with store.session(scope) as s:
        stored = (await s.get(kind, row.id)).model_dump(exclude={"user_id"})
        assert stored == row.model_dump(exclude={"user_id"})
    found = await store.read_body(scope, schema, row.id)
    assert found is not None
    assert found.version == 1
    assert (await store.read_bodies(scope, schema, {}))[0] == b"[" + found.json + b"]"
    async with store.session(scope) as s:
        receipt = await s.patch(kind, row.id, changes, if_version=1)
    assert receipt.outcome.version == 2
    async with store.session(scope) as s:
        stored = (await s.get(kind, row.id)).model_dump()
        assert {name: stored[name] for name in changes} == changes
        await s.delete(kind, row.id, if_version=2)
    assert await store.read_body(scope, schema, row.id) is None
