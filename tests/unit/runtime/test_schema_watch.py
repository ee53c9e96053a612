"""Health has a part for the schema: a database that does not fit the code is not well."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.cli.status import _health
from holdfast.engines.postgres._errors import translate
from holdfast.engines.sqlite._errors import _statement
from holdfast.errors import MigrationsPending, SchemaError
from holdfast.runtime.assembly import open_platform
from holdfast.runtime.schema_watch import SchemaWatch
from holdfast.runtime.settings import Settings


async def test_what_is_pending_is_no_health(memory: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def history() -> list[Any]:
        return []

    async with open_platform(memory) as platform:
        monkeypatch.setattr(platform.store.engine, "history", history)
        found = await platform.health()
    assert (found["status"], found["database"], found["failing"]) == ("failing", "connected", ["schema"])
    assert (found["problem"], found["hint"]) == ("migrations_pending", "Run `holdfast migrate up`.")
    assert "realm_0001" in found["where"]
    assert _health(found).startswith("failing: schema (migrations_pending, realm_0001")
    assert _health(found).endswith("Run `holdfast migrate up`.")


async def test_it_is_looked_at_once_for_many_who_ask(
    memory: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    async with open_platform(memory) as platform:
        engine = platform.store.engine
        honest = engine.history

        async def history() -> Any:
            asked.append(1)
            return [] if len(asked) == 1 else await honest()

        monkeypatch.setattr(engine, "history", history)
        watch = SchemaWatch(engine, platform.known_revisions)
        for _ in range(3):
            with pytest.raises(MigrationsPending):
                await watch.check()
        assert len(asked) == 1
        monkeypatch.setattr("holdfast.runtime.schema_watch.FRESH_SECONDS", 0.0)
        await watch.check()  # it heals by itself


def test_other_columns_are_told_with_what_to_do() -> None:
    import asyncpg

    of_postgres = translate(asyncpg.UndefinedColumnError("column x"), None)
    of_sqlite = _statement("no such column: x", None)
    for error in (of_postgres, of_sqlite):
        assert isinstance(error, SchemaError)
        assert error.hint.startswith("Restart with the code that fits")
