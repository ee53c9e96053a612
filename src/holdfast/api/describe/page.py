"""The page at `/docs`: three files of our own that show `openapi.json`, and load nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import orjson
from fastapi import APIRouter, Response

_FILES = {
    "": ("docs.html", "text/html; charset=utf-8"),
    "/docs.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/docs.css": ("docs.css", "text/css; charset=utf-8"),
}
_REVALIDATE = {"cache-control": "no-cache"}


def page_router(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """`/docs` and `/openapi.json`."""
    router = APIRouter(include_in_schema=False)
    folder = files("holdfast.api.describe") / "static"
    for path, (name, media_type) in _FILES.items():
        _serve(router, f"/docs{path}", (folder / name).read_bytes(), media_type)

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(orjson.dumps(document()), media_type="application/json", headers=_REVALIDATE)

    return router


def _serve(router: APIRouter, path: str, content: bytes, media_type: str) -> None:
    @router.get(path)
    async def serve() -> Response:
        return Response(content, media_type=media_type, headers=_REVALIDATE)
