"""Devices of a deployment on the memory engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from starlette.types import ASGIApp

from tests.api_platform import Deployment, app_of
from tests.sync.device import Device, NewDevice
from tests.sync.field import peopled


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = peopled()
    yield made
    await made.aclose()


@pytest.fixture
def app(deployment: Deployment) -> ASGIApp:
    return app_of(deployment)


@pytest.fixture
async def device(app: ASGIApp, deployment: Deployment) -> AsyncIterator[NewDevice]:
    """`device("ada")` is one without a name, `device("ada", "phone")` one that names itself."""
    async with AsyncExitStack() as stack:

        def made(who: str, name: str | None = None) -> Device:
            one = Device(app, deployment.tokens[who], name)
            stack.push_async_callback(one.client.aclose)
            return one

        yield made


@pytest.fixture
def phone(device: NewDevice) -> Device:
    """Ada's."""
    return device("ada", "phone")


@pytest.fixture
def tablet(device: NewDevice) -> Device:
    """Ada's other one."""
    return device("ada", "tablet")


@pytest.fixture
def ben(device: NewDevice) -> Device:
    """Ben's."""
    return device("ben", "ben's phone")
