"""A database made by an administrator who is no superuser, as managed servers give one: the wall stands all the same, and
the inspection says what it could not close and could not look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import Logins, new_passwords, provision
from tests.attack.wall import CATALOG, steps

ROLES = ("owner", "runtime", "realm", "maintenance", "backup", "dba")
URL = "postgresql://plain_dba:x@{host}/postgres"


@contextmanager
def plain_administrator(server: EmbeddedServer) -> Iterator[str]:
    with psycopg.connect(server.admin_url, autocommit=True) as admin:
        remove(admin)
        admin.execute("create role plain_dba login createrole createdb password 'x'")
        try:
            yield URL.format(host=server.admin_url.rpartition("@")[2].partition("/")[0])
        finally:
            remove(admin)


def remove(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    admin.execute("drop database if exists plain with (force)")
    for role in ROLES:
        admin.execute(f"drop role if exists plain_{role}".encode())


@pytest.fixture
def administrator(postgres_server: EmbeddedServer) -> Iterator[str]:
    with plain_administrator(postgres_server) as url:
        yield url


async def test_the_wall_stands_without_a_superuser(administrator: str) -> None:
    logins: Logins = await provision(administrator, database="plain", passwords=new_passwords())
    engine = await PostgresEngine.open(logins, pool_size=1)
    await engine.apply(steps(), revision="test_0001", checksum="test")
    inspection = await engine.inspect(CATALOG)
    await engine.aclose()
    assert inspection.facts["conditions"] == "compared"
    assert inspection.facts["orphans"] == "not counted: this login may not read past row security"
    open_to_all = [finding for finding in inspection.findings if "on large objects" in finding]
    assert len(open_to_all) == 3, (
        "only a superuser closes large objects, and the audit says that they are open"
    )
    assert list(inspection.findings) == open_to_all
