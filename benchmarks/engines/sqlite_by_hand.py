"""The reference: the statements that the engine runs, written down by hand on the standard library's driver.

It writes the row, its change and the head in one transaction and reads rows into Python's types; it validates nothing, plans
nothing, hashes nothing, and knows one tenant. A thread for each of two connections, as an asyncio program needs them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson

from holdfast.model.ids import new_id

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
COLUMNS = "id, version, created_at, updated_at, name, shelf, label, position, settings"
GET = f"select {COLUMNS} from kit__boards where tenant_id = ? and id = ?"
LIST = f"select {COLUMNS} from kit__boards where tenant_id = ? order by id limit ?"
ALL = f"select {COLUMNS} from kit__boards where tenant_id = ? order by id"
PUT = f"insert into kit__boards (tenant_id, {COLUMNS}, commit_salt) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
CHANGE = """insert into holdfast__changes (tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device,
 at, commitment) values (?, ?, ?, 1, 'kit.boards', ?, 'c', ?, 1, ?, null, ?, ?)"""
HEAD = "select head from holdfast__tenant_heads where tenant_id = ?"
SET_HEAD = """insert into holdfast__tenant_heads (tenant_id, head) values (?, ?)
 on conflict (tenant_id) do update set head = excluded.head"""
NAMES = COLUMNS.split(", ")
FIELDS = '["label","name","position","settings","shelf"]'
FETCHED = 500


class ByHand:
    """Two connections to a file that Holdfast has made."""

    def __init__(self, path: Path, tenant: UUID, user: UUID) -> None:
        self._tenant, self._user = tenant.bytes, user.bytes
        self._threads = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
        self._writer, self._reader = (
            sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5) for _ in range(2)
        )
        self._writer.execute("pragma synchronous = full")
        self._writer.execute("pragma foreign_keys = on")

    async def _read(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads[0], job)

    async def get(self, row_id: UUID) -> dict[str, Any]:
        record = await self._read(lambda: self._reader.execute(GET, (self._tenant, row_id.bytes)).fetchone())
        return _row(record)

    async def list(self, limit: int) -> bytes:
        records = await self._read(lambda: self._reader.execute(LIST, (self._tenant, limit)).fetchall())
        return orjson.dumps([_plain(record) for record in records])

    async def pull(self) -> int:
        """All rows as devices read them, some at a time."""
        size = 0
        cursor = await self._read(lambda: self._reader.execute(ALL, (self._tenant,)))
        while records := await self._read(lambda: cursor.fetchmany(FETCHED)):
            size += len(orjson.dumps([_wire(record) for record in records]))
        return size

    async def put(self, rows: Sequence[tuple[str, str, int]]) -> None:
        """New rows in one transaction."""
        await asyncio.get_running_loop().run_in_executor(self._threads[1], lambda: self._put(rows))

    def _put(self, rows: Sequence[tuple[str, str, int]]) -> None:
        run = self._writer.execute
        run("begin immediate")
        # The guard lets through what a flush writes; the moment is counted as the engine does.
        run("update holdfast__medium set moment = moment + 1, flush = 1")
        found = run(HEAD, (self._tenant,)).fetchone()
        head = found[0] if found else 0
        now = (datetime.now(UTC) - EPOCH) // MICROSECOND
        ids = [new_id().bytes for _ in rows]
        self._writer.executemany(
            PUT,
            (
                (self._tenant, row_id, 1, now, now, name, shelf, "l", position, "{}", bytes(16))
                for row_id, (name, shelf, position) in zip(ids, rows, strict=True)
            ),
        )
        self._writer.executemany(
            CHANGE,
            (
                (self._tenant, number, head + len(ids), row_id, FIELDS, self._user, now, bytes(32))
                for number, row_id in enumerate(ids, head + 1)
            ),
        )
        run(SET_HEAD, (self._tenant, head + len(ids)))
        run("update holdfast__medium set flush = 0")
        run("commit")

    async def close(self) -> None:
        for thread in self._threads:
            thread.shutdown()
        self._writer.close()
        self._reader.close()


def _row(record: Sequence[Any]) -> dict[str, Any]:
    row = dict(zip(NAMES, record, strict=True))
    row["id"] = UUID(bytes=row["id"])
    for name in ("created_at", "updated_at"):
        row[name] = EPOCH + timedelta(microseconds=row[name])
    row["settings"] = orjson.loads(row["settings"])
    return row


def _plain(record: Sequence[Any]) -> dict[str, Any]:
    """As REST shows it; orjson spells the id and the instants."""
    return _row(record)


def _wire(record: Sequence[Any]) -> dict[str, Any]:
    row = dict(zip(NAMES, record, strict=True))
    row["id"] = str(UUID(bytes=row["id"]))
    row["created_at"] //= 1000
    row["updated_at"] //= 1000
    del row["version"]
    return row
