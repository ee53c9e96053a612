"""Is it well? Each part is asked one cheap question and given a bounded time to answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from holdfast.errors import HoldfastError, SchemaError

BOUND_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PartHealth:
    """How one part is. `problem` is the code of the error it answered with, or `timeout`."""

    name: str
    status: Literal["ok", "failing", "not_configured"]
    seconds: float
    problem: str | None = None
    where: str | None = None
    """Where its error stands: revisions, a setting."""
    hint: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it; what is not configured cannot fail."""
        return self.status != "failing"


@dataclass(frozen=True, slots=True)
class Health:
    """How the whole is: the answer of `GET /health`."""

    version: str
    at: datetime
    parts: tuple[PartHealth, ...]

    @property
    def ok(self) -> bool:
        """Whether every part is well."""
        return all(part.ok for part in self.parts)

    @property
    def database(self) -> str:
        """`connected` or `unreachable`."""
        part = next(part for part in self.parts if part.name == "database")
        return "connected" if part.ok else "unreachable"

    def plain(self) -> dict[str, str | list[str]]:
        """As the API shows it; the parts that fail are named where any does."""
        failing = [part for part in self.parts if not part.ok]
        answer: dict[str, str | list[str]] = {
            "status": "ok" if self.ok else "failing",
            "timestamp": self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "database": self.database,
            "version": self.version,
        }
        if not failing:
            return answer
        first = failing[0]
        told = {"problem": first.problem, "where": first.where, "hint": first.hint}
        return {
            **answer,
            "failing": [part.name for part in failing],
            **{name: said for name, said in told.items() if said},
        }


async def check_part(
    name: str, ask: Callable[[], Awaitable[None]], *, seconds: float = BOUND_SECONDS
) -> PartHealth:
    """Ask a part, for at most `seconds`. It never raises: an answer that fails is an answer."""
    began = time.monotonic()
    problem: str | None = None
    where = hint = None
    try:
        async with asyncio.timeout(seconds):
            await ask()
    except TimeoutError:
        problem = "timeout"
    except HoldfastError as error:
        problem, hint = error.code, error.hint
        where = error.where if isinstance(error, SchemaError) else None  # who asks may be anybody
    except Exception as error:  # noqa: BLE001
        problem = type(error).__name__
    status: Literal["ok", "failing"] = "ok" if problem is None else "failing"
    return PartHealth(name, status, time.monotonic() - began, problem, where, hint)
