"""The hand-written twin of sync: FastAPI and asyncpg as a careful team would write them. A counter and a `seq` column; no
policies, no log, no merge: of two edits the server's stands.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import asyncpg
import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, Json

from benchmarks.targets.accounts import DATABASE_SETTING, POOL_SIZE, Caller, leave_as_it_is
from benchmarks.targets.models import AccountType, Authenticated, Currency, Institution, Money, Name, Rate
from benchmarks.targets.sync_statements import ADVANCE, ALL, CHANGED, DELETED, DROP, HEAD, TAKE

PAGE = 1_000
FIELDS = [
    "name",
    "account_type",
    "institution",
    "balance",
    "currency",
    "interest_rate",
    "is_active",
    "metadata",
]
TYPES = ["text", "varchar", "varchar", "varchar", "numeric", "varchar", "numeric", "boolean", "jsonb"]
TAKE_ROWS = TAKE.format(
    columns="r.*", source=f"unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(TYPES, start=5))}) r"
)


class PushedAccount(BaseModel):
    """A row as a device sends it. What else it holds is the server's, or the device's own."""

    id: Annotated[str, Field(pattern="^[A-Za-z0-9]{16}$")]
    name: Name
    account_type: AccountType
    institution: Institution = None
    balance: Money
    currency: Currency
    interest_rate: Rate = None
    is_active: bool
    metadata: Json[dict[str, object]]


class AccountChanges(BaseModel):
    created: list[PushedAccount] = []
    updated: list[PushedAccount] = []
    deleted: list[str] = []


class Push(BaseModel):
    financial_accounts: AccountChanges = AccountChanges()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ[DATABASE_SETTING], min_size=POOL_SIZE, max_size=POOL_SIZE, reset=leave_as_it_is
    ) as pool:
        app.state.pool = pool
        yield


Since = Annotated[int, Query(ge=0)]
app = FastAPI(lifespan=lifespan)


@app.get("/sync/pull")
async def pull(caller: Authenticated, request: Request, last_pulled_at: Since = 0) -> Response:
    pool: asyncpg.Pool = request.app.state.pool
    head = await pool.fetchval(HEAD, caller.tenant_id)
    if last_pulled_at >= head:
        return Response(orjson.dumps({"timestamp": head, "changes": {}}), media_type="application/json")
    pieces = _pieces(pool, caller.tenant_id, last_pulled_at, head)
    return StreamingResponse(pieces, media_type="application/json")


async def _pieces(pool: asyncpg.Pool, tenant: UUID, after: int, head: int) -> AsyncIterator[bytes]:
    yield b'{"timestamp":%d,"changes":{"financial_accounts":{"created":[],"updated":[' % head
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        asked = connection.cursor(CHANGED, tenant, after, head) if after else connection.cursor(ALL, tenant)
        cursor = await asked
        comma = b""
        while records := await cursor.fetch(PAGE):
            yield comma + orjson.dumps([dict(record) for record in records])[1:-1]
            comma = b","
        gone = await connection.fetch(DELETED, tenant, after, head) if after else []
    yield b'],"deleted":%b}}}' % orjson.dumps([record["id"] for record in gone])


@app.post("/sync/push")
async def push(changes: Push, caller: Authenticated, request: Request, last_pulled_at: Since = 0) -> Response:
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        accepted = await _take(connection, caller, changes.financial_accounts, last_pulled_at)
    return Response(orjson.dumps({"accepted": accepted}), media_type="application/json")


async def _take(connection: asyncpg.Connection, caller: Caller, changes: AccountChanges, pulled: int) -> int:
    head = await connection.fetchval(ADVANCE, caller.tenant_id)
    rows = [*changes.created, *changes.updated]
    accepted = 0
    if rows:
        columns = [[row.id for row in rows], *([getattr(row, name) for row in rows] for name in FIELDS)]
        columns[-1] = [orjson.dumps(document).decode() for document in columns[-1]]
        status = await connection.execute(TAKE_ROWS, caller.tenant_id, caller.user_id, head, pulled, *columns)
        accepted += int(status.rsplit(" ", 1)[1])
    if changes.deleted:
        status = await connection.execute(DROP, caller.tenant_id, changes.deleted, head, pulled)
        accepted += int(status.rsplit(" ", 1)[1])
    return accepted
