"""`PostgresEngine`: pools for the runtime, realm and maintenance logins; transactions; plans in one round trip."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson

from holdfast.engines.port import (
    Body,
    BodyPage,
    Capability,
    GetPlan,
    Inspection,
    Limits,
    ListPlan,
    Plan,
    R,
    Row,
    RowWrite,
    WritePlan,
)
from holdfast.engines.postgres._ddl import statements
from holdfast.engines.postgres._errors import translated
from holdfast.engines.postgres._inspect import inspect_database
from holdfast.engines.postgres._names import TENANT, USER, plan_name, table_name
from holdfast.engines.postgres._statements import Texts, rows_json, texts_of
from holdfast.engines.postgres._writes import outcomes_of, write_json
from holdfast.engines.postgres.provision import Logins
from holdfast.engines.postgres.transaction import PostgresTransaction, user_context
from holdfast.errors import ConfigurationError, NotSupported, SchemaError
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.tenancy.isolation import Isolation
from holdfast.tenancy.scope import Scope

_ROLLBACK_SECONDS = 5.0
_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "30s"
_MAX_TENANT_SHARE = 0.5


async def _keep(_connection: asyncpg.Connection) -> None:
    """Nothing to reset on release: the context is local to its transaction."""


class PostgresEngine:
    """Rows in PostgreSQL, tenants kept apart by the database itself."""

    name = "postgresql"
    isolation = Isolation.DATABASE
    capabilities = frozenset(
        {
            Capability.PLANS,
            Capability.ROW_SECURITY,
            Capability.DURABLE,
            Capability.LARGE_TRANSACTIONS,
            Capability.INGEST,
        }
    )

    def __init__(self, logins: Logins, *, pool_size: int = 10) -> None:
        """Nothing is opened before it is used; `open` does it at once, and checks what it finds."""
        self.limits = Limits()
        self._logins = logins
        self._pool_size = pool_size
        self._pools: dict[str, asyncpg.Pool] = {}
        self._texts: dict[str, Texts] = {}
        self._plan_texts: dict[tuple[str, str, str], str] = {}

    @classmethod
    async def open(
        cls, logins: Logins, *, pool_size: int = 10, statement_cache: bool = True
    ) -> PostgresEngine:
        """The engine, connected. Raises ConfigurationError for a runtime login that could bypass row security."""
        engine = cls(logins, pool_size=pool_size)
        engine._statement_cache = statement_cache
        engine._runtime = await engine._pool("runtime")
        await engine._refuse_powerful_login()
        return engine

    _statement_cache = True
    _runtime: asyncpg.Pool

    async def _pool(self, login: str) -> asyncpg.Pool:
        if login not in self._pools:
            url: str | None = getattr(self._logins, login)
            if url is None:
                raise ConfigurationError(
                    f"there is no {login} login for this database",
                    hint="Run `holdfast migrate roles`, or give DATABASE_ADMIN_URL.",
                )
            self._pools[login] = await self._connect(url, self._pool_size if login == "runtime" else 4)
        return self._pools[login]

    async def _connect(self, url: str, size: int) -> asyncpg.Pool:
        settings = {
            "application_name": "holdfast",
            "lock_timeout": _LOCK_TIMEOUT,
            "statement_timeout": _STATEMENT_TIMEOUT,
            "jit": "off",
        }
        cache = {} if self._statement_cache else {"statement_cache_size": 0}
        with translated():
            pool = await asyncpg.create_pool(
                url, min_size=1, max_size=size, reset=_keep, server_settings=settings, timeout=10, **cache
            )
        return cast("asyncpg.Pool", pool)

    async def _refuse_powerful_login(self) -> None:
        owner = self._logins.roles.owner.replace("'", "''")
        text = f"""with mine as (select * from pg_roles p where pg_has_role(session_user, p.oid, 'MEMBER'))
          select exists (select from mine m where m.rolsuper or m.rolbypassrls) as free,
          exists (select from mine m where m.rolname = '{owner}' or exists
                   (select from pg_class c where c.relrowsecurity and c.relowner = m.oid)) as owner
          from pg_roles r where r.rolname = current_user"""
        with translated():
            record = await self._runtime.fetchrow(text)
        if record["free"] or record["owner"]:
            await self.aclose()
            raise ConfigurationError(
                "the runtime login could bypass row security: it is, or can become, a superuser, an owner or BYPASSRLS",
                where="DATABASE_URL",
                hint="Give this login as DATABASE_ADMIN_URL, and let `holdfast migrate roles` make a runtime login.",
            )

    # -- transactions ---------------------------------------------------------------------------------------------

    def begin(
        self, scope: Scope, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[PostgresTransaction]:
        """See the port."""
        return self._begin(scope, "realm" if scope.is_realm else "runtime", read_only=read_only)

    @asynccontextmanager
    async def _begin(
        self, scope: Scope, login: str, *, read_only: bool
    ) -> AsyncIterator[PostgresTransaction]:
        mode = "isolation level repeatable read read only" if read_only else "isolation level read committed"
        enter = "" if scope.is_realm else _enter(scope)
        pool = await self._pool(login)
        with translated():
            connection = await pool.acquire()
        try:
            with translated():
                await connection.execute(f"begin {mode}; {enter}")
            yield PostgresTransaction(connection, scope, self._texts)
            with translated():
                await connection.execute("commit")
        except BaseException:
            await _roll_back(connection)
            raise
        finally:
            await pool.release(connection)

    async def ingest(self, scope: Scope, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """See the port."""
        writes = [RowWrite(schema, row["id"], row, 0, b"") for row in rows]
        tenant = () if scope.is_realm else (scope.tenant_id,)
        async with self.begin(scope) as tx:
            with translated(schema):
                await tx.connection.execute(texts_of(schema, self._texts).insert, rows_json(writes), *tenant)

    # -- plans ----------------------------------------------------------------------------------------------------

    async def run(self, scope: Scope, plan: Plan[R]) -> R:
        """See the port."""
        if isinstance(plan, GetPlan):
            return cast("R", await self._get(scope, plan))
        if isinstance(plan, ListPlan):
            return cast("R", await self._list(scope, plan))
        if isinstance(plan, WritePlan):
            return cast("R", await self._write(scope, plan))
        raise NotSupported("this engine has no such plan", where=type(plan).__name__)

    async def _get(self, scope: Scope, plan: GetPlan) -> Body | None:
        text = self._plan_text(plan.schema, "get", "$1, $2")
        with translated(plan.schema):
            record = await self._runtime.fetchrow(text, _context(scope), plan.row_id)
        version, body = record
        return None if body is None else Body(body.encode(), version)

    async def _list(self, scope: Scope, plan: ListPlan) -> BodyPage:
        text = self._plan_text(plan.schema, "list", "$1, $2, $3")
        with translated(plan.schema):
            body, following = await self._runtime.fetchrow(text, _context(scope), plan.limit, plan.after)
        return BodyPage((body or "").encode(), following)

    async def _write(self, scope: Scope, plan: WritePlan) -> Any:
        verb = _VERBS[plan.op]
        text = self._plan_text(plan.schema, verb, "$1, $2")
        argument = orjson.dumps([write_json(planned) for planned in plan.writes]).decode()
        with translated(plan.schema):
            records = await self._runtime.fetch(text, _context(scope), argument)
        return outcomes_of(plan, records)

    def _plan_text(self, schema: EntitySchema, verb: str, arguments: str) -> str:
        key = (schema.name, schema.digest, verb)
        text = self._plan_texts.get(key)
        if text is None:
            text = self._plan_texts[key] = f"select * from {plan_name(schema, verb)}({arguments})"
        return text

    # -- schema ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _as_owner(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the administrator that has become the owner."""
        if self._logins.admin is None:
            raise ConfigurationError(
                "changing the schema needs an administrator's login",
                where="DATABASE_ADMIN_URL",
                hint="Set DATABASE_ADMIN_URL to a login that may become the owner.",
            )
        with translated():
            connection = await asyncpg.connect(self._logins.admin, timeout=10)
        try:
            with translated():
                await connection.execute(f'set role "{self._logins.roles.owner}"')
            yield connection
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=5)

    async def apply(self, steps: Sequence[Step], *, revision: str, checksum: str) -> None:
        """See the port. One transaction, so that a revision is there or not."""
        async with self._as_owner() as connection:
            with translated():
                async with connection.transaction():
                    await connection.execute(
                        "set local lock_timeout = '60s'; select pg_advisory_xact_lock(7271626)"
                    )
                    if await _is_applied(connection, revision):
                        return
                    for step in steps:
                        for statement in statements(step, self._logins.roles):
                            await connection.execute(statement)
                    await connection.execute(
                        "insert into holdfast.revisions (revision, checksum) values ($1, $2)",
                        revision,
                        checksum,
                    )

    def sql(self, steps: Sequence[Step]) -> list[str]:
        """What `apply` would run, for people to read."""
        return [statement for step in steps for statement in statements(step, self._logins.roles)]

    async def applied(self) -> dict[str, str]:
        """See the port."""
        async with self._reader() as connection:
            if await connection.fetchval("select to_regclass('holdfast.revisions')") is None:
                await _refuse_foreign(connection)
                return {}
            records = await connection.fetch("select revision, checksum from holdfast.revisions")
        return {record["revision"]: record["checksum"] for record in records}

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[asyncpg.Connection]:
        pool = await self._pool("runtime")
        with translated():
            async with pool.acquire() as connection:
                yield connection

    async def inspect(self, schemas: Iterable[EntitySchema]) -> Inspection:
        """See the port. Uses the administrator's login where there is one, because only it may count orphans."""
        login = self._logins.admin or self._logins.runtime
        with translated():
            connection = await asyncpg.connect(login, timeout=10)
            try:
                return await inspect_database(connection, list(schemas), self._logins.roles)
            finally:
                await connection.close(timeout=5)

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """See the port."""
        scope = Scope.system(tenant_id, reason="forget the tenant")
        tables = [table_name(schema) for schema in schemas if schema.visibility != "realm"]
        log = ["holdfast.field_history", "holdfast.changes"]
        async with self._begin(scope, "maintenance", read_only=False) as tx:
            with translated():
                # A tenant may have more rows than the time of one statement allows; nobody else waits for them.
                await tx.connection.execute("set local app.flush = 'on'; set local statement_timeout = 0")
                # The counter first, as everywhere: whoever writes meanwhile waits, and begins again from nothing.
                for table in ("holdfast.tenant_heads", *tables, *log):
                    await tx.connection.execute(f"delete from {table} where tenant_id = $1", tenant_id)

    async def ping(self) -> None:
        """See the port."""
        with translated():
            await self._runtime.fetchval("select 1")

    async def facts(self) -> dict[str, Any]:
        """What `status` prints: versions and the pool."""
        async with self._reader() as connection:
            version = await connection.fetchval("show server_version")
        pool = self._runtime
        return {
            "server": f"PostgreSQL {version}",
            "pool": {"size": pool.get_size(), "idle": pool.get_idle_size(), "max": pool.get_max_size()},
        }

    async def aclose(self) -> None:
        """Close the pools; what runs is given ten seconds."""
        for pool in self._pools.values():
            try:
                async with asyncio.timeout(10):
                    await pool.close()
            except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                pool.terminate()
        self._pools.clear()


_VERBS = {"c": "create", "u": "update", "d": "delete"}


def _context(scope: Scope) -> str:
    return f"{scope.tenant_id} {user_context(scope)}"


def _enter(scope: Scope) -> str:
    """The settings that the row policies read. Both are UUIDs or `*`: nothing to quote."""
    return f"set local {TENANT} = '{scope.tenant_id}'; set local {USER} = '{user_context(scope)}'"


async def _roll_back(connection: asyncpg.Connection) -> None:
    """Undo what is open. A connection that does not say in time that it has is cut, which undoes it as well."""
    try:
        await connection.execute("rollback", timeout=_ROLLBACK_SECONDS)
    except Exception:  # noqa: BLE001
        with contextlib.suppress(asyncpg.InterfaceError):  # it is gone already
            connection.terminate()
    except BaseException:
        connection.terminate()
        raise


async def _is_applied(connection: asyncpg.Connection, revision: str) -> bool:
    """Whether another migrator was faster; the advisory lock is held."""
    if await connection.fetchval("select to_regclass('holdfast.revisions')") is None:
        return False
    return bool(
        await connection.fetchval(
            "select exists (select from holdfast.revisions where revision = $1)", revision
        )
    )


async def _refuse_foreign(connection: asyncpg.Connection) -> None:
    text = """select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""
    if await connection.fetchval(text):
        raise SchemaError(
            "this database holds tables that are not Holdfast's",
            hint="Holdfast wants a database of its own: create an empty one and name it in DATABASE_URL.",
        )
