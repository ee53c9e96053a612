"""The PostgreSQL engine under the conformance suite: a database for each engine, and the ways past the port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from holdfast.changes.change import new_salt
from holdfast.engines.port import Engine, Row, RowWrite
from holdfast.engines.postgres._names import TENANT, USER, table_name
from holdfast.engines.postgres._statements import Texts, read_row, rows_json
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.postgres.provision import Logins, new_passwords, provision
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.testing.conformance import Harness


class PostgresHarness(Harness):
    """A database for each engine, all on one server; the superuser's login is the way past the port."""

    lock_timeout = 0.5

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._logins: dict[Engine, Logins] = {}

    async def make_engine(self, steps: Sequence[Step]) -> Engine:
        logins = await provision(
            self._server.admin_url, database=f"kit_{uuid4().hex[:12]}", passwords=new_passwords()
        )
        engine = await PostgresEngine.open(logins)
        self._logins[engine] = logins
        if steps:
            await engine.apply(steps, revision="kit", checksum="kit")
        return engine

    async def close(self, engine: Engine) -> None:
        await engine.aclose()
        logins = self._logins.pop(engine)
        connection = await asyncpg.connect(self._server.admin_url)
        try:
            await connection.execute(f'drop database "{logins.database}" with (force)')
        finally:
            await connection.close()

    async def plant_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row) -> None:
        connection = await self._admin(engine)
        try:
            # Neither the guard's trigger nor those of the references run for a replica.
            await connection.execute("set session_replication_role = replica")
            await connection.execute(*_insert(schema, tenant_id, row))
        finally:
            await connection.close()

    async def peek_raw(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row_id: UUID
    ) -> Mapping[str, Any] | None:
        realm = schema.visibility == "realm"
        where = "id = $1" if realm else "id = $1 and tenant_id = $2"
        connection = await self._admin(engine)
        try:
            text = f"select * from {table_name(schema)} where {where}"
            record = await connection.fetchrow(text, row_id, *(() if realm else (tenant_id,)))
        finally:
            await connection.close()
        return None if record is None else read_row(schema, record)

    async def write_raw_outside_flush(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row
    ) -> None:
        connection = await asyncpg.connect(self._logins[engine].runtime)
        try:
            async with connection.transaction():
                await connection.execute(f"set local {TENANT} = '{tenant_id}'; set local {USER} = '*'")
                await connection.execute(*_insert(schema, tenant_id, row))
        finally:
            await connection.close()

    async def _admin(self, engine: Engine) -> asyncpg.Connection:
        return await asyncpg.connect(self._logins[engine].admin)


def _insert(schema: EntitySchema, tenant_id: UUID, row: Row) -> tuple[Any, ...]:
    texts = Texts(schema)
    tenant = () if schema.visibility == "realm" else (tenant_id,)
    return texts.insert, rows_json([RowWrite(schema, row["id"], row, 0, new_salt())]), *tenant
