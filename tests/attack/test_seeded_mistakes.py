"""Each mistake of `mistakes.py` is found by the inspection; the wall as it was built has no finding."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from holdfast.engines.port import Inspection
from holdfast.engines.postgres._inspect import inspect_database
from holdfast.engines.postgres._names import Roles
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.inspection.audit import audit_blocks
from holdfast.engines.postgres.inspection.named_sql import Block
from tests.attack.mistakes import MISTAKES, Mistake
from tests.attack.wall import CATALOG, Wall, run

MADE: dict[int, set[str]] = defaultdict(set)
SAID: dict[int, set[str]] = defaultdict(set)
"""Of each version: the mistakes that were made in this run, and all that was said of them."""


def named(text: str, wall: Wall) -> str:
    names = {role: getattr(wall.roles, role) for role in Roles.__slots__}
    return text.format(database=wall.logins.database, **names)


@pytest.fixture(scope="module")
async def administrator(wall: Wall) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(wall.logins.admin)
    yield connection
    await connection.close()


@asynccontextmanager
async def made(mistake: Mistake, wall: Wall, connection: asyncpg.Connection) -> AsyncIterator[None]:
    """The mistake, in a transaction that is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(named(mistake.break_it, wall))
        yield
    finally:
        await transaction.rollback()


def test_there_are_enough_mistakes_and_no_name_comes_twice() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 100


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
async def test_a_mistake_is_found(wall: Wall, administrator: asyncpg.Connection, mistake: Mistake) -> None:
    if wall.version < mistake.since:
        pytest.skip(f"PostgreSQL {wall.version} knows no such thing")
    async with made(mistake, wall, administrator):
        findings = (await inspect_database(administrator, list(CATALOG), wall.roles)).findings
        MADE[wall.version].add(mistake.name)
        SAID[wall.version].update(findings)
        expected = named(mistake.found, wall)
        found = [finding for finding in findings if expected in finding]
        assert found, findings
        if mistake.mended:
            await administrator.execute(proposed(found[0]))
            left = (await inspect_database(administrator, list(CATALOG), wall.roles)).findings
            assert found[0] not in left


def proposed(finding: str) -> str:
    """The SQL that a finding proposes, for within a transaction."""
    return finding.partition(". Fix: ")[2].removesuffix(".").removeprefix("begin; ").removesuffix("; commit")


def test_every_query_of_the_audit_is_provoked_by_a_mistake(wall: Wall) -> None:
    if len(MADE[wall.version]) < len([mistake for mistake in MISTAKES if mistake.since <= wall.version]):
        pytest.skip("only some of the mistakes were made in this run")
    silent = {
        block.name for block in audit_blocks(wall.version * 10_000) if not provoked(block, SAID[wall.version])
    }
    assert silent == {"21_dblink"}


def provoked(block: Block, findings: set[str]) -> bool:
    parts = re.split(r"\{\w+\}", block.facts["finding"])
    said = re.compile(".+".join(map(re.escape, parts)))
    return any(said.match(finding) for finding in findings)


async def test_an_extension_is_no_mistake_unless_it_reaches_out(
    wall: Wall, administrator: asyncpg.Connection
) -> None:
    there = {record[0] for record in await administrator.fetch("select name from pg_available_extensions")}
    for name, told in (
        ("vector", False),
        ("pg_trgm", False),
        ("pg_stat_statements", False),
        ("dblink", True),
    ):
        if name in there:
            async with made(Mistake(name, f"create extension {name} schema public", ""), wall, administrator):
                findings = (await inspect_database(administrator, list(CATALOG), wall.roles)).findings
            assert any(f"extension {name}: " in finding for finding in findings) == told
            assert bool(findings) == told


async def test_the_wall_as_built_has_no_finding(wall: Wall) -> None:
    inspection = await inspect(wall)
    assert inspection.findings == ()
    assert inspection.facts["conditions"] == "compared"
    assert inspection.facts["orphans"] == 0
    assert inspection.facts["tables"] == 12
    assert inspection.facts["server"].startswith(f"PostgreSQL {wall.version}")


async def test_a_finding_is_one_line_and_says_what_to_do(wall: Wall) -> None:
    with wall.connect("admin") as admin:
        run(admin, "alter table app.folders no force row level security")
        try:
            findings = (await inspect(wall)).findings
        finally:
            run(admin, "alter table app.folders force row level security")
    assert (
        'app.folders: row security is not forced. Fix: alter table "app"."folders" force row level security.'
        in findings
    )
    assert all("\n" not in finding and ". Fix: " in finding for finding in findings)
    assert (await inspect(wall)).findings == ()


async def test_without_an_administrator_it_looks_at_what_it_may_and_says_what_it_did_not(wall: Wall) -> None:
    inspection = await inspect(wall, admin=False)
    assert inspection.findings == ()
    assert inspection.facts["inspected_as"] == wall.roles.runtime
    assert inspection.facts["conditions"] == "not compared: this login may make no temporary table"
    assert inspection.facts["orphans"] == "not counted: this login may not read past row security"


async def test_the_runtime_login_finds_a_breach_by_itself(wall: Wall) -> None:
    with wall.connect("admin") as admin:
        run(
            admin,
            f"grant truncate on app.folders to {wall.roles.runtime}; drop policy notices_floor on app.notices",
        )
        try:
            findings = (await inspect(wall, admin=False)).findings
        finally:
            run(admin, f"revoke truncate on app.folders from {wall.roles.runtime}")
            run(admin, restore_floor(wall))
    assert any("TRUNCATE, which ignores row security" in finding for finding in findings)
    assert any("app.notices: no restrictive policy" in finding for finding in findings)
    assert (await inspect(wall)).findings == ()


async def inspect(wall: Wall, *, admin: bool = True) -> Inspection:
    engine = PostgresEngine(wall.logins if admin else replace(wall.logins, admin=None))
    return await engine.inspect(CATALOG)


def restore_floor(wall: Wall) -> str:
    to = f"{wall.roles.runtime}, {wall.roles.maintenance}"
    condition = "tenant_id = (select current_setting('app.tenant_id'))::uuid"
    return f"create policy notices_floor on app.notices as restrictive to {to} using ({condition}) with check ({condition})"
