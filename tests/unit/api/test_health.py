"""Health: what it answers, what it costs, and what it says when a part fails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from holdfast.errors import MigrationsPending, Unavailable
from tests.api_platform import CANARY, Deployment, app_of, client_of

PATHS = ["/health", "/api/health", "/api/v1/health", "/health/ready", "/api/v1/health/ready"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_healthy_deployment_says_so(anyone: httpx.AsyncClient, path: str) -> None:
    answer = await anyone.get(path)
    assert answer.status_code == 200
    told = answer.json()
    assert told.keys() == {"status", "timestamp", "database", "version"}
    assert (told["status"], told["database"], told["version"]) == ("ok", "connected", "1.2.3")
    assert told["timestamp"].endswith("Z")
    assert abs(datetime.fromisoformat(told["timestamp"]) - datetime.now(UTC)) < timedelta(seconds=60)
    assert (await anyone.head(path)).status_code == 200


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (Unavailable("no answer"), {"problem": "unavailable"}),
        (MigrationsPending(), {"problem": "migrations_pending", "hint": "Run `holdfast migrate up`."}),
        (RuntimeError(CANARY), {"problem": "RuntimeError"}),
    ],
)
async def test_a_failing_part_is_named_and_life_goes_on(
    deployment: Deployment, problem: Exception, told: dict[str, str]
) -> None:
    deployment.problem = problem
    async with client_of(app_of(deployment)) as client:
        for path in PATHS:
            answer = await client.get(path)
            assert answer.status_code == 503
            expected = {"status": "failing", "database": "unreachable", "failing": ["database"], **told}
            assert {name: answer.json().get(name) for name in expected} == expected
            assert CANARY not in answer.text
        assert (await client.get("/health/live")).json() == {"status": "ok"}


async def test_what_the_platform_says_of_its_parts_is_shown(deployment: Deployment) -> None:
    async def health() -> dict[str, Any]:
        return {"status": "failing", "database": "connected", "failing": ["mail"]}

    deployment.health = health  # type: ignore[method-assign]
    async with client_of(app_of(deployment)) as client:
        answer = await client.get("/health")
    assert answer.status_code == 503
    assert (answer.json()["database"], answer.json()["failing"]) == ("connected", ["mail"])


async def test_many_who_ask_at_once_share_one_answer(deployment: Deployment) -> None:
    asked = 0

    async def health() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return {"status": "ok"}

    deployment.health = health  # type: ignore[method-assign]
    async with client_of(app_of(deployment)) as client:
        answers = await asyncio.gather(*(client.get("/health") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked == 1
