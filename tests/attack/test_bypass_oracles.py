"""What would tell one tenant that another's rows exist, how many they are, or what they hold."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

from holdfast.errors import AlreadyExists, Duplicate, HoldfastError, InvalidInput, ReferenceMissing
from tests.attack.entities import Folder, Paper, Reading
from tests.attack.wall import (
    CATALOG,
    COUNT_OF_BOB,
    FOLDERS_OF_A,
    Wall,
    backend,
    everyone,
    inside,
    refused,
    run,
    value,
)

FOLDERS = CATALOG.schema(Folder)
CANARY = "canary-7f3a91"


def test_33_conditions_of_ones_own_run_behind_the_policy(wall: Wall) -> None:
    """A division by zero over B's value would tell A that B holds it."""
    oracle = f"select count(*) from app.notices where 1 / (count - {COUNT_OF_BOB}) > -2"
    with wall.runtime() as runtime:
        with inside(runtime, wall.ann):
            assert value(runtime, oracle) == FOLDERS_OF_A
        with refused("22012"), inside(runtime, wall.bob):
            run(runtime, oracle)


def test_35_statistics_of_columns_are_hidden(wall: Wall) -> None:
    """Sizes and estimated row counts are not: `pg_class.reltuples` is everybody's. Nothing of ours passes them on."""
    with wall.connect("admin") as admin:
        run(admin, "analyze app.folders, app.papers, app.notices")
        assert value(admin, "select count(*) from pg_stats where schemaname = 'app'") > 0
    with wall.runtime() as runtime:
        for view in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
            assert value(runtime, f"select count(*) from {view} where schemaname = 'app'") == 0
        with refused("42501"):
            run(runtime, "select * from pg_statistic")
        assert not value(runtime, "select pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER')")


@pytest.mark.parametrize("name", ["ctid", "xmin", "tableoid", "tenant_id", "commit_salt", "oid"])
async def test_36_system_columns_are_no_fields(wall: Wall, name: str) -> None:
    async with wall.store(pool_size=1) as store:
        for where, sort in (({name: 1}, "id"), ({f"{name}__gt": 1}, "id"), ({}, name), ({}, f"-{name}")):
            with pytest.raises(InvalidInput):
                store.query(wall.ann, FOLDERS, where, sort=sort)


async def test_38_no_value_stands_in_a_statements_text(wall: Wall) -> None:
    """Sessions of one role see one another's statements: values go as parameters, on every path."""
    async with wall.store(pool_size=1) as store:
        folder, paper = Folder(label=CANARY), None
        async with store.session(wall.ann) as session:
            await session.put(folder)
        texts = [await last_statement(wall, store)]
        async with store.session(wall.ann) as session:
            paper = Paper(folder_id=folder.id, title=CANARY, body={CANARY: CANARY})
            await session.put(paper)
            await session.patch(Folder, folder.id, {"label": CANARY + "2"})
        texts.append(await last_statement(wall, store))
        async with store.session(wall.ann) as session:
            assert len((await session.select(Folder, {"label": CANARY + "2"})).items) == 1
            texts.append(await last_statement(wall, store))
        async with store.session(wall.ann) as session:
            await session.delete(Folder, folder.id)
        texts.append(await last_statement(wall, store))
        async with backend(store) as connection:
            prepared = await connection.fetchval(
                "select string_agg(statement, ' ') from pg_prepared_statements"
            )
        assert "papers" in prepared
        assert all(CANARY not in text for text in (*texts, prepared))


async def last_statement(wall: Wall, store: Any) -> str:
    """All statements that the runtime login's sessions ran last, as another session of that role sees them."""
    with wall.runtime() as other:
        text = "select string_agg(query, ' ') from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()"
        return str(value(other, text))


async def test_39_errors_carry_no_value(wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with wall.store(pool_size=1) as store:
        folder = Folder(label=CANARY)
        async with store.session(wall.ann) as session:
            await session.put(folder)
        for kind, row in (
            (Duplicate, Folder(label=CANARY)),
            (AlreadyExists, Folder(id=folder.id, label=CANARY + "3")),
            (ReferenceMissing, Paper(folder_id=wall.rows["bob"][0].id, title=CANARY)),
        ):
            with pytest.raises(kind) as caught:
                async with store.session(wall.ann) as session:
                    await session.put(row)
            told = "".join(traceback.format_exception(caught.value))
            assert CANARY not in told
            assert str(wall.bob.tenant_id) not in told
            assert isinstance(caught.value, HoldfastError)
        async with store.session(wall.ann) as session:
            await session.delete(Folder, folder.id)
    assert CANARY not in caplog.text


def test_41_copy(wall: Wall) -> None:
    """Out, a query obeys the policy; in, COPY is refused under row security, and bulk goes by INSERT … SELECT."""
    with wall.runtime() as runtime:
        with inside(runtime, everyone(wall.ann)):
            with runtime.cursor().copy("copy (select id from app.folders) to stdout") as out:
                assert sum(1 for _ in out.rows()) == FOLDERS_OF_A
            with refused("42501"), runtime.transaction():
                run(runtime, "copy app.folders to '/tmp/holdfast-copy'")
        with inside(runtime, everyone(wall.ann)), refused("0A000"), runtime.transaction():
            runtime.cursor().execute("copy app.readings from stdin")


async def test_41_the_sanctioned_way_in_bulk(wall: Wall) -> None:
    async with wall.store(pool_size=1) as store:
        before = await readings(wall)
        assert (
            await store.ingest(wall.ann, [Reading(sensor="bulk", value=float(n)) for n in range(500)]) == 500
        )
        assert await readings(wall) == {"ann": before["ann"] + 500, "bob": before["bob"]}
    with wall.connect("maintenance") as maintenance, maintenance.transaction():
        run(maintenance, "select set_config('app.tenant_id', %s, true)", str(wall.ann.tenant_id))
        run(maintenance, "delete from app.readings where sensor = 'bulk'")


async def readings(wall: Wall) -> dict[str, int]:
    counts = {}
    with wall.runtime() as runtime:
        for name, scope in (("ann", wall.ann), ("bob", wall.bob)):
            with inside(runtime, scope):
                counts[name] = int(value(runtime, "select count(*) from app.readings"))
    return counts
