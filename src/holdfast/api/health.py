"""Is it well? `/health` and `/health/ready` ask the parts, `/health/live` only whether this process answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from holdfast.api.platform import Platform
from holdfast.errors import HoldfastError

BOUND_SECONDS = 5.0
_FRESH_SECONDS = 0.5
_FAILING: dict[int | str, dict[str, Any]] = {503: {"description": "A part is failing"}}


class HealthCheck:
    """Asks the platform, for everybody who asks within half a second: anyone may ask, and an answer costs a query."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._asking: asyncio.Task[dict[str, Any]] | None = None
        self._answered_at = -_FRESH_SECONDS

    async def answer(self) -> dict[str, Any]:
        """`status` (`ok` or another word), `timestamp`, `database`, `version`, and `failing` where something is."""
        if self._asking is None or (self._asking.done() and self._is_stale()):
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    def _is_stale(self) -> bool:
        return time.monotonic() - self._answered_at >= _FRESH_SECONDS

    async def _ask(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                parts: Mapping[str, Any] = await self._platform.health()
        except TimeoutError:
            parts = _failure("timeout", None)
        except HoldfastError as error:
            parts = _failure(error.code, error.hint)
        except Exception as error:  # noqa: BLE001
            parts = _failure(type(error).__name__, None)
        self._answered_at = time.monotonic()
        return {**self._common(), **parts}

    def _common(self) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"status": "ok", "timestamp": now, "database": "connected", "version": self._platform.version}


def _failure(problem: str, hint: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "status": "failing",
        "database": "unreachable",
        "failing": ["database"],
        "problem": problem,
    }
    return {**told, "hint": hint} if hint else told


def health_router(check: HealthCheck) -> APIRouter:
    """The routes below `/health`."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("", responses=_FAILING)
    @router.head("", include_in_schema=False)
    @router.get("/ready", responses=_FAILING)
    @router.head("/ready", include_in_schema=False)
    async def health() -> Response:
        """How the parts are; 503 with the failing ones where one is."""
        answer = await check.answer()
        return JSONResponse(answer, status_code=200 if answer["status"] == "ok" else 503)

    @router.get("/live")
    @router.head("/live", include_in_schema=False)
    async def live() -> Response:
        """Whether this process answers at all; it asks nothing of any part."""
        return JSONResponse({"status": "ok"})

    return router
