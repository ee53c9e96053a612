"""The context of a tenant: loudly missing, never left behind, switched thousands of times on one connection."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import orjson
import pytest

from holdfast import Store, new_id
from holdfast.changes.change import Operation
from holdfast.engines.port import GetPlan, ListPlan, PlannedWrite, Write, WritePlan
from holdfast.engines.postgres._errors import ContextMissing, translated
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.errors import AlreadyExists, HoldfastError, ReferenceMissing
from holdfast.store.store import utc_now
from holdfast.tenancy.scope import Scope
from tests.attack.entities import Folder, Notice, Paper
from tests.attack.wall import CATALOG, Wall, backend, everyone, member, run

SWITCHES = int(os.environ.get("HOLDFAST_TEST_TENANT_SWITCHES", "4000"))
TENANTS = 30
FOLDERS = CATALOG.schema(Folder)
NOTICES = CATALOG.schema(Notice)
SETTINGS = ("app.tenant_id", "app.user_id", "app.flush")
TABLES = (
    "app.folders",
    "app.notices",
    "app.readings",
    "holdfast.tenant_heads",
    "holdfast.changes",
    "holdfast.tombstones",
)


@pytest.mark.parametrize("table", TABLES)
async def test_without_a_context_nothing_is_read(wall: Wall, table: str) -> None:
    """On a fresh connection, and on one that has had a context: the two fail differently, and mean the same to us."""
    async with wall.store(pool_size=1) as store, backend(store) as connection:
        states = []
        for _ in range(2):
            with pytest.raises(ContextMissing) as caught, translated():
                await connection.fetch(f"select * from {table}")
            states.append(str(caught.value.__cause__).split()[1])
            async with connection.transaction():
                await connection.execute(f"set local app.tenant_id = '{wall.ann.tenant_id}'")
        assert states == ["42704", "22P02"]


async def test_without_a_context_nothing_is_written(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store, backend(store) as connection:
        with pytest.raises(ContextMissing), translated():
            await connection.execute(
                "insert into app.readings values ($1, $1, 1, now(), now(), '', 0)", wall.ann.tenant_id
            )
        with pytest.raises(ContextMissing), translated():
            await connection.execute("select holdfast.lock_tenant($1)", wall.ann.tenant_id)


async def test_without_a_person_owned_rows_are_not_read(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store, backend(store) as connection:
        with pytest.raises(ContextMissing), translated():
            async with connection.transaction():
                await connection.execute(f"set local app.tenant_id = '{wall.ann.tenant_id}'")
                await connection.fetch("select * from app.folders")


Call = Callable[[Store, Wall], Awaitable[object]]


async def read_body(store: Store, wall: Wall) -> None:
    assert await store.read_body(wall.ann, FOLDERS, wall.rows["ann"][0].id)


async def read_bodies(store: Store, wall: Wall) -> None:
    assert await store.read_bodies(wall.ann, FOLDERS, {})


async def read_page(store: Store, wall: Wall) -> None:
    assert (await store.read_page(wall.ann, FOLDERS, {}, sort="-label"))[0]


async def write_and_delete(store: Store, wall: Wall) -> None:
    notice = Notice(text="passing")
    for verb in ("put", "patch", "delete"):
        async with store.session(wall.ann) as session:
            if verb == "put":
                await session.put(notice)
            elif verb == "patch":
                await session.patch(Notice, notice.id, {"count": 5})
            else:
                await session.delete(Notice, notice.id)
        await nothing_is_left(store)


async def create_what_exists(store: Store, wall: Wall) -> None:
    with pytest.raises(AlreadyExists):
        async with store.session(wall.ann) as session:
            await session.put(Notice(id=wall.rows["ann"][2].id))


async def write_what_refers_to_nothing(store: Store, wall: Wall) -> None:
    with pytest.raises(ReferenceMissing):
        async with store.session(wall.ann) as session:
            await session.put(Paper(folder_id=new_id()))
            await session.put(Notice())


async def raise_inside(store: Store, wall: Wall) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.engine.begin(wall.ann) as tx:
            await tx.lock()
            raise ZeroDivisionError


async def be_cancelled(store: Store, wall: Wall) -> None:
    started = asyncio.Event()

    async def hold() -> None:
        async with store.engine.begin(wall.ann) as tx:
            await tx.lock()
            started.set()
            await asyncio.sleep(60)

    task = asyncio.ensure_future(hold())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "call",
    [
        read_body,
        read_bodies,
        read_page,
        write_and_delete,
        create_what_exists,
        write_what_refers_to_nothing,
        raise_inside,
        be_cancelled,
    ],
    ids=lambda call: call.__name__,
)
async def test_nothing_is_left_on_the_connection(wall: Wall, call: Call) -> None:
    """The context is local to its transaction: there is nothing to reset when a connection is given back."""
    async with wall.store(pool_size=1) as store:
        for _ in range(2):
            await call(store, wall)
            await nothing_is_left(store)


async def nothing_is_left(store: Store) -> None:
    async with backend(store) as connection:
        assert not connection.is_in_transaction()
        for setting in SETTINGS:
            assert not await connection.fetchval("select current_setting($1, true)", setting)
        assert (
            await connection.fetchval(
                "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
            )
            == 0
        )


@dataclass(frozen=True, slots=True)
class Household:
    """A tenant with its rows."""

    scope: Scope
    folders: tuple[UUID, ...]
    notice: UUID


async def households(store: Store, count: int) -> list[Household]:
    made = []
    for number in range(count):
        scope = await member(store)
        folders = [Folder(label=f"{number}-{n}") for n in range(1 + number % 3)]
        notice = Notice(text=f"household {number}")
        async with store.session(scope) as session:
            await session.batch([*folders, notice])
        made.append(Household(scope, tuple(folder.id for folder in folders), notice.id))
    return made


async def test_a_connection_that_switches_tenants_answers_none_of_them_wrongly(wall: Wall) -> None:
    """With generic plans forced, through the plan functions, every second switch to another tenant's row."""
    dice = random.Random(7)
    async with wall.store(pool_size=1) as store:
        homes = await households(store, TENANTS)
        async with backend(store) as connection:
            await connection.execute("set plan_cache_mode = force_generic_plan")
        wrong = 0
        for _ in range(SWITCHES):
            home, other = dice.choice(homes), dice.choice(homes)
            wrong += await wrong_answers(store.engine, home, other, dice.randrange(4))
        async with backend(store) as connection:
            assert await connection.fetchval("show plan_cache_mode") == "force_generic_plan", (
                "the connection was replaced"
            )
        for home in homes:
            await store.engine.forget_tenant(home.scope.tenant_id, CATALOG)
    assert wrong == 0


async def wrong_answers(engine: object, home: Household, other: Household, what: int) -> int:
    assert isinstance(engine, PostgresEngine)
    if what == 0:
        page = await engine.run(home.scope, ListPlan(FOLDERS, 100, None))
        return [row["id"] for row in orjson.loads(b"[" + page.json + b"]")] != [
            str(i) for i in sorted(home.folders)
        ]
    if what == 1:
        async with engine.begin(home.scope, read_only=True) as tx:
            found = await tx.batch_get(FOLDERS, [*home.folders, *other.folders])
            mine = len(home.folders) * (2 if home is other else 1)
            return sum(stored is not None for stored in found) != mine
    row_id, schema = (other.folders[0], FOLDERS) if what == 2 else (other.notice, NOTICES)
    body = await engine.run(home.scope, GetPlan(schema, row_id))
    return (body is not None) != (home is other)


async def test_a_plan_writes_for_its_own_tenant_whoever_came_before(wall: Wall) -> None:
    """The same id in both tenants, changed in turn over one connection: each tenant's row keeps its own versions."""
    shared = new_id()
    async with wall.store(pool_size=1) as store:
        for scope in (wall.ann, wall.bob):
            async with store.session(scope) as session:
                await session.put(Notice(id=shared, text=str(scope.tenant_id)))
        for count in range(1, 11):
            for scope in (wall.ann, wall.bob):
                if scope is wall.bob and count % 2:
                    continue
                async with store.session(scope) as session:
                    await session.patch(Notice, shared, {"count": count})
        for scope, version in ((wall.ann, 11), (wall.bob, 6)):
            row = await store.read_row(scope, NOTICES, shared)
            assert row is not None
            assert (row["version"], row["text"], row["count"]) == (version, str(scope.tenant_id), 10)
            async with store.session(scope) as session:
                await session.delete(Notice, shared)


async def test_a_plan_that_names_another_tenants_row_finds_nothing(wall: Wall) -> None:
    theirs = wall.rows["bob"][2].id
    async with wall.store(pool_size=1) as store:
        before = await store.head(wall.ann), await store.head(wall.bob)
        for op in (Operation.UPDATE, Operation.DELETE):
            write = Write(NOTICES, op, theirs, {"count": 9} if op is Operation.UPDATE else {})
            plan = WritePlan(NOTICES, op, [PlannedWrite(write, everyone(wall.ann), utc_now())])
            (outcome,) = await store.engine.run(everyone(wall.ann), plan)
            assert isinstance(outcome, HoldfastError)
            assert outcome.code == "not_found"
        assert (await store.head(wall.ann), await store.head(wall.bob)) == before


def test_the_number_of_switches_is_not_small() -> None:
    assert SWITCHES >= 1000


def test_a_role_has_no_context_of_its_own(wall: Wall) -> None:
    with wall.runtime() as runtime:
        for setting in SETTINGS:
            assert run(runtime, "select current_setting(%s, true)", setting) == [(None,)]
