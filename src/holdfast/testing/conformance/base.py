"""What all test classes of the suite share: the fixtures, on one event loop a class."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from holdfast.engines.port import Capability, Engine
from holdfast.testing.conformance.entities import CATALOG
from holdfast.testing.conformance.harness import Harness, first_revision
from holdfast.testing.conformance.world import World


class EngineTests:
    """One engine for a whole class, because making one may cost a second; two fresh tenants for each test."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture(scope="class")
    @classmethod
    def anyio_backend(cls) -> str:
        """The engines are asyncio's."""
        return "asyncio"

    @pytest.fixture(scope="class")
    @classmethod
    def harness(cls) -> Harness:
        """The engine's author overrides this."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    async def engine(cls, harness: Harness) -> AsyncIterator[Engine]:
        """An engine with everything that the suite declares."""
        engine = await harness.make_engine(first_revision(CATALOG))
        yield engine
        await harness.close(engine)

    @pytest.fixture
    async def world(self, harness: Harness, engine: Engine) -> World:
        """Two tenants that no other test knows."""
        return await World.make(harness, engine)


def lacks(engine: Engine, capability: Capability) -> bool:
    """Whether a test must assert the refusal instead."""
    return capability not in engine.capabilities


Test = Callable[..., Awaitable[None]]


def needs(capability: Capability, refusal: Callable[[World], Awaitable[None]]) -> Callable[[Test], Test]:
    """A test that is skipped where `capability` is lacking, once `refusal` has seen to it that it is refused."""

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        async def checked(self: Any, world: World, **rest: Any) -> None:
            if lacks(world.engine, capability):
                await refusal(world)
                pytest.skip(f"{world.engine.name} lacks {capability!r}, and says so")
            await test(self, world, **rest)

        return checked

    return decorate
