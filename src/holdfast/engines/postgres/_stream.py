"""Rows as they come: `COPY` of a SELECT, cut into pieces at line ends.

The CSV format with quote and delimiter bytes that JSON text never holds leaves every line as it is. The driver pushes what it
reads, and is held back while nobody takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from uuid import UUID

import asyncpg
from asyncpg.protocol.protocol import NO_TIMEOUT

from holdfast.engines.port import Piece, Selection, Since
from holdfast.engines.postgres._errors import bare, translate, translated
from holdfast.engines.postgres._names import literal, quoted, table_name
from holdfast.engines.postgres._wire import DELIMITER, differs, has_documents, spell_row, wire_row
from holdfast.errors import Unavailable
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import read_id
from holdfast.tenancy.scope import Scope

_QUOTE = "\x02"
# Rows are to come in the order of the key's index, at once and from one process: a planner that thinks of the last row sorts
# all of them first, on disk. What is sorted all the same, the changes of a span, is narrow.
_IN_ORDER = """set local enable_sort = off; set local enable_seqscan = off;
 set local max_parallel_workers_per_gather = 0; set local work_mem = '16MB'; set local datestyle = 'ISO'"""
_PIECE_BYTES = 64 * 1024
_ANSWER_SECONDS = 35.0
"""How long the next rows may take: past the statement's own timeout."""
_ID_AT = len('{"id":"')


async def stream(
    connection: asyncpg.Connection, scope: Scope, selection: Selection
) -> AsyncGenerator[Piece, None]:
    """The pieces of a selection. Closed early, it ends the COPY on the server, and the connection with it."""
    documents = has_documents(selection.schema)
    with translated(selection.schema):
        await connection.execute(_IN_ORDER)
    rest = b""
    async with contextlib.aclosing(
        _copied(connection, selection.schema, text_of(scope, selection))
    ) as chunks:
        async for chunk in chunks:
            lines, end, rest = (rest + chunk).rpartition(b"\n")
            if end:
                yield _piece(documents, lines)


async def _copied(
    connection: asyncpg.Connection, schema: EntitySchema, text: str
) -> AsyncGenerator[bytes, None]:
    basin = _Basin()
    task = asyncio.get_running_loop().create_task(_copy(connection, text, basin))
    try:
        while chunk := await _next(basin):
            yield chunk
        if isinstance(basin.failed, asyncpg.PostgresError):
            raise translate(basin.failed, schema) from bare(basin.failed)
        if basin.failed is not None:
            raise Unavailable("the connection to the database was lost") from bare(basin.failed)
    finally:
        if not task.done():
            await _stop(connection, task)


async def _next(basin: _Basin) -> bytes:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await basin.take()
    except TimeoutError:
        raise Unavailable("the database does not answer") from None


async def _stop(connection: asyncpg.Connection, task: asyncio.Task[None]) -> None:
    """Cut the connection: the server ends the COPY when nobody listens. The driver can ask it to cancel as well, but takes the
    data that is still on its way for the answer, and does not find back.
    """
    connection.terminate()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _copy(connection: asyncpg.Connection, text: str, basin: _Basin) -> None:
    """Its own task, because the driver pushes."""
    failed: Exception | None = None
    try:
        await connection.copy_from_query(
            text,
            output=basin.pour,
            format="csv",
            delimiter=DELIMITER.decode(),
            quote=_QUOTE,
            timeout=NO_TIMEOUT,
        )
    except Exception as error:  # noqa: BLE001 (it is raised where the pieces are read)
        failed = error
    finally:
        basin.close(failed)


class _Basin:
    """Between the driver and the reader: the first chunk is handed on at once, then some together, and while so much stands
    here that nobody has taken, the driver waits.
    """

    def __init__(self) -> None:
        self.failed: Exception | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._wanted = 1
        self._closed = False
        self._full = asyncio.Event()
        self._empty = asyncio.Event()

    async def pour(self, chunk: bytes) -> None:
        """Add what the driver has read."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= self._wanted:
            self._full.set()
        if self._size >= _PIECE_BYTES:
            self._empty.clear()
            await self._empty.wait()

    async def take(self) -> bytes:
        """What has come; nothing at the end."""
        await self._full.wait()
        taken = b"".join(self._chunks)
        self._chunks.clear()
        self._size, self._wanted = 0, _PIECE_BYTES
        if not self._closed:
            self._full.clear()
        self._empty.set()
        return taken

    def close(self, failed: Exception | None) -> None:
        """Nothing more will come, for this reason if there is one."""
        self.failed, self._closed = failed, True
        self._full.set()


def _piece(documents: bool, lines: bytes) -> Piece:  # noqa: FBT001
    last = lines[lines.rfind(b"\n") + 1 :]
    row_id = read_id(last[_ID_AT : last.index(b'"', _ID_AT)].decode())
    if documents:
        rows = [spell_row(line) for line in lines.split(b"\n")]
        return Piece(b",".join(rows), len(rows), row_id)
    return Piece(lines.replace(b"\n", b","), lines.count(b"\n") + 1, row_id)


# -- the statement ------------------------------------------------------------------------------------------------


def text_of(scope: Scope, selection: Selection) -> str:
    """The SELECT of a selection. COPY takes no parameters: what stands in it are ids, numbers, and a quoted literal."""
    schema, since = selection.schema, selection.since
    source = f"{table_name(schema)} r"
    where = [f"r.tenant_id = {_uuid(scope.tenant_id)}"]
    if schema.owner is not None and scope.user_id is not None and not scope.whole_tenant:
        where.append(f"r.{quoted(schema.by_name[schema.owner].column)} = {_uuid(scope.user_id)}")
    if selection.start is not None:
        where.append(f"r.id > {_uuid(selection.start)}")
    if selection.differing:
        where.append(f"({_either(scope, selection)})")
    elif since is not None:
        last = _last_changes(scope, schema, since)
        source += f" join ({last}) l on l.row_id = r.id and l.version = r.version"
        where += _of_others("l", since)
    if selection.standing is not None:
        where.append(_untouched(scope, schema, selection.standing))
    return f"select {wire_row(schema, 'r')} from {source} where {' and '.join(where)} order by r.id"


def _last_changes(scope: Scope, schema: EntitySchema, since: Since) -> str:
    """Each row's last change within the span. It is the row's last of all if it made the version that stands."""
    return f"""select distinct on (c.row_id) c.row_id, c.version, c.device from holdfast.changes c
      where {_logged("c", scope, schema)} and c.op <> 'd' and c.number > {since.after:d} and c.number <= {since.upto:d}
      order by c.row_id, c.number desc"""


def _of_others(alias: str, since: Since) -> list[str]:
    return [] if since.device is None else [f"{alias}.device is distinct from {literal(since.device)}"]


def _either(scope: Scope, selection: Selection) -> str:
    """Changed, or holding something in a field that the device has just learnt of: no index serves that, so all are read."""
    fields = selection.schema.by_name
    conditions = [differs(fields[name], "r") for name in selection.differing]
    if selection.since is not None:
        last = _last_changes(scope, selection.schema, selection.since)
        where = " and ".join(["true", *_of_others("l", selection.since)])
        conditions.append(f"(r.id, r.version) in (select l.row_id, l.version from ({last}) l where {where})")
    return " or ".join(conditions)


def _untouched(scope: Scope, schema: EntitySchema, number: int) -> str:
    later = f"{_logged('n', scope, schema)} and n.number > {number:d}"
    return f"not exists (select from holdfast.changes n where {later} and n.row_id = r.id)"


def _logged(alias: str, scope: Scope, schema: EntitySchema) -> str:
    return f"{alias}.tenant_id = {_uuid(scope.tenant_id)} and {alias}.entity = {literal(schema.stable_name)}"


def _uuid(value: UUID) -> str:
    return f"'{value}'::uuid"
