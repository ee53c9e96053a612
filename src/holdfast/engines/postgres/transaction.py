"""A transaction of the PostgreSQL engine: one connection that has entered one tenant."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from holdfast.changes.change import PUSHED, Change, OldValue, Operation, Tombstone, canonical
from holdfast.engines.port import Batch, Marks, Piece, Row, RowWrite, Selection, Stored
from holdfast.engines.postgres._errors import translated
from holdfast.engines.postgres._names import EVERYONE, USER
from holdfast.engines.postgres._statements import Texts, read_row, rows_json, select, texts_of
from holdfast.engines.postgres._stream import stream
from holdfast.errors import HoldfastError, StaleVersion
from holdfast.model.query import Query
from holdfast.model.schema import EntitySchema
from holdfast.model.types import FloatType, format_instant
from holdfast.tenancy.scope import Scope

_CHANGE_COLUMNS = """tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment"""
_CHANGES = f"""insert into holdfast.changes ({_CHANGE_COLUMNS})
 select {_CHANGE_COLUMNS} from jsonb_to_recordset($1::jsonb) as r(tenant_id uuid, number bigint, flush_end bigint,
 format smallint, entity text, row_id uuid, op text, fields text[], version bigint, actor uuid, device text,
 at timestamptz, commitment bytea)"""
_HISTORY = """insert into holdfast.field_history (tenant_id, entity, row_id, number, field, value, owner_id)
 select $2::uuid, entity, row_id, number, field, value, owner_id from jsonb_to_recordset($1::jsonb) as
 r(entity text, row_id uuid, number bigint, field text, value bytea, owner_id uuid)"""
_READ_CHANGES = f"""select {_CHANGE_COLUMNS} from holdfast.changes
 where tenant_id = $1 and number > $2 order by number limit $3"""
_READ_ROW_CHANGES = f"""select {_CHANGE_COLUMNS} from holdfast.changes
 where tenant_id = $1 and number > $3 and row_id = any($2::uuid[]) order by number"""
_READ_HISTORY = """select entity, row_id, number, field, value, owner_id from holdfast.field_history
 where tenant_id = $1 and entity = $2 and row_id = any($3::uuid[]) and number > $4 order by number, field"""
_TOMBSTONES = """insert into holdfast.tombstones (tenant_id, entity, row_id, number, owner_id, device)
 select $2::uuid, entity, row_id, number, owner_id, device from jsonb_to_recordset($1::jsonb) as
 r(entity text, row_id uuid, number bigint, owner_id uuid, device text)
 on conflict (tenant_id, entity, row_id)
 do update set number = excluded.number, owner_id = excluded.owner_id, device = excluded.device"""
_READ_TOMBSTONES = """select entity, row_id, number, owner_id, device from holdfast.tombstones
 where tenant_id = $1 and entity = $2 and number > $3 and number <= $4 order by number limit $5"""
_FIND_TOMBSTONES = """select entity, row_id, number, owner_id, device from holdfast.tombstones
 where tenant_id = $1 and entity = $2 and row_id = any($3::uuid[])"""
_MARKS = "select head, horizon from holdfast.tenant_heads where tenant_id = $1"


def user_context(scope: Scope) -> str:
    """What the owner's policy compares: the person, or everyone."""
    return EVERYONE if scope.whole_tenant else str(scope.user_id)


class PostgresTransaction:
    """See `holdfast.engines.port.Transaction`."""

    def __init__(self, connection: asyncpg.Connection, scope: Scope, texts: dict[str, Texts]) -> None:
        self.connection = connection
        self._scope = scope
        self._texts = texts

    async def act_as(self, scope: Scope) -> None:
        if scope.tenant_id != self._scope.tenant_id:
            raise HoldfastError("a transaction belongs to one tenant")
        if user_context(scope) != user_context(self._scope):
            with translated():
                await self.connection.execute(f"set local {USER} = '{user_context(scope)}'")
        self._scope = scope

    # -- reading --------------------------------------------------------------------------------------------------

    async def get(self, schema: EntitySchema, row_id: UUID) -> Row | None:
        with translated(schema):
            record = await self.connection.fetchrow(self._of(schema).get, row_id, *self._mine(schema))
        return None if record is None else read_row(schema, record)

    async def batch_get(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Stored | None]:
        with translated(schema):
            records = await self.connection.fetch(
                self._of(schema).batch_get, list(row_ids), *self._mine(schema)
            )
        salted = schema.journaled
        found = {
            r["id"]: Stored(read_row(schema, r), bytes(r["commit_salt"]) if salted else b"") for r in records
        }
        return [found.get(row_id) for row_id in row_ids]

    async def query(self, query: Query) -> list[Row]:
        text, arguments = select(query, self._scope.tenant_id, self._owner)
        with translated(query.schema):
            records = await self.connection.fetch(text, *arguments)
        return [read_row(query.schema, record) for record in records]

    async def marks(self) -> Marks:
        with translated():
            record = await self.connection.fetchrow(_MARKS, self._scope.tenant_id)
        return Marks() if record is None else Marks(*record)

    async def lock(self) -> int:
        with translated():
            text = "select set_config('app.flush', 'on', true), holdfast.lock_tenant($1) as head"
            record = await self.connection.fetchrow(text, self._scope.tenant_id)
        return int(record["head"])

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        with translated():
            records = await self.connection.fetch(_READ_CHANGES, self._scope.tenant_id, after, limit)
        return [_change(record) for record in records]

    async def read_row_changes(self, row_ids: Sequence[UUID], after: int) -> list[Change]:
        with translated():
            records = await self.connection.fetch(
                _READ_ROW_CHANGES, self._scope.tenant_id, list(row_ids), after
            )
        return [_change(record) for record in records]

    async def read_history(self, schema: EntitySchema, row_id: UUID) -> list[OldValue]:
        return await self.read_history_since(schema, [row_id], 0)

    async def read_history_since(
        self, schema: EntitySchema, row_ids: Sequence[UUID], after: int
    ) -> list[OldValue]:
        with translated():
            records = await self.connection.fetch(
                _READ_HISTORY, self._scope.tenant_id, schema.stable_name, list(row_ids), after
            )
        return [_old_value(schema, record) for record in records]

    async def read_tombstones(
        self, schema: EntitySchema, after: int, upto: int, *, limit: int
    ) -> list[Tombstone]:
        with translated():
            records = await self.connection.fetch(
                _READ_TOMBSTONES, self._scope.tenant_id, schema.stable_name, after, upto, limit
            )
        return [Tombstone(*record) for record in records]

    async def find_tombstones(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Tombstone]:
        with translated():
            records = await self.connection.fetch(
                _FIND_TOMBSTONES, self._scope.tenant_id, schema.stable_name, list(row_ids)
            )
        return [Tombstone(*record) for record in records]

    def stream(self, selection: Selection) -> AsyncGenerator[Piece, None]:
        return stream(self.connection, self._scope, selection)

    # -- writing --------------------------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> None:
        for (schema, _), run in groupby(batch.writes, key=lambda write: (write.schema, _verb(write))):
            await self._write_run(schema, list(run))
        if batch.head is not None:
            await self._write_log(batch)

    async def _write_run(self, schema: EntitySchema, run: list[RowWrite]) -> None:
        """A run of one kind goes in one statement; updates go one by one where a unique rule makes their order matter."""
        verb = _verb(run[0])
        if verb == "update" and schema.uniques:
            for write in run:
                await self._statement(schema, verb, [write])
        else:
            await self._statement(schema, verb, run)

    async def _statement(self, schema: EntitySchema, verb: str, run: list[RowWrite]) -> None:
        text: str = getattr(self._of(schema), verb)
        mine = self._tenant(schema) if verb == "insert" else self._mine(schema)
        with translated(schema):
            status = await self.connection.execute(text, rows_json(run), *mine)
        if int(status.rsplit(" ", 1)[1]) != len(run):
            raise StaleVersion(where=schema.name)

    async def _write_log(self, batch: Batch) -> None:
        tenant = self._scope.tenant_id
        with translated():
            await self.connection.execute(
                "update holdfast.tenant_heads set head = $2 where tenant_id = $1", tenant, batch.head
            )
            await self.connection.execute(
                _CHANGES, _dumps([_change_json(change) for change in batch.changes])
            )
            if batch.old_values:
                old = _dumps([_old_value_json(value) for value in batch.old_values])
                await self.connection.execute(_HISTORY, old, tenant)
            if batch.tombstones:
                # Of a row that dies twice in a flush the last counts; one statement cannot write a line twice.
                last = {(grave.entity, grave.row_id): grave for grave in batch.tombstones}
                graves = _dumps([_tombstone_json(grave) for grave in last.values()])
                await self.connection.execute(_TOMBSTONES, graves, tenant)

    def _of(self, schema: EntitySchema) -> Texts:
        return texts_of(schema, self._texts)

    def _tenant(self, schema: EntitySchema) -> tuple[UUID, ...]:
        return () if schema.visibility == "realm" else (self._scope.tenant_id,)

    def _mine(self, schema: EntitySchema) -> tuple[UUID | None, ...]:
        tenant = self._tenant(schema)
        return tenant if schema.owner is None else (*tenant, self._owner)

    @property
    def _owner(self) -> UUID | None:
        """Whose rows are asked for; None stands for everybody's."""
        return None if self._scope.whole_tenant else self._scope.user_id


def _verb(write: RowWrite) -> str:
    if write.row is None:
        return "delete"
    return "update" if write.if_version else "insert"


def _dumps(value: list[dict[str, Any]]) -> str:
    return orjson.dumps(value, default=str).decode()  # the driver's UUIDs are of a kind of their own


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "tenant_id": change.tenant_id,
        "number": change.number,
        "flush_end": change.flush_end,
        "format": change.format,
        "entity": change.entity,
        "row_id": change.row_id,
        "op": change.op.value,
        "fields": change.fields,
        "version": change.version,
        "actor": change.actor,
        "device": change.device,
        "at": format_instant(change.at),
        "commitment": "\\x" + change.commitment.hex(),
    }


def _old_value_json(value: OldValue) -> dict[str, Any]:
    return {
        "entity": value.entity,
        "row_id": value.row_id,
        "number": value.number,
        "field": value.field,
        "value": "\\x" + value.value.hex(),
        "owner_id": value.owner,
    }


def _tombstone_json(tombstone: Tombstone) -> dict[str, Any]:
    return {
        "entity": tombstone.entity,
        "row_id": tombstone.row_id,
        "number": tombstone.number,
        "owner_id": tombstone.owner,
        "device": tombstone.device,
    }


def _old_value(schema: EntitySchema, record: Any) -> OldValue:
    """An old value, its bytes spelled canonically: the generated functions write JSON as the database spells it."""
    entity, row_id, number, field, value, owner = record
    plain = orjson.loads(value)
    declared = schema.by_column.get(field.removesuffix(PUSHED))
    if declared is not None and isinstance(declared.type, FloatType) and isinstance(plain, int):
        plain = float(plain)
    return OldValue(entity, row_id, number, field, canonical(plain), owner)


def _change(record: Any) -> Change:
    values = dict(record)
    fields, op = tuple(values.pop("fields")), Operation(values.pop("op"))
    return Change(**values, fields=fields, op=op)
