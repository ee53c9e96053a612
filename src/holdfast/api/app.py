"""`create_app`: the routes of a platform put together behind the edge."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from holdfast.api.auth import auth_router
from holdfast.api.callers import Callers
from holdfast.api.data.routes import ROOT, DataRoutes
from holdfast.api.dependencies import attach, attached
from holdfast.api.describe.openapi import build_document
from holdfast.api.describe.page import page_router
from holdfast.api.edge import Edge
from holdfast.api.framework import add_error_handlers
from holdfast.api.health import HealthCheck, health_router
from holdfast.api.platform import Platform
from holdfast.api.settings import ApiSettings
from holdfast.api.sync import sync_router

_ABOUT = (
    "Rows of every declared entity, sign-in and health. Paths stand below `/api/v1`; the same paths without it are "
    "stable aliases. Errors are problem documents with a stable `code`."
)


def create_app(platform: Platform | None = None, *, settings: ApiSettings | None = None) -> ASGIApp:
    """The ASGI application of an open platform. `settings` are the defaults where they are not given.

    Without a platform it is that of the application in which it is mounted, which opens one with `lifespan`.
    """
    settings = settings or ApiSettings()
    if platform is None:
        return _Mounted(settings)
    callers = Callers(platform.accounts)
    data = DataRoutes(platform.store, platform.packs, callers, settings)
    return Edge(data, _framework(platform, callers, data), settings)


class _Mounted:
    """The API of the outer application's platform, put together with the first request after that has started."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._platform: Platform | None = None
        self._app: ASGIApp | None = None

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        platform = attached(scope.get("app")).platform
        if self._app is None or self._platform is not platform:
            self._platform, self._app = platform, create_app(platform, settings=self._settings)
        await self._app(scope, receive, send)


def _framework(platform: Platform, callers: Callers, data: DataRoutes) -> FastAPI:
    app = FastAPI(
        title="Holdfast",
        version=platform.version,
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own spans and logs may hold bodies and exceptions' messages.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    attach(app, platform, callers)
    _mount(app, platform, data)
    add_error_handlers(app)
    return app


def _mount(app: FastAPI, platform: Platform, data: DataRoutes) -> None:
    """Every router below `/api/v1`, where it is described, and at the root."""
    health = health_router(HealthCheck(platform))
    packs = [pack.routes() for pack in platform.packs if pack.routes is not None]
    routers: list[APIRouter] = [auth_router(platform), sync_router(platform), health, *packs]
    for router in routers:
        app.include_router(router, prefix=ROOT)
    for router in routers:
        app.include_router(router, include_in_schema=False)
    app.include_router(health, prefix="/api", include_in_schema=False)
    document = cache(lambda: build_document(app, data.paths))
    app.include_router(page_router(document))
    app.include_router(page_router(document), prefix=ROOT)
