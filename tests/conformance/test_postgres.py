"""The PostgreSQL engine keeps the port's promises, on each server version that the machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.engines.postgres import engine as postgres_engine
from holdfast.engines.postgres.embedded import EmbeddedServer
from holdfast.testing.conformance import EngineConformance, Harness
from tests.conformance.postgres import PostgresHarness


class TestPostgres(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, postgres_server: EmbeddedServer) -> Iterator[Harness]:
        harness = PostgresHarness(postgres_server)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(postgres_engine, "_LOCK_TIMEOUT", f"{harness.lock_timeout}s")
            yield harness
