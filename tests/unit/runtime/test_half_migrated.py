"""A schema that a migration left half-way is not well, and is said to be so."""

from __future__ import annotations

import pytest

from holdfast.cli.status import _migrations
from holdfast.migrations import migrate
from holdfast.runtime.assembly import open_platform
from holdfast.runtime.settings import load_settings


async def test_health_is_not_ok_while_a_revision_is_half_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings().changed("a test", database_url="memory://")
    async with open_platform(settings) as platform:
        assert (await platform.health())["status"] == "ok"

        async def interrupted(_: object) -> list[str]:
            return ["app_0002"]

        monkeypatch.setattr(migrate, "interrupted", interrupted)
        health = await platform.health()
        assert health["status"] == "failing"
        assert health["failing"] == ["schema"]


def test_status_names_what_is_half_done() -> None:
    told = _migrations({"pending": ["app_0002"], "half": ["app_0002"], "applied": 3})
    assert told == "half applied or half taken back: app_0002; see `holdfast migrate status`"
