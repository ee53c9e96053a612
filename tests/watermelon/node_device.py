"""The real client, as a script plays it (`holdfast.testing.sync.script.Device`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from holdfast.testing.sync.schema import Schema as ModelSchema
from holdfast.testing.sync.schema import Value
from holdfast.testing.sync.script import Play, Stored, Sync
from tests.watermelon.client import Exchange, LocalDatabase, Point, Remote, SyncFailed, SyncResult
from tests.watermelon.schema import Column, Schema, Table


def real_schema(schema: ModelSchema) -> Schema:
    """The model's schema, as the driver is told it."""
    tables = [
        Table(table.name, tuple(Column(c.name, c.kind, c.optional) for c in table.columns))
        for table in schema.tables
    ]
    return Schema(schema.version, tuple(tables))


class NodeDevice:
    """A database in the driver's process. Calls of the driver block; what is played in the middle comes from its loop."""

    def __init__(self, database: LocalDatabase, remote: Remote, tables: Sequence[str]) -> None:
        """`database` is new; `remote` reaches the server as this device."""
        self._database = database
        self._remote = remote
        self._tables = tables
        self._pushes: list[Exchange] = []
        self._errors: list[str] = []

    async def create(self, table: str, row_id: str, values: Mapping[str, Value]) -> None:
        """See the protocol."""
        self._database.create(table, {"id": row_id, **values})

    async def edit(self, table: str, row_id: str, values: Mapping[str, Value]) -> None:
        """See the protocol."""
        self._database.update(table, row_id, values)

    async def delete(self, table: str, row_id: str) -> None:
        """See the protocol."""
        self._database.delete(table, row_id)

    async def sync(self, step: Sync, play: Play) -> None:
        """See the protocol."""
        loop = asyncio.get_running_loop()

        def hook(point: Point) -> Callable[[], object]:
            return lambda: asyncio.run_coroutine_threadsafe(play(point), loop).result()  # type: ignore[arg-type]

        hooks: dict[Point, Callable[[], object]] = {point: hook(point) for point in step.at}
        result = await asyncio.to_thread(self._synchronise, step, hooks)
        self._pushes += result.pushes[:1]
        self._errors += [line.text for line in result.console if line.is_error]

    def _synchronise(self, step: Sync, hooks: Mapping[Point, Callable[[], object]]) -> SyncResult:
        try:
            return self._database.sync(self._remote, at=hooks, lose=step.lose, send_twice=step.twice)
        except SyncFailed as failed:
            if step.lose is None:
                raise
            return failed.result

    async def resend(self, push: int) -> None:
        """See the protocol."""
        await asyncio.to_thread(self._database.driver.resend, self._pushes[push])

    async def stored(self) -> Stored:
        """See the protocol."""
        return {table: {row["id"]: row for row in self._database.stored(table)} for table in self._tables}

    async def errors(self) -> Sequence[str]:
        """See the protocol."""
        return self._errors
