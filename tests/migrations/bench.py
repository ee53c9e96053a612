"""What a test of schema change stands on: an engine with the realm and the log, some people, and steps to apply.

`ENGINES` are those that every such test runs on; another one joins by a line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdfast.engines.memory import MemoryEngine
from holdfast.engines.port import Control, Engine
from holdfast.engines.postgres.embedded import EmbeddedServer
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

ENGINES: dict[str, Callable[[pytest.FixtureRequest], Harness]] = {
    "memory": lambda _: MemoryHarness(),
    "postgres": lambda request: PostgresHarness(_server(request)),
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


@asynccontextmanager
async def bench_on(harness: Harness) -> AsyncIterator[Bench]:
    """A new medium with the realm and the log, until the block ends."""
    engine = await harness.make_engine(BASE)
    try:
        yield Bench(harness, engine)
    finally:
        await harness.close(engine)
