"""What a test of schema change stands on: an engine with the realm and the log, some people, and steps to apply.

`ENGINES` are those that every such test runs on; another one joins by a line.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.engines.memory import MemoryEngine
from holdfast.engines.port import Control, Engine
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.planning import Plan, plan
from holdfast.model.schema import EntitySchema
from holdfast.model.steps import CreateEntity, CreateLog, CreateTombstones, Step, checksum, replay, undo
from holdfast.store.store import Store
from holdfast.testing.conformance import Harness
from holdfast.testing.conformance.entities import REALM
from holdfast.testing.conformance.world import World
from holdfast.testing.memory import MemoryHarness
from tests.conformance.postgres import PostgresHarness
from tests.conformance.sqlite import SqliteHarness, behind

ENGINES: dict[str, Callable[[pytest.FixtureRequest], Harness]] = {
    "memory": lambda _: MemoryHarness(),
    "postgres": lambda request: PostgresHarness(_server(request)),
    "sqlite": lambda request: SqliteHarness(_folder(request)),
}
SECRET = b"the suite signs its cursors so"
BASE: tuple[Step, ...] = (
    *(CreateEntity(schema) for schema in Catalog({"realm": REALM})),
    CreateLog(),
    CreateTombstones(),
)


def _server(request: pytest.FixtureRequest) -> EmbeddedServer:
    server: EmbeddedServer = request.getfixturevalue("wheel_server")
    return server


def _folder(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue("tmp_path")
    return folder


def catalog(*entities: type[Entity]) -> Catalog:
    """The application's entities beside the realm."""
    return Catalog({"realm": REALM, "app": entities})


def of_app(declared: Catalog) -> list[EntitySchema]:
    """The application's part of a catalog."""
    return [schema for schema in declared if schema.pack == "app"]


@dataclass(slots=True)
class Bench:
    """An engine, and what was applied to it."""

    harness: Harness
    engine: Engine
    steps: list[Step] = field(default_factory=list)
    revisions: list[tuple[str, tuple[Step, ...], dict[str, EntitySchema]]] = field(default_factory=list)

    def declared(self) -> dict[str, EntitySchema]:
        """The application's schemas as they stand, by stable name."""
        return replay(self.steps)

    def plan(self, *entities: type[Entity]) -> Plan:
        """What leads from what stands to these entities."""
        return plan(self.declared().values(), of_app(catalog(*entities)))

    async def apply(self, steps: Sequence[Step], **control: Any) -> None:
        """As the next revision."""
        name = f"app_{len(self.revisions) + 1:04}"
        await self.engine.apply(steps, revision=name, checksum=checksum(steps), control=Control(**control))
        self.revisions.append((name, tuple(steps), self.declared()))
        self.steps += steps

    async def take_back(self, **control: Any) -> None:
        """The last revision."""
        name, steps, before = self.revisions.pop()
        await self.engine.revert(undo(steps, before), revision=name, control=Control(**control))
        del self.steps[len(self.steps) - len(steps) :]

    async def become(self, *entities: type[Entity], **control: Any) -> Plan:
        """Both phases of what leads to these entities."""
        made = self.plan(*entities)
        for steps in (made.pre, made.post):
            if steps:
                await self.apply(steps, **control)
        return made

    async def findings(self, schemas: Iterable[EntitySchema] | None = None) -> tuple[str, ...]:
        """What the engine finds otherwise than declared; the realm of the suite is not looked at."""
        wanted = list(self.declared().values()) if schemas is None else list(schemas)
        found = await self.engine.inspect([*Catalog({"realm": REALM}), *wanted])
        return found.findings

    def store(self, *entities: type[Entity]) -> Store:
        """A store of code that declares these entities; do not close it, the engine is everybody's."""
        return Store(self.engine, catalog(*entities), cursor_secret=SECRET)

    async def world(self, *entities: type[Entity]) -> World:
        """People in two tenants."""
        return await World.make(self.harness, self.engine)

    @property
    def on_memory(self) -> bool:
        return isinstance(self.engine, MemoryEngine)

    @property
    def on_postgres(self) -> bool:
        return isinstance(self.engine, PostgresEngine)

    @asynccontextmanager
    async def elsewhere(self) -> AsyncIterator[Engine]:
        """An engine on the same file, as another process has one, as far as SQLite can tell; elsewhere the same engine."""
        if not isinstance(self.engine, SqliteEngine):
            yield self.engine
            return
        other = await SqliteEngine.open(Location(self.engine.path))
        try:
            yield other
        finally:
            await other.aclose()

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Any]:
        """A connection of the administrator's, past the engine: on PostgreSQL."""
        assert isinstance(self.harness, PostgresHarness)
        connection = await self.harness._admin(self.engine)
        try:
            yield connection
        finally:
            await connection.close()

    @property
    def on_sqlite(self) -> bool:
        return isinstance(self.engine, SqliteEngine)


@asynccontextmanager
async def bench_on(harness: Harness) -> AsyncIterator[Bench]:
    """A new medium with the realm and the log, until the block ends."""
    engine = await harness.make_engine(BASE)
    try:
        yield Bench(harness, engine)
    finally:
        await harness.close(engine)


_FINGERPRINT = """select 'column' as kind, format('%s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attname like '\\_dropped\\_%') as what
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
   where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
 union all select 'constraint', format('%s %s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
    from pg_constraint k where k.connamespace = 'app'::regnamespace and k.contype <> 'n'
 union all select 'index', format('%s %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
    from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = 'app'::regnamespace
 union all select 'policy', format('%s %s %s %s', p.polrelid::regclass, p.polname, p.polpermissive, pg_get_expr(p.polqual, p.polrelid))
    from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace in ('app'::regnamespace, 'holdfast'::regnamespace)
 union all select 'trigger', format('%s %s', t.tgrelid::regclass, t.tgname)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'app'::regnamespace and not t.tgisinternal
 union all select 'function', p.proname from pg_proc p where p.pronamespace = 'app'::regnamespace"""


_SQLITE_FINGERPRINT = (
    "select type, name, sql from sqlite_schema where name glob 'app__*' or name glob '_dropped*'"
)


def _normal(text: str) -> str:
    return " ".join(text.lower().replace("\\n", " ").replace("if not exists ", "").replace("( ", "(").split())


async def fingerprint(bench: Bench) -> list[str]:
    """All that stands of the application, as the medium tells it."""
    engine = bench.engine
    if isinstance(engine, MemoryEngine):
        tables = engine.data.tables.items()
        return sorted(f"{name} {sorted(table.fields.items())} {table.links}" for name, table in tables)
    if bench.on_sqlite:
        with behind(engine) as raw:
            return sorted(_normal(str(record)) for record in raw.execute(_SQLITE_FINGERPRINT))
    async with bench.behind() as connection:
        records = await connection.fetch(_FINGERPRINT)
    return sorted(f"{record['kind']}: {record['what']}" for record in records)


def _spelled(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


async def all_rows(bench: Bench, schema: EntitySchema) -> list[str]:
    """Every row of a table, past row security, without what tells when it was written."""
    if bench.on_sqlite:
        with behind(bench.engine) as raw:
            raw.row_factory = sqlite3.Row
            found = raw.execute(f'select * from "{schema.pack}__{schema.relation}"').fetchall()
        return sorted(json.dumps({name: _spelled(row[name]) for name in row.keys()}) for row in found)  # noqa: SIM118
    async with bench.behind() as connection:
        records = await connection.fetch(
            f'select to_jsonb(t)::text as row from "{schema.pack}"."{schema.relation}" t'
        )
    return sorted(record["row"] for record in records)
