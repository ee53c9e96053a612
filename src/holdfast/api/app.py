"""`create_app`: the routes of a platform put together behind the edge."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from holdfast.api.auth import auth_router
from holdfast.api.callers import Callers
from holdfast.api.data.routes import ROOT, DataRoutes
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


def create_app(platform: Platform, *, settings: ApiSettings | None = None) -> ASGIApp:
    """The ASGI application of an open platform. `settings` are the defaults where they are not given."""
    settings = settings or ApiSettings()
    callers = Callers(platform.accounts)
    data = DataRoutes(platform.store, platform.packs, callers, settings)
    return Edge(data, _framework(platform, callers, data), settings)


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
    app.state.callers = callers
    app.state.platform = platform
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
