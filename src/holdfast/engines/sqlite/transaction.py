"""Transactions of the SQLite engine: one that only reads, from one snapshot, and one that may write.

One transaction writes at a time in the whole file. To write is therefore begun as late as can be: until its first write, a
transaction has nothing but its tenant's counter, and reads what is committed. That counter is a lock of this process; should
another process have moved the tenant meanwhile, the first write sees another head than `lock` has told, and the flush is tried
again, this time alone in the file from the start.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Tombstone
from holdfast.engines.port import Batch, Marks, Piece, Row, RowWrite, Selection, Stored
from holdfast.engines.sqlite import _log
from holdfast.engines.sqlite._errors import translated
from holdfast.engines.sqlite._statements import Texts, in_portions, runs, select
from holdfast.engines.sqlite._stream import Pieces, select_wire
from holdfast.engines.sqlite._wire import WireRows
from holdfast.engines.sqlite.connections import Connection, Raw
from holdfast.errors import (
    AlreadyExists,
    Forbidden,
    HoldfastError,
    StaleVersion,
    Unavailable,
)
from holdfast.model.query import Query
from holdfast.model.schema import EntitySchema
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.engines.sqlite.engine import SqliteEngine

T = TypeVar("T")


class _Overtaken(StaleVersion):
    """Another process has written in this tenant meanwhile."""


class SqliteReader:
    """A transaction that only reads. See `holdfast.engines.port.Transaction`."""

    def __init__(self, engine: SqliteEngine, scope: Scope) -> None:
        self._engine = engine
        self._scope = scope
        self._connection: Connection | None = None

    async def act_as(self, scope: Scope) -> None:
        if scope.tenant_id != self._scope.tenant_id:
            raise HoldfastError("a transaction belongs to one tenant")
        self._scope = scope

    # -- reading --------------------------------------------------------------------------------------------------

    async def get(self, schema: EntitySchema, row_id: UUID) -> Row | None:
        texts = self._engine.library.of(schema)
        text, given = texts.get(self._scope)
        given.append(row_id.bytes)
        record = await self._read(lambda raw: raw.execute(text, given).fetchone(), schema)
        return None if record is None else texts.codec.read(record)

    async def batch_get(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Stored | None]:
        if not row_ids:
            return []
        found = await self._read(
            partial(_batch_get, self._engine.library.of(schema), self._scope, row_ids), schema
        )
        return [found.get(row_id) for row_id in row_ids]

    async def query(self, query: Query) -> list[Row]:
        texts = self._engine.library.of(query.schema)
        text, given = select(query, texts, self._scope)
        read = texts.codec.read
        return await self._read(
            lambda raw: [read(record) for record in raw.execute(text, given)], query.schema
        )

    async def marks(self) -> Marks:
        return await self._read(partial(_log.read_marks, scope=self._scope))

    async def read_changes(self, after: int, *, limit: int) -> list[Change]:
        return await self._read(lambda raw: _log.read_changes(raw, self._scope, after, limit))

    async def read_row_changes(self, row_ids: Sequence[UUID], after: int) -> list[Change]:
        return await self._read(lambda raw: _log.read_row_changes(raw, self._scope, row_ids, after))

    async def read_history(self, schema: EntitySchema, row_id: UUID) -> list[OldValue]:
        return await self.read_history_since(schema, [row_id], 0)

    async def read_history_since(
        self, schema: EntitySchema, row_ids: Sequence[UUID], after: int
    ) -> list[OldValue]:
        return await self._read(
            lambda raw: _log.read_history(raw, self._scope, schema.stable_name, row_ids, after), schema
        )

    async def read_tombstones(
        self, schema: EntitySchema, after: int, upto: int, *, limit: int
    ) -> list[Tombstone]:
        return await self._read(
            lambda raw: _log.read_tombstones(raw, self._scope, schema.stable_name, after, upto, limit), schema
        )

    async def find_tombstones(self, schema: EntitySchema, row_ids: Sequence[UUID]) -> list[Tombstone]:
        return await self._read(
            lambda raw: _log.find_tombstones(raw, self._scope, schema.stable_name, row_ids), schema
        )

    async def stream(self, selection: Selection) -> AsyncGenerator[Piece, None]:
        schema, wire = selection.schema, WireRows(selection.schema)
        statement = select_wire(self._engine.library.of(schema), wire, self._scope, selection)
        connection = await self._take()
        try:
            pieces = await connection.call(
                lambda raw: connection.keep(Pieces(_begun(raw), statement, wire)), schema
            )
            try:
                while piece := await connection.call(lambda _: pieces.next(), schema):
                    yield piece
            finally:
                connection.close_cursor(pieces)
        finally:
            self._give(connection)

    async def _read(self, job: Callable[[Raw], T], schema: EntitySchema | None = None) -> T:
        connection = await self._take()
        try:
            return await connection.call(lambda raw: job(_begun(raw)), schema)
        finally:
            self._give(connection)

    async def _take(self) -> Connection:
        """The connection of this transaction, which is lent to it when it is first needed."""
        if self._connection is None:
            self._connection = await self._engine.readers.take(self._scope.tenant_id)
        return self._connection

    def _give(self, connection: Connection) -> None:
        """It is kept until the end, for its moment."""

    # -- writing --------------------------------------------------------------------------------------------------

    async def lock(self) -> int:
        raise HoldfastError("a transaction that only reads takes no counter")

    async def write(self, batch: Batch) -> None:
        raise HoldfastError("a transaction that only reads writes nothing")

    async def commit(self) -> None:
        """Nothing was written."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.commit()
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the moment."""
        if self._connection is not None:
            self._engine.readers.give(self._scope.tenant_id, self._connection)
            self._connection = None


class SqliteTransaction(SqliteReader):
    """A transaction that may write."""

    def __init__(self, engine: SqliteEngine, scope: Scope) -> None:
        super().__init__(engine, scope)
        self._turn: asyncio.Lock | None = None
        self._head: int | None = None
        """What `lock` told; None before it was asked."""
        self._tended = 0
        self._writing = False
        self._failed = False

    async def _take(self) -> Connection:
        """Its own writes are there to read; before the first of them, what is committed."""
        if self._writing:
            return self._engine.writer.connection
        return await self._engine.readers.take(self._scope.tenant_id)

    def _give(self, connection: Connection) -> None:
        if connection is not self._engine.writer.connection:
            self._engine.readers.give(self._scope.tenant_id, connection)

    async def lock(self) -> int:
        if self._head is None:
            if not self._writing:
                self._turn = await self._engine.take_turn(self._scope.tenant_id)
                if self._engine.is_contended(self._scope.tenant_id):
                    await self._write(_nothing)
            if self._writing:
                await self._write(_mark_flush)
            standing = await self._read(partial(_log.read_standing, scope=self._scope))
            self._head, self._tended = standing
            return standing[0]
        return (await self.marks()).head if self._writing else self._head

    async def _write(self, job: Callable[[Raw], T], *, references: bool = True) -> T:
        """What `job` makes of the connection that writes. The first of them begins to write, in the same trip to the thread."""
        if self._writing:
            return await self._engine.writer.connection.call(job)
        standing = None if self._head is None else (self._head, self._tended)
        first = partial(_first, self._scope, standing, job)
        try:
            result = await self._engine.writer.begin(first, references=references)
        except _Overtaken:
            self._engine.contend(self._scope.tenant_id)
            raise
        self._writing = True
        return result

    async def write(self, batch: Batch) -> None:
        for write in batch.writes:
            if write.schema.journaled and self._head is None:
                raise HoldfastError("journaled rows are written by a flush alone", where=write.schema.name)
        if not batch.writes and batch.head is None:
            return
        try:
            await self._write(partial(_write, self._engine.library.of, self._scope, batch))
        except BaseException:
            self._failed = True
            raise

    async def ingest(self, schema: EntitySchema, rows: Sequence[Row]) -> None:
        """Write new rows of an entity without a log."""
        await self.write(Batch([RowWrite(schema, row["id"], row, 0, b"") for row in rows]))

    async def maintain(self, job: Callable[[Raw], T], *, references: bool = True) -> T:
        """Do what only maintenance does, alone in the file."""
        await self._write(_mark_flush, references=references)
        return await self._write(job)

    async def commit(self) -> None:
        """Make it last. Raises ReferenceMissing."""
        if self._failed:
            raise Unavailable("a statement of the transaction had failed, so all of it was undone")
        if self._writing:
            await self._engine.writer.connection.finish(_commit)

    def release(self) -> None:
        """Undo what was not committed; whoever waits goes on."""
        if self._writing:
            self._writing = False
            self._engine.writer.end()
        if self._turn is not None:
            self._turn.release()
            self._turn = None


# -- on the connection's thread -----------------------------------------------------------------------------------


def _begun(raw: Raw) -> Raw:
    """The snapshot is that of the first read: SQLite begins nothing by itself for a SELECT."""
    if not raw.in_transaction:
        raw.execute("begin")
    return raw


def _batch_get(texts: Texts, scope: Scope, row_ids: Sequence[UUID], raw: Raw) -> dict[UUID, Stored]:
    found: dict[UUID, Stored] = {}
    for portion in in_portions(list(dict.fromkeys(row_id.bytes for row_id in row_ids))):
        text, given = texts.batch_get(scope, len(portion))
        for record in raw.execute(text, [*given, *portion]):
            row = texts.codec.read(record)
            found[row["id"]] = Stored(row, record[-1] if texts.journaled else b"")
    return found


def _mark_flush(raw: Raw) -> None:
    raw.execute(_log.BEGIN_FLUSH)


def _first(scope: Scope, standing: tuple[int, int] | None, job: Callable[[Raw], T], raw: Raw) -> T:
    """The first that a transaction does which has just begun to write; a flush, if all is as it was told."""
    if standing is not None:
        _mark_flush(raw)
        if _log.read_standing(raw, scope) != standing:
            raise _Overtaken
    return job(raw)


def _nothing(raw: Raw) -> None:
    """What a transaction does that is only to be alone."""


def _commit(raw: Raw) -> None:
    try:
        raw.execute(_log.END_FLUSH)
        raw.execute("commit")
    finally:
        if raw.in_transaction:
            raw.execute("rollback")


def _write(of: Callable[[EntitySchema], Texts], scope: Scope, batch: Batch, raw: Raw) -> None:
    for schema, verb, run in runs(batch.writes):
        with translated(schema):
            _write_run(raw, of(schema), scope, verb, run)
    if batch.head is not None:
        with translated():
            _log.write_log(raw, scope, batch)


def _write_run(raw: Raw, texts: Texts, scope: Scope, verb: str, run: Sequence[RowWrite]) -> None:
    texts.mine(scope)  # is it this scope's table at all?
    stranger = _in_anothers_name(texts.schema, scope, run)
    if verb == "insert":
        _insert(raw, texts, scope, run[:stranger])
    else:
        _change(raw, texts, scope, verb, run[:stranger])
    if stranger is not None:
        raise _refusal(raw, texts, scope, run[stranger])


def _insert(raw: Raw, texts: Texts, scope: Scope, run: Sequence[RowWrite]) -> None:
    at = _Place()
    try:
        raw.executemany(texts.insert, (texts.inserted(scope, write) for write in at.of(run)))
    except sqlite3.IntegrityError as error:
        # Of several rules that a row breaks, the key is the one that is told, on every engine.
        if error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE" and _is_there(raw, texts, scope, at.row_id):
            raise AlreadyExists(where=texts.schema.name) from None
        raise


def _change(raw: Raw, texts: Texts, scope: Scope, verb: str, run: Sequence[RowWrite]) -> None:
    """Each row only if it is this scope's and has the version."""
    if verb == "update":
        text, given = texts.update(scope)
        parameters = [texts.replaced(given, write) for write in run]
    else:
        text, given = texts.delete(scope)
        parameters = [[*given, write.row_id.bytes, write.if_version] for write in run]
    if run and raw.executemany(text, parameters).rowcount != len(run):
        raise StaleVersion(where=texts.schema.name)


def _in_anothers_name(schema: EntitySchema, scope: Scope, run: Sequence[RowWrite]) -> int | None:
    """Where the first row stands that this scope may not write."""
    if schema.owner is None or scope.whole_tenant:
        return None
    rows = enumerate(write.row for write in run)
    return next((at for at, row in rows if row is not None and row[schema.owner] != scope.user_id), None)


def _refusal(raw: Raw, texts: Texts, scope: Scope, write: RowWrite) -> HoldfastError:
    """Why a row in another's name is refused: what stands already comes first."""
    name = texts.schema.name
    if not write.if_version and _is_there(raw, texts, scope, write.row_id):
        return AlreadyExists(where=name)
    if write.if_version:
        text, given = texts.get(scope)
        found = raw.execute(text, [*given, write.row_id.bytes]).fetchone()
        if found is None or found[texts.codec.names.index("version")] != write.if_version:
            return StaleVersion(where=name)
    return Forbidden("a row is written in its owner's name alone", where=name)


class _Place:
    """How far a run has come."""

    row_id: UUID

    def of(self, run: Sequence[RowWrite]) -> Iterator[RowWrite]:
        for write in run:
            self.row_id = write.row_id
            yield write


def _is_there(raw: Raw, texts: Texts, scope: Scope, row_id: UUID) -> bool:
    tenant = [] if scope.is_realm else [scope.tenant_id.bytes]
    mine = "" if scope.is_realm else "tenant_id = ? and "
    text = f"select 1 from {texts.table} where {mine}id = ?"
    return raw.execute(text, [*tenant, row_id.bytes]).fetchone() is not None
