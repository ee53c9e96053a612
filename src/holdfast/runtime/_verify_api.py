"""The API of a running server, tried from outside."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from holdfast.runtime._guests import Guests
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import Failed, NotChecked, must
from holdfast.runtime.serving import find_served

_BOUND_SECONDS = 10.0
_MOST_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Any


async def check_api(platform: Platform, guests: Guests, url: str | None) -> str:
    """Health, description, login, list, and a refusal. Raises NotChecked where no server runs."""
    url = (url or _own_url(platform)).rstrip("/")
    health = await _ask(url, "GET", "/health")
    must(health.status == 200, f"GET /health answers {health.status}")
    described = await _ask(url, "GET", "/openapi.json")
    must(described.status == 200, f"GET /openapi.json answers {described.status}")
    login = {"email": guests.one.email, "password": guests.one.password}
    granted = await _ask(url, "POST", "/auth/login", body=login)
    must(granted.status == 200, f"POST /auth/login answers {granted.status}")
    token = granted.body.get("access_token") if isinstance(granted.body, dict) else None
    if not isinstance(token, str):
        raise Failed("POST /auth/login gives no access token")
    path = _list_path(platform)
    listed = await _ask(url, "GET", path, token=token)
    must(listed.status == 200, f"GET {path} answers {listed.status}")
    refused = await _ask(url, "GET", path)
    must(refused.status == 401, f"GET {path} without a token answers {refused.status}")
    return f"{url}: health, description, login, {path} answered; no token, no list"


def _own_url(platform: Platform) -> str:
    served = find_served(platform.settings.home)
    if served is None or not served.ready:
        raise NotChecked("no server of this home runs; `--url` names another")
    return served.url


def _list_path(platform: Platform) -> str:
    entities = [entity for pack in platform.packs for entity in pack.entities]
    for schema in map(platform.catalog.schema, entities):
        if schema.journaled:
            return f"/api/v1/data/{schema.pack}/{schema.table}"
    return "/api/v1/auth/tenants"


async def _ask(url: str, method: str, path: str, *, token: str | None = None, body: object = None) -> _Answer:
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if body is not None:
        headers["Content-Type"], data = "application/json", json.dumps(body).encode()
    request = Request(url + path, data=data, headers=headers, method=method)  # noqa: S310 (the deployment's own)
    try:
        return await asyncio.to_thread(_send, request)
    except (URLError, OSError, ValueError) as error:
        raise Failed(f"{method} {path}: no answer ({type(error).__name__})") from None


def _send(request: Request) -> _Answer:
    opener = build_opener(ProxyHandler({}))  # the deployment is asked, not a proxy of the environment's
    try:
        with opener.open(request, timeout=_BOUND_SECONDS) as response:
            return _Answer(response.status, json.loads(response.read(_MOST_BYTES)))
    except HTTPError as error:
        with error:
            return _Answer(error.code, None)
