"""`PostgresEngine`: pools for the runtime, realm and maintenance logins; transactions; plans in one round trip."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson

from holdfast.engines.admission import SHARE
from holdfast.engines.port import (
    CALM,
    Applied,
    Body,
    BodyPage,
    Capability,
    Control,
    GetPlan,
    GetTogetherPlan,
    HistoryKey,
    Inspection,
    Limits,
    ListPlan,
    Outcome,
    Plan,
    Position,
    Pruned,
    R,
    Row,
    RowWrite,
    UnderWay,
    WritePlan,
)
from holdfast.engines.postgres import pruning
from holdfast.engines.postgres._alter import ASIDE
from holdfast.engines.postgres._ddl import ledger
from holdfast.engines.postgres._errors import bare, translate, translated
from holdfast.engines.postgres._inspect import inspect_database
from holdfast.engines.postgres._migrator import DOWN, MIGRATING, UNDER_WAY, Migrator, one_migrator
from holdfast.engines.postgres._names import TENANT, USER, plan_name, table_name
from holdfast.engines.postgres._refresh import open_set_aside, refresh_plans
from holdfast.engines.postgres._statements import (
    Texts,
    rows_json,
    select_together,
    split_together,
    texts_of,
)
from holdfast.engines.postgres._writes import outcomes_of, write_json
from holdfast.engines.postgres.pool import Pool
from holdfast.engines.postgres.provision import Logins
from holdfast.engines.postgres.review import sql_lines
from holdfast.engines.postgres.transaction import PostgresTransaction, user_context
from holdfast.errors import ConfigurationError, Forbidden, NotSupported, SchemaError, Unavailable
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.tenancy.isolation import Isolation
from holdfast.tenancy.scope import Scope

_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "30s"
_ANSWER_SECONDS = 35.0
"""How long an answer may take. Past the statement's own timeout: the server, or the way to it, is no longer there."""
_ROLLBACK_SECONDS = 5.0
_DAY_SECONDS = 86_400.0


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
            Capability.STREAM,
        }
    )
    limits = Limits()

    def __init__(self, logins: Logins, *, pool_size: int = 10) -> None:
        """Nothing is opened before it is used; `open` does it at once, and checks what it finds."""
        self._logins = logins
        self._pool_size = pool_size
        self._pools: dict[str, Pool] = {}
        self._texts: dict[str, Texts] = {}
        self._plan_texts: dict[tuple[str, str, str], str] = {}

    @classmethod
    async def open(
        cls, logins: Logins, *, pool_size: int = 10, statement_cache: bool = True
    ) -> PostgresEngine:
        """The engine, connected. Raises ConfigurationError for a runtime login that could bypass row security.

        `statement_cache=False` is for a pooler in transaction mode that does not know prepared statements.
        """
        engine = cls(logins, pool_size=pool_size)
        engine._statement_cache = statement_cache
        await engine._refuse_powerful_login()
        return engine

    _statement_cache = True

    def _pool(self, login: str) -> Pool:
        pool = self._pools.get(login)
        if pool is None:
            url: str | None = getattr(self._logins, login)
            if url is None:
                raise ConfigurationError(
                    f"there is no {login} login for this database",
                    hint="Run `holdfast migrate roles`, or give DATABASE_ADMIN_URL.",
                )
            runtime = login == "runtime"
            size, share = (self._pool_size, SHARE) if runtime else (4, 1.0)
            pool = self._pools[login] = Pool(partial(self._connect, url), size, share=share)
        return pool

    async def _connect(self, url: str) -> asyncpg.Connection:
        settings = {
            "application_name": "holdfast",
            "lock_timeout": _LOCK_TIMEOUT,
            "statement_timeout": _STATEMENT_TIMEOUT,
            "jit": "off",
        }
        cache = {} if self._statement_cache else {"statement_cache_size": 0}
        return await asyncpg.connect(
            url, server_settings=settings, timeout=10, command_timeout=_ANSWER_SECONDS, **cache
        )

    async def _refuse_powerful_login(self) -> None:
        owner = self._logins.roles.owner.replace("'", "''")
        text = f"""with mine as (select * from pg_roles p where pg_has_role(session_user, p.oid, 'MEMBER'))
          select exists (select from mine m where m.rolsuper or m.rolbypassrls) as free,
          exists (select from mine m where m.rolname = '{owner}' or exists
                   (select from pg_class c where c.relrowsecurity and c.relowner = m.oid)) as owner
          from pg_roles r where r.rolname = current_user"""
        async with self._reader() as connection:
            record = await connection.fetchrow(text)
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
        async with self._connection(scope, login) as connection:
            try:
                with translated():
                    await connection.execute(f"begin {mode}; {enter}")
                yield PostgresTransaction(connection, scope, self._texts)
                if read_only and connection.is_closed():  # by a stream that was left early
                    return
                with translated():
                    ended = await connection.execute("commit")
                # PostgreSQL undoes a transaction with a failed statement when it is committed, and calls that no error.
                if ended != "COMMIT" and not read_only:
                    raise Unavailable("a statement of the transaction had failed, so all of it was undone")
            except BaseException:
                await _roll_back(connection)
                raise

    @asynccontextmanager
    async def _connection(self, scope: Scope, login: str) -> AsyncIterator[asyncpg.Connection]:
        pool = self._pool(login)
        connection = await pool.take(scope.tenant_id)
        try:
            yield connection
        finally:
            pool.give(scope.tenant_id, connection)

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
        if isinstance(plan, GetTogetherPlan):
            return cast("R", await self._get_together(scope, plan))
        raise NotSupported("this engine has no such plan", where=type(plan).__name__)

    async def _get(self, scope: Scope, plan: GetPlan) -> Body | None:
        text = self._plan_text(plan.schema, "get", "$1, $2")
        ((version, body),) = await self._call(
            "runtime", scope, plan.schema, text, _context(scope), plan.row_id
        )
        return None if body is None else Body(body.encode(), version)

    async def _get_together(self, scope: Scope, plan: GetTogetherPlan) -> list[Row | None]:
        if not scope.is_realm:
            raise NotSupported("only rows of the realm are read together")
        schemas = [schema for schema, _ in plan.keys]
        key = ("together", "", " ".join(schema.name for schema in schemas))
        text = self._plan_texts.get(key)
        if text is None:
            text = self._plan_texts[key] = select_together(schemas)
        ids = [row_id for _, row_id in plan.keys]
        (record,) = await self._call("realm", scope, schemas[0], text, *ids)
        return split_together(schemas, tuple(record))

    async def _list(self, scope: Scope, plan: ListPlan) -> BodyPage:
        text = self._plan_text(plan.schema, "list", "$1, $2, $3")
        ((body, following),) = await self._call(
            "runtime", scope, plan.schema, text, _context(scope), plan.limit, plan.after
        )
        return BodyPage((body or "").encode(), following)

    async def _write(self, scope: Scope, plan: WritePlan) -> list[Outcome | Exception]:
        text = self._plan_text(plan.schema, _VERBS[plan.op], "$1, $2")
        argument = orjson.dumps([write_json(planned) for planned in plan.writes]).decode()
        return outcomes_of(
            plan, await self._call("runtime", scope, plan.schema, text, _context(scope), argument)
        )

    async def _call(
        self, login: str, scope: Scope, schema: EntitySchema, text: str, *arguments: Any
    ) -> list[Any]:
        """One round trip. A call that is cancelled is stopped on the server too, where it would otherwise go on and commit."""
        pool = self._pool(login)
        connection = await pool.take(scope.tenant_id)
        give = pool.give
        try:
            return cast("list[Any]", await connection.fetch(text, *arguments))
        except asyncpg.PostgresError as error:
            raise translate(error, schema) from bare(error)
        except asyncio.CancelledError:
            give = pool.settle
            raise
        except BaseException as error:
            connection.terminate()
            if isinstance(error, Exception):
                raise Unavailable("the connection to the database was lost") from bare(error)
            raise
        finally:
            give(scope.tenant_id, connection)

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

    async def apply(
        self, steps: Sequence[Step], *, revision: str, checksum: str, control: Control = CALM
    ) -> None:
        """See the port. What makes new things is one transaction; what changes others goes step by step, and can go on."""
        async with self._as_migrator() as connection:
            if await _is_applied(connection, revision):
                return
            await Migrator(connection, self._logins.roles, revision, control).run(steps)
            await connection.execute(
                "insert into holdfast.revisions (revision, checksum) values ($1, $2)", revision, checksum
            )

    async def revert(self, steps: Sequence[Step], *, revision: str, control: Control = CALM) -> None:
        """See the port."""
        async with self._as_migrator() as connection:
            if not await _is_applied(connection, revision):
                return
            key = revision + DOWN
            await Migrator(connection, self._logins.roles, key, control).run(steps)
            async with connection.transaction():
                await connection.execute("delete from holdfast.revisions where revision = $1", revision)
                await connection.execute(
                    "delete from holdfast.revision_steps where revision = any($1::text[])", [revision, key]
                )

    async def foresee(self, steps: Sequence[Step], *, control: Control = CALM) -> None:
        """See the port."""
        async with self._as_migrator() as connection:
            await Migrator(connection, self._logins.roles, "", control).foresee(steps)

    async def under_way(self) -> list[UnderWay]:
        """See the port."""
        async with self._reader() as connection:
            if await connection.fetchval("select to_regclass('holdfast.revision_steps')") is None:
                return []
            records = await connection.fetch(UNDER_WAY)
        return [
            UnderWay(
                r["revision"].removesuffix(DOWN), DOWN in r["revision"], frozenset(r["done"]), r["begun"]
            )
            for r in records
        ]

    async def is_migrating(self) -> bool:
        """See the port."""
        async with self._reader() as connection:
            return bool(await connection.fetchval(MIGRATING))

    async def abandon(
        self, steps: Sequence[Step], *, revision: str, checksum: str, left: int, control: Control = CALM
    ) -> None:
        """See the port."""
        async with self._as_migrator() as connection, connection.transaction():
            found = await connection.fetchval(
                "delete from holdfast.revision_steps where revision = $1 returning step", revision + DOWN
            )
            if found is None:
                return  # somebody else was faster
            await connection.execute("delete from holdfast.revisions where revision = $1", revision)
            await connection.execute("delete from holdfast.revision_steps where revision = $1", revision)
            await connection.execute(_LEFT, revision, left, checksum, control.release, control.phase)

    @asynccontextmanager
    async def _as_migrator(self) -> AsyncIterator[asyncpg.Connection]:
        """The owner's connection, alone among migrators, with the ledger."""
        try:
            async with self._as_owner() as connection, one_migrator(connection):
                with translated():
                    async with connection.transaction():
                        await connection.execute(ledger(self._logins.roles))
                    yield connection
        except Forbidden as error:
            error.hint = error.hint or (
                "DATABASE_ADMIN_URL must be able to become the owner of the database and of what Holdfast makes in it; "
                "`holdfast migrate roles --sql` prints what an administrator may run first."
            )
            raise

    async def refresh(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """See the port: generated functions whose body is not the one that this release generates."""
        async with self._as_migrator() as connection:
            await open_set_aside(connection, self._logins.roles)
            return await refresh_plans(connection, list(schemas), self._logins.roles)

    def sql(self, steps: Sequence[Step]) -> list[str]:
        """What `apply` would run, for people to read."""
        return sql_lines(steps, self._logins.roles)

    async def history(self) -> list[Applied]:
        """See the port."""
        applied = await self.applied()
        if not applied:
            return []
        async with self._reader() as connection:
            if await connection.fetchval("select to_regclass('holdfast.revision_steps')") is None:
                records = await connection.fetch(_LEDGER_ALONE)  # of a release that kept no steps
            else:
                records = await connection.fetch(_LEDGER)
        return [Applied(*record) for record in records]

    async def applied(self) -> dict[str, str]:
        """See the port."""
        async with self._reader() as connection:
            if not await _has_ledger(connection):
                return {}
            records = await connection.fetch("select revision, checksum from holdfast.revisions")
        return {record["revision"]: record["checksum"] for record in records}

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._connection(Scope.realm(reason="look at the schema"), "runtime") as connection:
            with translated():
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

    async def shows_bare(self, scope: Scope, schema: EntitySchema, row_id: UUID) -> bool:
        """See the port: with the login that serves, as it serves, so that the policies alone decide."""
        text = f"select exists (select from {table_name(schema)} where id = $1)"
        async with self.begin(scope, read_only=True) as tx:
            with translated(schema):
                return bool(await tx.connection.fetchval(text, row_id))

    async def collect(self, tenant_id: UUID, horizon: int) -> int:
        """See the port."""
        scope = Scope.system(tenant_id, reason="collect tombstones")
        async with self._begin(scope, "maintenance", read_only=False) as tx:
            with translated():
                await tx.connection.execute(_PRUNE)
                # The counter first, as everywhere: whoever writes meanwhile is waited for.
                reached = await tx.connection.fetchval(_RAISE_HORIZON, tenant_id, horizon)
                status = await tx.connection.execute(_COLLECT, tenant_id, reached or 0, timeout=_DAY_SECONDS)
        return int(status.rsplit(" ", 1)[1])

    async def prune_history(
        self, tenant_id: UUID, upto: int, *, after: HistoryKey | None = None, limit: int = 5_000
    ) -> Pruned:
        """See the port."""
        scope = Scope.system(tenant_id, reason="prune the history")
        async with self._begin(scope, "maintenance", read_only=False) as tx:
            with translated():
                await tx.connection.execute(_PRUNE)
                return await pruning.prune_history(tx.connection, tenant_id, upto, after, limit)

    async def stale_plans(self, schemas: Iterable[EntitySchema]) -> list[str]:
        """See the port."""
        async with self._reader() as connection:
            return await pruning.stale_plans(connection, schemas)

    async def drop_plans(self, names: Sequence[str]) -> int:
        """See the port."""
        async with self._as_owner() as connection:
            with translated():
                await connection.execute("set lock_timeout = '500ms'")
                return await pruning.drop_plans(connection, names)

    async def position(self) -> Position:
        """See the port. Another cluster, timeline or database is another medium."""
        async with self._reader() as connection:
            return Position(*await connection.fetchrow(_POSITION))

    async def forget_tenant(self, tenant_id: UUID, schemas: Iterable[EntitySchema]) -> None:
        """See the port."""
        scope = Scope.system(tenant_id, reason="forget the tenant")
        tables = [table_name(schema) for schema in schemas if schema.visibility != "realm"]
        log = ["holdfast.field_history", "holdfast.tombstones", "holdfast.changes"]
        async with self._begin(scope, "maintenance", read_only=False) as tx:
            with translated():
                await tx.connection.execute(_PRUNE)
                aside = [record["name"] for record in await tx.connection.fetch(_SET_ASIDE)]
                # The counter first, as everywhere: whoever writes meanwhile waits, and begins again from nothing.
                for table in ("holdfast.tenant_heads", *tables, *aside, *log):
                    await tx.connection.execute(
                        f"delete from {table} where tenant_id = $1", tenant_id, timeout=_DAY_SECONDS
                    )

    async def ping(self) -> None:
        """See the port."""
        async with self._reader() as connection:
            await connection.fetchval("select 1")

    async def facts(self) -> dict[str, Any]:
        """What `status` prints: versions and the pool."""
        async with self._reader() as connection:
            version = await connection.fetchval("show server_version")
        pool = self._pool("runtime")
        return {
            "server": f"PostgreSQL {version}",
            "pool": {"open": pool.open_connections, "idle": pool.idle_connections, "max": pool.size},
        }

    async def aclose(self) -> None:
        """Close the pools; what runs is given ten seconds."""
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()


# A tenant may have more rows than the time of one statement allows; nobody else waits for them.
_PRUNE = "set local app.flush = 'on'; set local statement_timeout = 0"
_SET_ASIDE = f"""select format('%I.%I', n.nspname, c.relname) as name from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
 where starts_with(n.nspname, '{ASIDE}') and c.relkind = 'r' order by 1"""
_RAISE_HORIZON = """update holdfast.tenant_heads set horizon = greatest(horizon, least($2, head))
 where tenant_id = $1 returning horizon"""
_COLLECT = "delete from holdfast.tombstones where tenant_id = $1 and number <= $2"
# The timeline is that which is written to: after a recovery the control file still names the one before for a while.
_POSITION = """select concat_ws(':', 'postgresql', s.system_identifier, d.oid,
        case when pg_is_in_recovery() then c.timeline_id::text
             else ('x' || left(pg_walfile_name(p.flushed), 8))::bit(32)::integer::text end),
       (p.flushed - '0/0'::pg_lsn)::bigint
  from pg_control_system() s, pg_control_checkpoint() c, pg_database d,
       (select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end) p(flushed)
 where d.datname = current_database()"""

_LEDGER_ALONE = """select revision, checksum, applied_at, null, applied_by, '', 'post' from holdfast.revisions
  order by applied_at, revision"""
_LEDGER = """select r.revision, r.checksum, r.applied_at,
        extract(epoch from max(s.finished_at) - min(s.started_at))::double precision, r.applied_by,
        coalesce(max(s.release), ''), coalesce(max(s.phase), 'post')
   from holdfast.revisions r left join holdfast.revision_steps s on s.revision = r.revision
  group by r.revision, r.checksum, r.applied_at, r.applied_by order by r.applied_at, r.revision"""
_LEFT = """insert into holdfast.revision_steps (revision, step, checksum, release, phase, finished_at)
  select $1, n, $3, $4, $5, clock_timestamp() from generate_series(0, $2::integer - 1) n"""
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
    return bool(
        await connection.fetchval(
            "select exists (select from holdfast.revisions where revision = $1)", revision
        )
    )


async def _has_ledger(connection: asyncpg.Connection) -> bool:
    """Whether a revision was ever applied. Raises SchemaError for a foreign database. One statement, and one look: another
    migrator may make the ledger meanwhile.
    """
    text = """select coalesce(bool_or((n.nspname, c.relname) = ('holdfast', 'revisions')), false) as ledger, count(*) as tables
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""
    record = await connection.fetchrow(text)
    if record["tables"] and not record["ledger"]:
        raise SchemaError(
            "this database holds tables that are not Holdfast's",
            hint="Holdfast wants a database of its own: create an empty one and name it in DATABASE_URL.",
        )
    return bool(record["ledger"])
