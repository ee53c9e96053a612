"""Every error of the driver and of PostgreSQL leaves as one of ours, and brings none of its text along."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from holdfast import Store, new_id
from holdfast.engines.postgres._errors import ContextMissing, OutsideFlush, translated
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.errors import (
    AlreadyExists,
    Busy,
    ConfigurationError,
    Duplicate,
    Forbidden,
    HoldfastError,
    InvalidInput,
    MigrationsPending,
    NotSupported,
    ReferenceMissing,
    SchemaError,
    TooLarge,
    Unavailable,
)
from tests.attack.entities import Folder, Notice, Reading
from tests.attack.wall import CATALOG, Wall, backend, run

FOLDERS = CATALOG.schema(Folder)
SECRET = "secret-5b0c"
FIELDS = {"S": "ERROR", "V": "ERROR", "M": SECRET, "D": SECRET, "H": SECRET, "W": SECRET, "q": SECRET}

SERVER_ERRORS = sorted(
    (
        kind
        for _, kind in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
        if issubclass(kind, asyncpg.PostgresError)
    ),
    key=lambda kind: kind.__name__,
)
CLIENT_KINDS: list[Any] = [
    kind
    for _, kind in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
    if issubclass(kind, (asyncpg.InterfaceError, asyncpg.InternalClientError))
]
CLIENT_ERRORS: list[Exception] = [
    *(kind(SECRET) for kind in CLIENT_KINDS),
    OSError(111, SECRET),
    ConnectionResetError(SECRET),
    BrokenPipeError(SECRET),
    TimeoutError(SECRET),
    ssl.SSLError(SECRET),
    asyncio.IncompleteReadError(SECRET.encode(), 99),
]


def told(error: BaseException) -> str:
    """All that a log would show of it."""
    return "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.__cause__)


@pytest.mark.parametrize("kind", SERVER_ERRORS, ids=lambda kind: kind.__name__)
def test_a_server_error_is_translated_without_its_text(kind: type[asyncpg.PostgresError]) -> None:
    state = getattr(kind, "sqlstate", None) or "99999"
    error = asyncpg.PostgresError.new({**FIELDS, "C": state})
    assert SECRET in str(error)
    for schema in (None, FOLDERS):
        with pytest.raises(HoldfastError) as caught, translated(schema):
            raise error
        assert SECRET not in told(caught.value)


@pytest.mark.parametrize("error", CLIENT_ERRORS, ids=lambda error: type(error).__name__)
def test_a_client_error_is_translated_without_its_text(error: Exception) -> None:
    with pytest.raises((Unavailable, ConfigurationError)) as caught, translated():
        raise error
    assert SECRET not in told(caught.value)


def test_all_of_the_drivers_exceptions_are_looked_at() -> None:
    looked_at = {*SERVER_ERRORS, *map(type, CLIENT_ERRORS)}
    every = [
        kind
        for _, kind in inspect.getmembers(asyncpg.exceptions, inspect.isclass)
        if issubclass(kind, Exception)
    ]
    rest = {kind.__name__ for kind in every if kind not in looked_at and not issubclass(kind, Warning)}
    assert rest == set()


SYNTHESISED: dict[str, type[HoldfastError]] = {
    "08006": Unavailable,
    "08P01": Unavailable,
    "22003": InvalidInput,
    "22021": InvalidInput,
    "23P01": InvalidInput,
    "25001": Unavailable,
    "26000": Unavailable,
    "28000": Unavailable,
    "40001": Busy,
    "42P05": Unavailable,
    "53100": Unavailable,
    "53200": Unavailable,
    "54001": TooLarge,
    "57P03": Unavailable,
    "58030": Unavailable,
    "P0001": HoldfastError,
    "XX000": HoldfastError,
    "XX001": HoldfastError,
}


@pytest.mark.parametrize("state", sorted(SYNTHESISED))
def test_a_class_of_errors_has_its_meaning(state: str) -> None:
    with pytest.raises(SYNTHESISED[state]) as caught, translated():
        raise asyncpg.PostgresError.new({**FIELDS, "C": state})
    assert type(caught.value) is SYNTHESISED[state]
    assert caught.value.retry == issubclass(SYNTHESISED[state], Unavailable)


def test_a_key_of_another_table_is_not_the_rows_own() -> None:
    taken = {**FIELDS, "C": "23505", "s": "holdfast", "t": "changes", "n": "changes_pkey"}
    with pytest.raises(HoldfastError) as caught, translated(FOLDERS):
        raise asyncpg.PostgresError.new(taken)
    assert type(caught.value) is HoldfastError


# -- provoked for real --------------------------------------------------------------------------------------------------


@contextmanager
def comes_as(kind: type[HoldfastError], state: str) -> Iterator[None]:
    """The block raises exactly this, because of that SQLSTATE."""
    with pytest.raises(HoldfastError) as caught:
        yield
    assert type(caught.value) is kind
    assert state in str(caught.value.__cause__)


STATEMENTS: list[tuple[str, type[HoldfastError], str]] = [
    ("22012", InvalidInput, "select 1 / 0"),
    ("22003", InvalidInput, "select 9223372036854775807 + 1"),
    ("22P02", ContextMissing, "select 'x'::uuid"),
    ("42704", ContextMissing, "select * from app.notices"),
    ("42501", Forbidden, "select * from realm.tenants"),
    ("42883", MigrationsPending, "select app.get_notices_00000000('', null)"),
    ("42P01", MigrationsPending, "select * from app.missing"),
    ("3F000", MigrationsPending, "create table missing.x ()"),
    ("42703", SchemaError, "select missing from app.notices"),
    ("42601", HoldfastError, "selec 1"),
    ("0A000", NotSupported, "copy app.readings from stdin"),
    (
        "ZH001",
        OutsideFlush,
        "begin; set local app.tenant_id = '00000000-0000-7000-8000-000000000001'; delete from app.notices",
    ),
    (
        "25006",
        Unavailable,
        "begin read only; select holdfast.lock_tenant('00000000-0000-7000-8000-000000000001')",
    ),
    ("57014", Busy, "set statement_timeout = 20; select pg_sleep(5)"),
    ("54001", TooLarge, "select " + "+".join(["1"] * 50_000)),
    ("26000", Unavailable, "execute missing"),
]


@pytest.mark.parametrize(
    ("state", "kind", "text"),
    STATEMENTS,
    ids=lambda part: part if isinstance(part, str) and len(part) == 5 else "",
)
async def test_a_statement_fails_as(wall: Wall, state: str, kind: type[HoldfastError], text: str) -> None:
    connection = await asyncpg.connect(wall.logins.runtime)
    try:
        with comes_as(kind, state), translated():
            await connection.execute(text)
    finally:
        await connection.close()


async def test_a_failed_transaction_takes_no_more(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store:
        with comes_as(Unavailable, "25P02"):
            async with store.engine.begin(wall.ann) as tx:
                with pytest.raises(InvalidInput), translated():
                    await tx.connection.execute("select 1 / 0")  # type: ignore[attr-defined]
                await tx.marks()


@pytest.mark.parametrize(
    ("state", "kind", "row"),
    [
        ("23505", AlreadyExists, lambda wall: Notice(id=wall.rows["ann"][2].id)),
        ("23505", Duplicate, lambda wall: Folder(label=wall.rows["ann"][0].label)),
        ("54000", TooLarge, None),
    ],
)
async def test_a_row_fails_as(
    wall: Wall, state: str, kind: type[HoldfastError], row: Callable[[Wall], Any] | None
) -> None:
    async with wall.store(pool_size=1) as store:
        with comes_as(kind, state):
            if row is None:
                await store.ingest(wall.ann, [Reading(sensor="".join(str(new_id()) for _ in range(900)))])
            else:
                await put(store, wall, row(wall))


async def put(store: Store, wall: Wall, row: Any) -> None:
    async with store.session(wall.ann) as session:
        await session.put(row)


@pytest.mark.parametrize(
    ("state", "kind", "change"),
    [
        ("23514", InvalidInput, "kind = 'other'"),
        ("23502", InvalidInput, "text = null"),
        ("22P02", ContextMissing, "id = 'x'"),
        ("42501", Forbidden, "tenant_id = gen_random_uuid()"),
    ],
)
async def test_a_row_that_the_store_would_not_let_through(
    wall: Wall, state: str, kind: type[HoldfastError], change: str
) -> None:
    async with wall.store(pool_size=1) as store:
        with comes_as(kind, state):
            async with store.engine.begin(wall.ann) as tx:
                await tx.lock()
                with translated():
                    await tx.connection.execute(f"update app.notices set {change}")  # type: ignore[attr-defined]


async def test_a_reference_to_nothing_fails_at_the_end(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store:
        with comes_as(ReferenceMissing, "23503"):
            async with store.engine.begin(wall.ann) as tx:
                await tx.lock()
                await tx.connection.execute("update app.papers set folder_id = gen_random_uuid()")  # type: ignore[attr-defined]


async def test_a_database_that_is_not_there(wall: Wall) -> None:
    with comes_as(SchemaError, "3D000"):
        await opened(wall, wall.logins.runtime.rpartition("/")[0] + "/missing")


async def test_a_wrong_password(wall: Wall) -> None:
    with comes_as(Unavailable, "28P01"):
        await opened(wall, wall.logins.runtime.replace("@", "x@"))


async def test_a_server_that_is_not_there(wall: Wall) -> None:
    with pytest.raises(Unavailable):
        await opened(wall, wall.logins.runtime.replace(f":{wall.server.port}", ":1"))


async def test_a_url_of_another_kind(wall: Wall) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await opened(wall, wall.logins.runtime.replace("postgresql:", "mysql:"))
    assert wall.logins.runtime.split(":")[2].split("@")[0] not in told(caught.value)


async def opened(wall: Wall, url: str) -> None:
    engine = await PostgresEngine.open(replace(wall.logins, runtime=url))
    await engine.aclose()


async def test_a_server_without_room(wall: Wall) -> None:
    with wall.connect("admin") as admin:
        run(admin, f"alter role {wall.roles.runtime} connection limit 1")
        try:
            async with wall.store(pool_size=4) as store, store.engine.begin(wall.ann):
                with comes_as(Busy, "53300"):
                    async with store.engine.begin(wall.bob):
                        pass
        finally:
            run(admin, f"alter role {wall.roles.runtime} connection limit -1")


async def test_a_session_that_is_ended(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store, backend(store) as connection:
        pid = connection.get_server_pid()
        sleeping = asyncio.ensure_future(connection.execute("select pg_sleep(20)"))
        await asyncio.sleep(0.1)
        with wall.connect("admin") as admin:
            run(admin, "select pg_terminate_backend(%s)", pid)
        with comes_as(Unavailable, "08003"), translated():
            await sleeping


async def test_a_table_that_changes_under_a_prepared_statement(wall: Wall) -> None:
    """The first call after it fails as one that may be repeated, and the next one succeeds."""
    async with wall.store(pool_size=1) as store:
        schema = CATALOG.schema(Reading)
        with wall.connect("admin") as admin:
            assert (await store.read_page(wall.ann, schema, {}))[0]
            run(admin, "alter table app.readings alter value type real")
            try:
                with pytest.raises(Unavailable):
                    await store.read_page(wall.ann, schema, {})
                assert (await store.read_page(wall.ann, schema, {}))[0]
            finally:
                run(admin, "alter table app.readings alter value type double precision")
