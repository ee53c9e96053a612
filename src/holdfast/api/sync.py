"""The routes of devices: pull, push, the conflict inbox, and a stream that says when there is something to pull.

The bodies are WatermelonDB's, and are read by `sync.requests`; a pull is sent while it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from holdfast.api.callers import read_device
from holdfast.api.data.json_body import is_json
from holdfast.api.dependencies import attached, current_scope
from holdfast.api.errors import Malformed, UnsupportedMediaType
from holdfast.api.exchange import read_headers
from holdfast.api.platform import Platform
from holdfast.errors import HoldfastError, InvalidInput
from holdfast.sync.caller import Caller
from holdfast.sync.conflicts import Inbox
from holdfast.sync.hub import Hub
from holdfast.sync.requests import read_pull, read_push
from holdfast.tenancy.scope import Scope

_BEARER: dict[str, Any] = {"security": [{"bearer": []}]}
_NO_STORE: Final = {"Cache-Control": "no-store", "Vary": "Authorization"}
_AT_ONCE: Final = 65_536
"""An answer of fewer bytes goes out whole, and one that fails before so many is a problem document like any other."""
KEEP_ALIVE: Final = 20.0
MAX_STREAM: Final = 3_600.0
"""After so many seconds a stream of events ends, and its device comes again."""
_MAX_KEY: Final = 200

Who = Annotated[Scope, Depends(current_scope)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Resolution(_Body):
    """What a person decides: with `value`, `values` are the fields in the form in which REST writes them."""

    model_config = ConfigDict(json_schema_extra={"example": {"take": "mine"}})

    take: Literal["mine", "theirs", "value"]
    values: dict[str, Any] | None = None


class Resolutions(_Body):
    """One decision on several conflicts."""

    model_config = ConfigDict(json_schema_extra={"example": {"ids": [str(UUID(int=0))], "take": "theirs"}})

    ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    take: Literal["mine", "theirs"]


def _takes(example: dict[str, Any]) -> dict[str, Any]:
    """How a route is described that reads its body itself."""
    schema = {"type": "object", "example": example}
    content = {"application/json": {"schema": schema}}
    return {**_BEARER, "requestBody": {"required": False, "content": content}}


_CURSOR: Final[dict[str, Any]] = {
    "name": "last_pulled_at",
    "in": "query",
    "required": False,
    "description": "The `timestamp` of the pull before; empty, `null` or absent on the first one.",
    "schema": {"type": "string"},
}
_A_PULL: Final = {"last_pulled_at": None, "schema_version": 1, "migration": None}
_A_PUSH: Final[dict[str, Any]] = {
    "financial_accounts": {
        "created": [{"id": "x7Kq2mZpL0aB9cDe", "name": "Cash", "account_type": "other", "balance": 12.5}],
        "updated": [],
        "deleted": [],
    }
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A stream of events.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def sync_router(platform: Platform) -> APIRouter:
    """The routes below `/sync`."""
    router = APIRouter(prefix="/sync", tags=["sync"])
    _add_wire(router, platform.hub)
    _add_inbox(router, Inbox(platform.store))
    _add_events(router, platform)
    return router


def _add_wire(router: APIRouter, hub: Hub) -> None:
    @router.get("/pull", openapi_extra={**_BEARER, "parameters": [_CURSOR]})
    async def pull(request: Request) -> Response:
        """What has changed since `last_pulled_at`, or everything; WatermelonDB's `pullChanges` passes it on."""
        caller = await _caller(request)
        return await _streamed(await hub.pull(caller, read_pull(dict(request.query_params))))

    @router.post("/pull", openapi_extra=_takes(_A_PULL))
    async def pull_by_post(request: Request) -> Response:
        """The same, with the parameters in a JSON body: a migration may be longer than an address."""
        caller = await _caller(request)
        body = await _json(request, empty={})
        if not isinstance(body, dict):
            raise Malformed("the body of a pull is an object")
        return await _streamed(await hub.pull(caller, read_pull({**request.query_params, **body})))

    @router.post("/push", openapi_extra=_takes(_A_PUSH) | {"parameters": [_CURSOR]})
    async def push(request: Request) -> Response:
        """Take what a device has changed: WatermelonDB's changes, bare or as `{changes, lastPulledAt}`."""
        caller = await _caller(request)
        body, size = await _json(request), len(await request.body())
        asked = read_push(dict(request.query_params), body, key=_key(request), size=size)
        return _json_reply(await hub.push(caller, asked))


def _add_inbox(router: APIRouter, inbox: Inbox) -> None:
    @router.get("/conflicts", openapi_extra=_BEARER)
    async def conflicts(
        who: Who,
        state: Literal["open", "settled", "resolved", "all"] = "open",
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        after: str | None = None,
    ) -> Response:
        """What met, with both sides and the base of each field."""
        items, following = await inbox.listed(who, state=state, limit=limit, after=after)
        return _json_reply({"items": items, "next": following})

    @router.post("/conflicts/resolve", openapi_extra=_BEARER)
    async def resolve_many(who: Who, body: Resolutions) -> Response:
        """Settle several conflicts the same way."""
        return _json_reply({"items": await inbox.resolve_many(who, body.ids, body.take)})

    @router.post("/conflicts/{id}/resolve", openapi_extra=_BEARER)
    async def resolve(who: Who, conflict_id: Annotated[UUID, Path(alias="id")], body: Resolution) -> Response:
        """Settle a conflict with what the device sent, with what stands here, or with other values."""
        return _json_reply(dict(await inbox.resolve(who, conflict_id, body.take, body.values)))


def _add_events(router: APIRouter, platform: Platform) -> None:
    @router.get("/events", openapi_extra=_BEARER, responses=_STREAM)
    async def events(request: Request) -> Response:
        """Server-sent events: `head`, with the number that the tenant is at. Losing one is harmless."""
        caller = await _caller(request)
        return StreamingResponse(
            _events(platform, request, caller), media_type="text/event-stream", headers=_NO_STORE
        )


async def _events(platform: Platform, request: Request, caller: Caller) -> AsyncGenerator[bytes, None]:
    """The head now, then whenever it moves; a comment when nothing does. Ends with the token that it was opened with."""
    store, tenant, number = platform.store, caller.scope.tenant_id, -1
    end = time.monotonic() + MAX_STREAM
    look_again = time.monotonic() + KEEP_ALIVE
    yield b"retry: 2000\n\n"
    while time.monotonic() < end:
        found = await store.heads.next(tenant, number, seconds=KEEP_ALIVE)
        if found is None:
            yield b": still here\n\n"
        else:
            number = found
            yield b'event: head\nid: %d\ndata: {"number":%d}\n\n' % (number, number)
        if time.monotonic() >= look_again:
            try:
                await _caller(request)
            except HoldfastError:
                return
            look_again = time.monotonic() + KEEP_ALIVE


async def _caller(request: Request) -> Caller:
    headers = read_headers(request.scope["headers"])
    principal = await attached(request.app).callers.principal(headers)
    return Caller.of(Scope.for_user(principal), device=read_device(headers), session_id=principal.session_id)


async def _json(request: Request, *, empty: Any = None) -> Any:
    """The body as JSON, also where it holds half a character: that is one field's matter, not the whole push's."""
    body = await request.body()
    if not body and empty is not None:
        return empty
    if not is_json(request.headers.get("content-type", "").encode("latin-1")):
        raise UnsupportedMediaType
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body.decode(), parse_constant=_refuse)
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise Malformed("the body is not JSON in UTF-8") from None


def _refuse(_: str) -> Any:
    raise ValueError


def _key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= _MAX_KEY:
        raise InvalidInput(f"an idempotency key has 1 to {_MAX_KEY} characters", where="Idempotency-Key")
    return key


async def _streamed(pieces: AsyncIterator[bytes]) -> Response:
    """The answer whole where it is short, and piece by piece where it is not."""
    begun: list[bytes] = []
    size = 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size > _AT_ONCE:
            return StreamingResponse(_rest(begun, pieces), media_type="application/json", headers=_NO_STORE)
    return Response(b"".join(begun), media_type="application/json", headers=_NO_STORE)


async def _rest(begun: list[bytes], pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield b"".join(begun)
    begun.clear()
    async for piece in pieces:
        yield piece


def _json_reply(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json", headers=_NO_STORE)
