"""The times of imports and migrations are those of what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import startup
from holdfast.engines.sqlite.engine import SqliteEngine
from holdfast.engines.sqlite.location import Location
from holdfast.runtime.packs import catalog_of, own_packs


def test_an_import_takes_longer_than_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "TIMES", 1)
    assert startup.import_seconds("asyncio") > 0


async def test_a_migration_makes_all_entities(tmp_path: Path) -> None:
    engine = await SqliteEngine.open(Location(tmp_path / "many.db"))
    assert await startup.migration_seconds(engine, 3) > 0
    schemas = list(catalog_of([*own_packs(), startup.pack_of(3)]))
    assert sum(schema.pack == "many" for schema in schemas) == 3
    assert (await engine.inspect(schemas)).findings == ()
    await engine.aclose()


def test_a_start_is_made_twice(tmp_path: Path) -> None:
    first, again = startup.start_seconds(tmp_path, "sqlite:///start.db")
    assert first > 0
    assert again > 0
