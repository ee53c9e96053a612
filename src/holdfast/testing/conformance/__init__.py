"""The conformance suite: every promise of `holdfast.engines.port`, and of the store on top of it, as tests.

An engine's own test file says how the engine is made and how its medium is reached behind the port:

    class TestMine(EngineConformance):
        @pytest.fixture(scope="class")
        @classmethod
        def harness(cls) -> Harness:
            return MyHarness()

What an engine lacks is skipped by the name of the capability, never in silence: the test then asserts the refusal.
Not here: tests of one engine's own means. Open `harness.py`, then `world.py`, then any file of `port/` or `store/`.
"""

import pytest

# Before the tests are imported, so that a failing assertion shows its values there as well.
pytest.register_assert_rewrite("holdfast.testing.conformance.port", "holdfast.testing.conformance.store")

from holdfast.testing.conformance.harness import Harness, first_revision, raw_tenant  # noqa: E402
from holdfast.testing.conformance.suite import EngineConformance  # noqa: E402
from holdfast.testing.conformance.world import World  # noqa: E402

__all__ = ["EngineConformance", "Harness", "World", "first_revision", "raw_tenant"]
