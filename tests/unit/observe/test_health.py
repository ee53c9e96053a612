"""Health: each part asked for a bounded time, and an answer whatever it does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from holdfast.errors import Unavailable
from holdfast.observe.health import Health, PartHealth, check_part

AT = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)


async def well() -> None:
    """Answers."""


async def broken() -> None:
    raise Unavailable("with details")


async def unforeseen() -> None:
    raise ZeroDivisionError("with details")


async def slow() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("ask", "ok", "problem"),
    [
        (well, True, None),
        (broken, False, "unavailable"),
        (unforeseen, False, "ZeroDivisionError"),
        (slow, False, "timeout"),
    ],
)
async def test_a_part_answers_in_time_or_fails(ask: object, ok: bool, problem: str | None) -> None:
    part = await check_part("database", ask, seconds=0.05)  # type: ignore[arg-type]
    assert (part.ok, part.problem) == (ok, problem)
    assert part.seconds < 5


def test_the_answer_names_what_fails() -> None:
    health = Health("1.0", AT, (PartHealth("database", "failing", 5.0, "timeout"),))
    assert health.plain() == {
        "status": "failing",
        "timestamp": "2026-11-20T12:00:00.123Z",
        "database": "unreachable",
        "version": "1.0",
        "failing": ["database"],
        "problem": "timeout",
    }


def test_what_is_not_configured_does_not_fail() -> None:
    parts = (PartHealth("database", "ok", 0.1), PartHealth("plaid", "not_configured", 0.0))
    health = Health("1.0", AT, parts)
    assert health.ok
    assert health.plain() == {
        "status": "ok",
        "timestamp": "2026-11-20T12:00:00.123Z",
        "database": "connected",
        "version": "1.0",
    }
