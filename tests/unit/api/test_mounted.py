"""Holdfast's API within another application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from holdfast import HoldfastError, Scope
from holdfast.api import answer_problem, create_app, current_scope, lifespan
from holdfast.api.dependencies import attach
from holdfast.errors import ConfigurationError
from tests.api_platform import Deployment, client_of, inhabited

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = inhabited()
    yield made
    await made.aclose()


def application(path: str = "") -> FastAPI:
    app = FastAPI(exception_handlers={HoldfastError: answer_problem})

    @app.get("/who")
    async def who(scope: Annotated[Scope, Depends(current_scope)]) -> str:
        return str(scope.user_id)

    app.mount(path, create_app())
    return app


async def test_the_mounted_api_is_the_outer_applications_platforms(deployment: Deployment) -> None:
    app = application()
    attach(app, deployment)
    async with client_of(app, deployment.tokens["ada"]) as client:
        assert (await client.get("/who")).json() == str(deployment.people["ada"].user_id)
        made = await client.post("/data/lab/samples", json={"code": "x"})
        assert made.status_code == 201
        assert (await client.get(made.headers["location"])).json()["code"] == "x"
        assert made.headers["x-content-type-options"] == "nosniff"


async def test_it_may_be_mounted_below_a_path(deployment: Deployment) -> None:
    app = application("/store")
    attach(app, deployment)
    async with client_of(app, deployment.tokens["ada"]) as client:
        assert (await client.get("/store/data/lab/samples")).status_code == 200
        assert (await client.get("/store/api/v1/data/lab/samples")).status_code == 200
        assert (await client.get("/store/health")).status_code == 200
        assert (await client.get("/store/auth/tenants")).status_code == 200
        assert (await client.get("/data/lab/samples")).status_code == 404


async def test_another_platform_is_served_by_another_api(deployment: Deployment) -> None:
    app, other = application(), inhabited()
    attach(app, deployment)
    async with client_of(app, deployment.tokens["ada"]) as client:
        await client.post("/data/lab/samples", json={"code": "x"})
        attach(app, other)
        assert (await client.get("/data/lab/samples")).json()["items"] == []
    await other.aclose()


@pytest.mark.parametrize("path", ["/who", "/health"])
async def test_an_application_that_knows_no_store_says_so(path: str) -> None:
    transport = httpx.ASGITransport(application())
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        answer = await client.get(path)
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"


async def test_the_api_alone_says_what_it_lacks() -> None:
    transport = httpx.ASGITransport(create_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        with pytest.raises(ConfigurationError, match="lifespan"):
            await client.get("/health")


async def test_a_lifespan_is_entered_within_another(tmp_path: object) -> None:
    told = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan("memory://", home=str(tmp_path))(app):
            told.append("open")
            yield
        told.append("closed")

    app = FastAPI(lifespan=own)
    app.mount("/", create_app())
    async with app.router.lifespan_context(app), client_of(app) as client:
        assert (await client.get("/health")).json()["status"] == "ok"
    assert told == ["open", "closed"]
