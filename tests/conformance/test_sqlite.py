"""The SQLite engine keeps the port's promises, in a file and in memory."""

from __future__ import annotations

import pytest

from holdfast.testing.conformance import EngineConformance, Harness
from tests.conformance.sqlite import SqliteHarness


class TestSqliteFile(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls, tmp_path_factory: pytest.TempPathFactory) -> Harness:
        return SqliteHarness(tmp_path_factory.mktemp("sqlite"))


class TestSqliteInMemory(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return SqliteHarness()
