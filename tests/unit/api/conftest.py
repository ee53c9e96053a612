"""A deployment, and clients of it: Ada and Ben in one tenant, Eve in another."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import ASGIApp

from tests.api_platform import Deployment, app_of, client_of, inhabited


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = inhabited()
    yield made
    await made.aclose()


@pytest.fixture
def app(deployment: Deployment) -> ASGIApp:
    return app_of(deployment)


@pytest.fixture
async def ada(app: ASGIApp, deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, deployment.tokens["ada"]) as client:
        yield client


@pytest.fixture
async def ben(app: ASGIApp, deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, deployment.tokens["ben"]) as client:
        yield client


@pytest.fixture
async def vic(app: ASGIApp, deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, deployment.tokens["vic"]) as client:
        yield client


@pytest.fixture
async def eve(app: ASGIApp, deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, deployment.tokens["eve"]) as client:
        yield client


@pytest.fixture
async def anyone(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client
