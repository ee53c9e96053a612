"""A database with the wall up, two tenants behind it, and the ways in that an attacker and an administrator have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import psycopg
import pytest
from psycopg import sql

from holdfast import Store, new_id
from holdfast.engines.postgres._names import Roles
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import Logins, new_passwords, provision
from holdfast.engines.postgres.transaction import user_context
from holdfast.identity.principal import Principal, Role
from holdfast.model.catalog import Catalog
from holdfast.model.diff import in_reference_order
from holdfast.model.entity import Entity
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import CreateEntity, CreateLog, CreatePlans, CreateTombstones, Step
from holdfast.tenancy.scope import Scope
from tests.attack.entities import APP, REALM, Folder, Membership, Notice, Paper, Reading, Tenant

CATALOG = Catalog({"realm": REALM, "app": APP})
SECRET = b"s" * 32
Connection = psycopg.Connection[Any]

FOLDERS_OF_A, FOLDERS_OF_B = 5, 3
"""Of A's, three are Ann's and two are Abe's."""
COUNT_OF_BOB = 777
"""Stands in Bob's notices and in nobody else's."""


@dataclass(slots=True)
class Wall:
    """The database. Ann and Abe are members of tenant A, Bob of tenant B; `rows` are theirs."""

    server: EmbeddedServer
    logins: Logins
    version: int
    ann: Scope
    abe: Scope
    bob: Scope
    rows: dict[str, list[Entity]] = field(default_factory=dict)

    @property
    def roles(self) -> Roles:
        return self.logins.roles

    def schema(self, entity: type[Entity]) -> EntitySchema:
        return CATALOG.schema(entity)

    def connect(self, login: str) -> Connection:
        """Raw SQL as `login`, each statement a transaction of its own. Use it in a `with`."""
        url: str = getattr(self.logins, login)
        return psycopg.connect(url, autocommit=True, connect_timeout=10)

    def runtime(self) -> Connection:
        """The attacker: the runtime login, with any SQL."""
        return self.connect("runtime")

    @contextmanager
    def undone(self) -> Iterator[Connection]:
        """The administrator, in a transaction that is undone."""
        with self.connect("admin") as connection, connection.transaction(force_rollback=True):
            yield connection

    @asynccontextmanager
    async def store(self, *, pool_size: int = 4) -> AsyncIterator[Store]:
        """A store on a runtime engine of its own, as another server process would have."""
        store = Store(
            await PostgresEngine.open(self.logins, pool_size=pool_size), CATALOG, cursor_secret=SECRET
        )
        try:
            yield store
        finally:
            await store.aclose()


def statement(text: str, **names: str) -> sql.Composed:
    """SQL with role or table names in braces."""
    identifiers = {
        key: sql.SQL(".").join(map(sql.Identifier, name.split("."))) for key, name in names.items()
    }
    return sql.SQL(text).format(**identifiers)


def run(connection: Connection, text: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Run a statement; its rows where it has any."""
    cursor = connection.execute(text, arguments or None)
    return cursor.fetchall() if cursor.description else []


def value(connection: Connection, text: str, *arguments: Any) -> Any:
    """The first column of the first row."""
    return run(connection, text, *arguments)[0][0]


def enter(connection: Connection, scope: Scope, *, flush: bool = False) -> None:
    """Name the tenant for the rest of the transaction."""
    run(connection, "select set_config('app.tenant_id', %s, true)", str(scope.tenant_id))
    run(connection, "select set_config('app.user_id', %s, true)", user_context(scope))
    if flush:
        run(connection, "select set_config('app.flush', 'on', true)")


@contextmanager
def inside(connection: Connection, scope: Scope, *, flush: bool = False) -> Iterator[Connection]:
    """A transaction of `scope` that is undone."""
    with connection.transaction(force_rollback=True):
        enter(connection, scope, flush=flush)
        yield connection


@contextmanager
def refused(state: str) -> Iterator[None]:
    """The block's statement must fail with this SQLSTATE."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    assert caught.value.sqlstate == state, f"{caught.value.sqlstate}: {caught.value}"


@asynccontextmanager
async def backend(store: Store) -> AsyncIterator[asyncpg.Connection]:
    """The one connection of a store with a pool of one, between two calls."""
    engine = store.engine
    assert isinstance(engine, PostgresEngine)
    async with engine._reader() as connection:
        yield connection


def everyone(scope: Scope) -> Scope:
    """The same tenant, all owners."""
    return Scope.system(scope.tenant_id, reason="test")


def build(server: EmbeddedServer, database: str) -> Wall:
    """Make the database and fill it."""
    return asyncio.run(_build(server, database))


async def _build(server: EmbeddedServer, database: str) -> Wall:
    logins = await provision(server.admin_url, database=database, passwords=new_passwords())
    engine = await PostgresEngine.open(logins, pool_size=2)
    try:
        await engine.apply(steps(), revision="test_0001", checksum="test")
        version = int((await engine.facts())["server"].split()[1].split(".")[0])
        store = Store(engine, CATALOG, cursor_secret=SECRET)
        ann = await member(store)
        wall = Wall(server, logins, version, ann, await member(store, of=ann), await member(store))
        for name, scope, count in (
            ("ann", wall.ann, 3),
            ("abe", wall.abe, 2),
            ("bob", wall.bob, FOLDERS_OF_B),
        ):
            wall.rows[name] = await _fill(store, scope, count, COUNT_OF_BOB if name == "bob" else 0)
        return wall
    finally:
        await engine.aclose()


def steps(catalog: Catalog = CATALOG) -> list[Step]:
    """The whole schema, from nothing."""
    ordered = in_reference_order(catalog)
    realm = [schema for schema in ordered if schema.visibility == "realm"]
    rows = [schema for schema in ordered if schema.visibility != "realm"]
    made: list[Step] = [*(CreateEntity(schema) for schema in realm), CreateLog(), CreateTombstones()]
    for schema in rows:
        made += [CreateEntity(schema), CreatePlans(schema)]
    return made


async def member(store: Store, *, of: Scope | None = None) -> Scope:
    """A new person, in a new tenant or in that of `of`."""
    tenant_id, user_id = of.tenant_id if of else new_id(), new_id()
    async with store.session(Scope.realm(reason="test")) as session:
        if of is None:
            await session.put(Tenant(id=tenant_id))
        await session.put(Membership(tenant_id=tenant_id, user_id=user_id))
    return Scope.for_user(Principal(user_id, tenant_id, None, Role.OWNER, None))


async def _fill(store: Store, scope: Scope, folders: int, count: int) -> list[Entity]:
    rows: list[Entity] = []
    for number in range(folders):
        folder = Folder(label=f"{scope.user_id} {number}")
        paper = Paper(folder_id=folder.id, title=f"paper {number}", rank=number + 1)
        async with store.session(scope) as session:
            for row in (folder, paper, Notice(text=f"notice {number}", count=count)):
                await session.put(row)
                rows.append(row)
    await store.ingest(scope, [Reading(sensor=f"s{number}") for number in range(folders)])
    return rows
