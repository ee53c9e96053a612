"""Holdfast as it is shipped, with everything on: tenancy, validation, the log, merging. Its tokens come from logins.

To be written when `holdfast.api` can be started: until then the benchmark leaves this target out, and says so.
"""

from __future__ import annotations

from importlib.util import find_spec

from benchmarks.targets.target import Seeded, ServerConfig


class Holdfast:
    """The real server, with the finance pack, on its runtime role."""

    name = "holdfast"
    collection = "/api/v1/financial/accounts"

    def missing(self) -> str | None:
        if find_spec("holdfast.api") is None:
            return "holdfast.api cannot be imported"
        return None

    def start(self, config: ServerConfig) -> str:
        raise NotImplementedError

    def pid(self) -> int:
        raise NotImplementedError

    def seed(self, rows: int, tenants: int) -> list[Seeded]:
        raise NotImplementedError

    def stop(self) -> None:
        """Nothing has been started."""
