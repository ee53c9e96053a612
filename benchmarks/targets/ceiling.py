"""The ceiling: how fast Python can answer at all. Raw ASGI and asyncpg, JSON made in PostgreSQL, nothing validated."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from benchmarks.targets.accounts import COLLECTION, DATABASE_SETTING, POOL_SIZE, callers, leave_as_it_is

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SENT = "name, account_type, institution, balance, currency, interest_rate, is_active, metadata"
AS_JSON = """
SELECT row_to_json(r)::text FROM (
    SELECT id, tenant_id, user_id, name, account_type, institution, balance::text, currency, interest_rate::text,
           is_active, metadata, created_at, updated_at, synced_at, version
    FROM {source}
) r"""
READ = AS_JSON.format(source="financial_accounts WHERE tenant_id = $1 AND id = $2")
LIST = f"""
SELECT '{{"items":[' || coalesce(string_agg(item, ','), '') || ']}}' FROM (
    {AS_JSON.format(source="financial_accounts WHERE tenant_id = $1 ORDER BY id LIMIT $2")}
) page (item)"""
CREATE = f"""
WITH made AS (
    INSERT INTO financial_accounts (tenant_id, id, user_id, created_at, updated_at, {SENT})
    SELECT $1, $2, $3, now(), now(), name, account_type, institution, balance, currency, interest_rate,
           coalesce(is_active, true), metadata
    FROM jsonb_populate_record(NULL::financial_accounts, $4::text::jsonb)
    RETURNING *
)""" + AS_JSON.format(source="made")
UPDATE = f"""
WITH changed AS (
    UPDATE financial_accounts a SET updated_at = now(), version = version + 1, ({SENT}) = (
        SELECT {SENT} FROM jsonb_populate_record(a, $3::text::jsonb)
    )
    WHERE tenant_id = $1 AND id = $2
    RETURNING *
)""" + AS_JSON.format(source="changed")

HEADERS = [(b"content-type", b"application/json")]
ROW = len(COLLECTION) + 1


class Ceiling:
    """An ASGI application without a framework."""

    pool: asyncpg.Pool

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool = await asyncpg.create_pool(
            os.environ[DATABASE_SETTING],
            min_size=POOL_SIZE,
            max_size=POOL_SIZE,
            reset=leave_as_it_is,
            server_settings={"timezone": "UTC"},
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        token = next(value for name, value in scope["headers"] if name == b"authorization")[7:]
        caller = callers()[token.decode()]
        method, key = scope["method"], scope["path"][ROW:]
        status = 200
        if method == "PATCH":
            row = await self.pool.fetchval(UPDATE, caller.tenant_id, UUID(key), await _body(receive))
        elif method == "POST":
            status = 201
            row = await self.pool.fetchval(
                CREATE, caller.tenant_id, uuid7(), caller.user_id, await _body(receive)
            )
        elif key:
            row = await self.pool.fetchval(READ, caller.tenant_id, UUID(key))
        else:
            row = await self.pool.fetchval(LIST, caller.tenant_id, int(scope["query_string"][6:]))
        body = row.encode()
        headers = [*HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> str:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body.decode()


app = Ceiling()
