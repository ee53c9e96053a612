"""The SQLite engine under the conformance suite: a file for each engine, and the ways past the port."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from holdfast.changes.change import new_salt
from holdfast.engines.port import Engine, Row, RowWrite
from holdfast.engines.sqlite._statements import Texts
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import Step
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance import Harness
from holdfast.testing.conformance.harness import raw_tenant


class SqliteHarness(Harness):
    """A file for each engine in `folder`, or a database in memory where there is none; another connection is the way past."""

    lock_timeout = 3.0
    """Sixteen writers wait in turn for as many commits to the disk: most of a second where others have it busy too."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    async def make_engine(self, steps: Sequence[Step]) -> Engine:
        path = None if self._folder is None else self._folder / f"{uuid4().hex}.db"
        engine = await SqliteEngine.open(Location(path), lock_timeout=self.lock_timeout)
        if steps:
            await engine.apply(steps, revision="kit", checksum="kit")
        return engine

    async def plant_raw(self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row: Row) -> None:
        texts = Texts(schema)
        scope = scope_of(schema, tenant_id)
        with behind(engine) as raw:
            raw.execute("begin immediate")
            # The guard is told that this is a flush; references are not asked for.
            raw.execute("update holdfast__medium set flush = 1")
            raw.execute(texts.insert, texts.inserted(scope, RowWrite(schema, row["id"], row, 0, new_salt())))
            raw.execute("update holdfast__medium set flush = 0")
            raw.execute("commit")

    async def peek_raw(
        self, engine: Engine, schema: EntitySchema, tenant_id: UUID, row_id: UUID
    ) -> Mapping[str, Any] | None:
        texts = Texts(schema)
        text, given = texts.get(scope_of(schema, tenant_id))
        with behind(engine) as raw:
            record = raw.execute(text, [*given, row_id.bytes]).fetchone()
        return None if record is None else texts.codec.read(record)


def scope_of(schema: EntitySchema, tenant_id: UUID) -> Scope:
    """A scope that sees every row of the table in this tenant."""
    if schema.visibility == "realm":
        return Scope.realm(reason="conformance")
    return Scope.system(raw_tenant(schema, tenant_id), reason="conformance")


def behind(engine: Engine) -> contextlib.closing[sqlite3.Connection]:
    """A connection of one's own to an engine's file."""
    assert isinstance(engine, SqliteEngine)
    return contextlib.closing(sqlite3.connect(engine.path, isolation_level=None, timeout=5))
