"""A memory engine with the suite's entities, and the people of two tenants on it."""

from __future__ import annotations

import pytest

from holdfast.engines.memory import MemoryEngine
from holdfast.testing.conformance import World, first_revision
from holdfast.testing.conformance.entities import CATALOG
from holdfast.testing.memory import MemoryHarness
from holdfast.testing.planned import PlannedMemoryEngine


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def world_on(kind: type[MemoryEngine]) -> World:
    harness = MemoryHarness(kind)
    return await World.make(harness, await harness.make_engine(first_revision(CATALOG)))


@pytest.fixture
async def world() -> World:
    return await world_on(MemoryEngine)


@pytest.fixture
async def planned_world() -> World:
    return await world_on(PlannedMemoryEngine)
