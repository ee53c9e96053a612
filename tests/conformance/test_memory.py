"""The memory engine keeps the port's promises: as it is, within DynamoDB's limits, and with plans."""

from __future__ import annotations

import pytest

from holdfast.engines.memory.engine import DYNAMODB_LIMITS
from holdfast.testing.conformance import EngineConformance, Harness
from holdfast.testing.memory import MemoryHarness
from holdfast.testing.planned import PlannedMemoryEngine


class TestMemory(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return MemoryHarness()


class TestMemoryWithinDynamoLimits(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return MemoryHarness(limits=DYNAMODB_LIMITS)


class TestMemoryWithPlans(EngineConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        return MemoryHarness(PlannedMemoryEngine)
