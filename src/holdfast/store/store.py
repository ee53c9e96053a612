"""`Store`: an engine, a catalog and the one way to read and write rows through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from holdfast.changes.change import Operation
from holdfast.engines.port import (
    Body,
    BodyPage,
    Capability,
    Engine,
    GetPlan,
    GetTogetherPlan,
    Limits,
    ListPlan,
    Row,
    Write,
)
from holdfast.errors import Forbidden, InvalidInput
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.plain import normalise_fields, render_row
from holdfast.model.query import DEFAULT_LIMIT, Condition, Key, Op, Query, check_query
from holdfast.model.schema import EntitySchema
from holdfast.model.validate import validate_entity
from holdfast.store._authorize import authorize_ingest, authorize_read, authorize_write, owner_of
from holdfast.store._flush import Flusher
from holdfast.store._prepare import prepare_create, prepare_patch, size_of
from holdfast.store.paging import decode_cursor, encode_cursor
from holdfast.store.session import Session
from holdfast.store.watch import Heads
from holdfast.tenancy.scope import Scope


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Store:
    """Rows of every declared entity on one engine. Safe to share between tasks of one event loop.

    `cursor_secret` signs page cursors; `clock` gives `created_at` and `updated_at`.
    """

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        *,
        cursor_secret: bytes,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.engine = engine
        self.catalog = catalog
        self.clock = clock
        self.heads = Heads(self._head_of)
        self.flusher = Flusher(engine, catalog, clock, self.heads.tell)
        self._cursor_secret = cursor_secret
        self._plans = Capability.PLANS in engine.capabilities

    @property
    def limits(self) -> Limits:
        """The engine's sizes."""
        return self.engine.limits

    def reads(self, scope: Scope, schema: EntitySchema) -> bool:
        """Whether this scope's role may read rows of the entity."""
        return _is_allowed(authorize_read, scope, schema)

    def writes(self, scope: Scope, schema: EntitySchema, op: Operation) -> bool:
        """Whether this scope's role may do `op` to rows of the entity."""
        return _is_allowed(authorize_write, scope, schema, op)

    def measure(self, schema: EntitySchema, plain: Mapping[str, Any]) -> int:
        """The bytes of values in plain form. Raises TooLarge beyond the engine's limits."""
        return size_of(schema, plain, self.limits)

    @staticmethod
    def scope_for_notes(scope: Scope, *, reason: str) -> Scope:
        """The scope in which the platform writes down its own notes about a person's work, whatever their role may write."""
        return replace(Scope.system(scope.tenant_id, reason=reason), user_id=scope.user_id)

    def patch_write(
        self, scope: Scope, entity: type[Entity], row_id: UUID, changes: Mapping[str, Any]
    ) -> Write:
        """The write that changes some fields of a row, for a decider. Raises InvalidInput, Forbidden, TooLarge."""
        schema = self.catalog.schema(entity)
        return prepare_patch(scope, schema, entity, row_id, changes, if_version=None, limits=self.limits)

    def create_write(self, scope: Scope, entity: type[Entity], values: Mapping[str, Any]) -> Write:
        """The write that makes a row, for a decider. Raises InvalidInput, Forbidden, TooLarge."""
        schema = self.catalog.schema(entity)
        return prepare_create(scope, schema, validate_entity(schema, entity, values), self.limits)

    def session(self, scope: Scope) -> Session:
        """A session for `scope`: `async with store.session(scope) as s: …`."""
        return Session(self, scope)

    async def aclose(self) -> None:
        """Flush what waits and close the engine."""
        await self.heads.aclose()
        await self.flusher.drain()
        await self.engine.aclose()

    # -- reads ----------------------------------------------------------------------------------------------------

    async def read_row(self, scope: Scope, schema: EntitySchema, row_id: UUID) -> Row | None:
        """A row as normalised values, or None."""
        authorize_read(scope, schema)
        async with self.engine.begin(scope, read_only=True) as tx:
            return await tx.get(schema, row_id)

    async def read_together(
        self, scope: Scope, keys: Sequence[tuple[EntitySchema, UUID]]
    ) -> list[Row | None]:
        """A few rows of the realm by id, as they stand at one moment: one round trip where the engine has plans."""
        for schema, _ in keys:
            authorize_read(scope, schema)
        if self._plans:
            return await self.engine.run(scope, GetTogetherPlan(tuple(keys)))
        async with self.engine.begin(scope, read_only=True) as tx:
            return [await tx.get(schema, row_id) for schema, row_id in keys]

    async def read_page(
        self,
        scope: Scope,
        schema: EntitySchema,
        where: Mapping[str, Any],
        *,
        sort: str = "id",
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> tuple[list[Row], str | None]:
        """Rows of a list and the cursor of what follows. `where` holds Python values."""
        query = self.query(scope, schema, where, sort=sort, limit=limit, after=after)
        authorize_read(scope, schema)
        async with self.engine.begin(scope, read_only=True) as tx:
            rows = await tx.query(_one_more(query))
        return rows[:limit], self._next(scope, query, rows)

    async def head(self, scope: Scope) -> int:
        """The number of the tenant's last change; 0 before the first."""
        async with self.engine.begin(scope, read_only=True) as tx:
            return (await tx.marks()).head

    async def _head_of(self, tenant_id: UUID) -> int:
        return await self.head(Scope.system(tenant_id, reason="watch the head"))

    # -- reads as JSON --------------------------------------------------------------------------------------------

    async def read_body(self, scope: Scope, schema: EntitySchema, row_id: UUID) -> Body | None:
        """A row as JSON text, or None: one round trip where the engine has plans."""
        authorize_read(scope, schema)
        if self._plans and not scope.is_realm:
            return await self.engine.run(scope, GetPlan(schema, row_id))
        row = await self.read_row(scope, schema, row_id)
        return None if row is None else Body(render_row(schema, row), row["version"])

    async def read_bodies(
        self,
        scope: Scope,
        schema: EntitySchema,
        where: Mapping[str, Any],
        *,
        sort: str = "id",
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> tuple[bytes, str | None]:
        """A page as the JSON text of an array, and the cursor of what follows."""
        query = self.query(scope, schema, where, sort=sort, limit=limit, after=after)
        if self._plans and query.is_default and not scope.is_realm:
            authorize_read(scope, schema)
            start = query.after.row_id if query.after else None
            page: BodyPage = await self.engine.run(scope, ListPlan(schema, limit, start))
            last = page.next
            following = encode_cursor(self._cursor_secret, scope, query, Key(None, last)) if last else None
            return b"[" + page.json + b"]", following
        rows, cursor = await self.read_page(scope, schema, where, sort=sort, limit=limit, after=after)
        return b"[" + b",".join(render_row(schema, row) for row in rows) + b"]", cursor

    def query(
        self,
        scope: Scope,
        schema: EntitySchema,
        where: Mapping[str, Any],
        *,
        sort: str = "id",
        limit: int = DEFAULT_LIMIT,
        after: str | None = None,
    ) -> Query:
        """The checked query that these words mean. Raises InvalidInput, NotIndexed or BadCursor."""
        conditions = tuple(_condition(schema, name, value) for name, value in where.items())
        field = sort.removeprefix("-")
        check_query(schema, (field, *(c.field for c in conditions)), limit)
        query = Query(schema, conditions, field, sort.startswith("-"), limit)
        if after is None:
            return query
        key = decode_cursor(self._cursor_secret, scope, query, after)
        return Query(schema, conditions, field, query.descending, limit, key)

    def _next(self, scope: Scope, query: Query, rows: Sequence[Row]) -> str | None:
        if len(rows) <= query.limit:
            return None
        last = rows[query.limit - 1]
        key = Key(None if query.sort == "id" else last[query.sort], last["id"])
        return encode_cursor(self._cursor_secret, scope, query, key)

    # -- bulk -----------------------------------------------------------------------------------------------------

    async def ingest(self, scope: Scope, entities: Iterable[Entity]) -> int:
        """Append rows of one unjournaled (or realm) entity in bulk; returns how many. All of them or an error."""
        batch = list(entities)
        if not batch:
            return 0
        schema = self.catalog.schema(type(batch[0]))
        authorize_ingest(scope, schema)
        now = self.clock()
        await self.engine.ingest(scope, schema, [_ingested(schema, entity, scope, now) for entity in batch])
        return len(batch)


def _ingested(schema: EntitySchema, entity: Entity, scope: Scope, now: datetime) -> Row:
    values = {field.name: getattr(entity, field.name) for field in schema.fields}
    if schema.owner is not None:
        values[schema.owner] = owner_of(scope, schema, values[schema.owner])
    normal = normalise_fields(schema, values)
    return {"id": entity.id, "version": 1, "created_at": now, "updated_at": now, **normal}


def _one_more(query: Query) -> Query:
    """One row beyond the page tells whether there is another page."""
    return Query(query.schema, query.where, query.sort, query.descending, query.limit + 1, query.after)


def _condition(schema: EntitySchema, name: str, value: Any) -> Condition:
    """`field` or `field__op`, its value normalised."""
    field, _, op_name = name.partition("__")
    declared = schema.by_name.get(field)
    if declared is None:
        raise InvalidInput(
            "no such field", where=schema.name, fields={name[:64]: "is not a field of this entity"}
        )
    try:
        op = Op(op_name or "eq")
        if op is Op.IN:
            return Condition(field, op, tuple(declared.type.normalise(item) for item in value))
        if value is None and op is Op.EQ:
            return Condition(field, op, None)
        return Condition(field, op, declared.type.normalise(value))
    except (ValueError, TypeError) as error:
        problem = str(error) if op_name in {"", *Op} else "is no comparison; use gt, gte, lt, lte or in"
        raise InvalidInput("a filter is not valid", where=schema.name, fields={name[:64]: problem}) from None


def _is_allowed(authorize: Callable[..., None], *asked: object) -> bool:
    try:
        authorize(*asked)
    except Forbidden:
        return False
    return True
