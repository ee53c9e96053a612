"""Steps that validate, under FORCE: they look at no row and pass. That they do, that lifting FORCE mends it, and that the
inspection counts what got through all the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from holdfast.engines.postgres._inspect import inspect_database
from tests.attack.wall import CATALOG, Wall

DROP = "alter table app.papers drop constraint papers_folder_id_fkey"
ADD = """alter table app.papers add constraint papers_folder_id_fkey foreign key (tenant_id, folder_id)
  references app.folders (tenant_id, id) deferrable initially deferred"""
LIFT = "alter table app.papers {0} force row level security; alter table app.folders {0} force row level security"
ORPHANS = "app.papers: 2 rows refer by tenant_id, folder_id to no row of app.folders"


@asynccontextmanager
async def orphaned(wall: Wall) -> AsyncIterator[asyncpg.Connection]:
    """The owner, in a transaction that is undone, in a database where two papers lie in no folder."""
    connection = await asyncpg.connect(wall.logins.admin)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(
            "delete from app.folders where id in (select folder_id from app.papers limit 2)"
        )
        await connection.execute(
            f"set local session_replication_role = origin; set local role {wall.roles.owner}"
        )
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


async def test_a_foreign_key_added_under_force_passes_over_orphans(wall: Wall) -> None:
    async with orphaned(wall) as owner:
        await owner.execute(DROP)
        await owner.execute(ADD)
        valid = "select convalidated from pg_constraint where conname = 'papers_folder_id_fkey'"
        assert await owner.fetchval(valid) is True
        await owner.execute("reset role")
        findings = (await inspect_database(owner, list(CATALOG), wall.roles)).findings
    assert [finding for finding in findings if ORPHANS in finding] == list(findings)


async def test_a_constraint_validated_under_force_passes_over_orphans(wall: Wall) -> None:
    async with orphaned(wall) as owner:
        await owner.execute(
            f"{DROP}; {ADD} not valid; alter table app.papers validate constraint papers_folder_id_fkey"
        )
        await owner.execute("reset role")
        findings = (await inspect_database(owner, list(CATALOG), wall.roles)).findings
    assert [finding for finding in findings if ORPHANS in finding] == list(findings)


async def test_with_force_lifted_orphans_fail_the_step(wall: Wall) -> None:
    for step in (ADD, f"{ADD} not valid; alter table app.papers validate constraint papers_folder_id_fkey"):
        async with orphaned(wall) as owner:
            await owner.execute(f"{DROP}; {LIFT.format('no')}")
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await owner.execute(step)


async def test_a_backfill_under_force_changes_nothing(wall: Wall) -> None:
    async with orphaned(wall) as owner:
        await owner.execute("set local app.flush = 'on'")
        assert await owner.execute("update app.notices set count = count + 1") == "UPDATE 0"
        await owner.execute("alter table app.notices no force row level security")
        assert await owner.execute("update app.notices set count = count + 1") == "UPDATE 8"
