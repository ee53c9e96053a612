"""An engine of each kind for every test that takes a bench."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from holdfast.testing.conformance import Harness
from tests.migrations.bench import ENGINES, Bench, bench_on


@pytest.fixture(params=sorted(ENGINES))
def harness(request: pytest.FixtureRequest) -> Harness:
    """How engines are made and looked into."""
    return ENGINES[request.param](request)


@pytest.fixture
async def bench(harness: Harness) -> AsyncIterator[Bench]:
    """An engine with the realm and the log."""
    async with bench_on(harness) as made:
        yield made
