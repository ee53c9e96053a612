"""The ceiling of sync: raw ASGI and asyncpg, JSON made and read in PostgreSQL, nothing validated."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import asyncpg

from benchmarks.targets.accounts import DATABASE_SETTING, POOL_SIZE, Caller, callers, leave_as_it_is
from benchmarks.targets.sync_statements import ADVANCE, ALL, CHANGED, DELETED, HEAD, SENT, TAKE

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE = 1_000
HEADERS = [(b"content-type", b"application/json")]
AS_TEXT = "SELECT row_to_json(r)::text FROM ({}) r"
CHANGES = "($5::text::json -> 'financial_accounts')"
ROW = """r(id text, name text, account_type text, institution text, balance numeric, currency text, interest_rate numeric,
is_active boolean, metadata text)"""
TAKE_ROWS = TAKE.format(
    columns="id, " + SENT.replace("metadata", "metadata::jsonb"),
    source=f"""(
        SELECT * FROM json_to_recordset({CHANGES} -> 'created') AS {ROW} UNION ALL
        SELECT * FROM json_to_recordset({CHANGES} -> 'updated') AS {ROW}
    ) rows""",
)


class Ceiling:
    """An ASGI application without a framework."""

    pool: asyncpg.Pool

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        token = next(value for name, value in scope["headers"] if name == b"authorization")[7:]
        caller = callers()[token.decode()]
        query = parse_qs(scope["query_string"].decode())
        after = int(query.get("last_pulled_at", ["0"])[0])
        if scope["method"] == "GET":
            await self._pull(caller, after, send)
        else:
            await self._push(caller, after, await _body(receive), send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.pool = await asyncpg.create_pool(
            os.environ[DATABASE_SETTING], min_size=POOL_SIZE, max_size=POOL_SIZE, reset=leave_as_it_is
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pull(self, caller: Caller, after: int, send: Send) -> None:
        head = await self.pool.fetchval(HEAD, caller.tenant_id)
        if after >= head:
            await _answer(send, b'{"timestamp":%d,"changes":{}}' % head)
            return
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        begin = b'{"timestamp":%d,"changes":{"financial_accounts":{"created":[],"updated":[' % head
        await send({"type": "http.response.body", "body": begin, "more_body": True})
        async with self.pool.acquire() as connection, connection.transaction():
            text, span = (CHANGED, (after, head)) if after else (ALL, ())
            cursor = await connection.cursor(AS_TEXT.format(text), caller.tenant_id, *span)
            comma = ""
            while records := await cursor.fetch(PAGE):
                body = (comma + ",".join([record[0] for record in records])).encode()
                await send({"type": "http.response.body", "body": body, "more_body": True})
                comma = ","
            gone = await connection.fetch(DELETED, caller.tenant_id, after, head) if after else []
        ids = ",".join(f'"{record[0]}"' for record in gone)
        await send({"type": "http.response.body", "body": f'],"deleted":[{ids}]}}}}}}'.encode()})

    async def _push(self, caller: Caller, after: int, body: str, send: Send) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            head = await connection.fetchval(ADVANCE, caller.tenant_id)
            status = await connection.execute(TAKE_ROWS, caller.tenant_id, caller.user_id, head, after, body)
        await _answer(send, b'{"accepted":%b}' % status.rsplit(" ", 1)[1].encode())


async def _answer(send: Send, body: bytes) -> None:
    headers = [*HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> str:
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message["body"])
        more = message["more_body"]
    return b"".join(pieces).decode()


app = Ceiling()
