"""A file with everything that the conformance suite declares, and two tenants in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.testing.conformance import World, first_revision
from holdfast.testing.conformance.entities import CATALOG
from tests.conformance.sqlite import SqliteHarness


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    made = await SqliteHarness(tmp_path).make_engine(first_revision(CATALOG))
    assert isinstance(made, SqliteEngine)
    yield made
    await made.aclose()


@pytest.fixture
async def world(engine: SqliteEngine, tmp_path: Path) -> World:
    return await World.make(SqliteHarness(tmp_path), engine)
