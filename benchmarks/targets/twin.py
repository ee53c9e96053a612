"""The hand-written twin: FastAPI and asyncpg as a careful engineer would write them. No policies, no log, no merge."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson
from fastapi import FastAPI, HTTPException, Request
from uuid_utils.compat import uuid7

from benchmarks.targets.accounts import COLLECTION, DATABASE_SETTING, POOL_SIZE, leave_as_it_is
from benchmarks.targets.models import (
    Account,
    AccountChange,
    AccountPage,
    Authenticated,
    Limit,
    NewAccount,
)

COLUMNS = ", ".join(Account.model_fields)
READ = f"SELECT {COLUMNS} FROM financial_accounts WHERE tenant_id = $1 AND id = $2"
LIST = f"SELECT {COLUMNS} FROM financial_accounts WHERE tenant_id = $1 ORDER BY id LIMIT $2"
CREATE = f"""
INSERT INTO financial_accounts (
    id, tenant_id, user_id, created_at, updated_at,
    name, account_type, institution, balance, currency, interest_rate, is_active, metadata
) VALUES ($1, $2, $3, $4, $4, $5, $6, $7, $8, $9, $10, $11, $12)
RETURNING {COLUMNS}"""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ[DATABASE_SETTING],
        min_size=POOL_SIZE,
        max_size=POOL_SIZE,
        init=_decode_json,
        reset=leave_as_it_is,
    ) as pool:
        app.state.pool = pool
        yield


async def _decode_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
    )


ONE = COLLECTION + "/{account_id}"
app = FastAPI(lifespan=lifespan)


@app.get(ONE)
async def read_account(account_id: UUID, caller: Authenticated, request: Request) -> Account:
    return _found(await request.app.state.pool.fetchrow(READ, caller.tenant_id, account_id))


@app.get(COLLECTION)
async def list_accounts(caller: Authenticated, request: Request, limit: Limit = 100) -> AccountPage:
    records = await request.app.state.pool.fetch(LIST, caller.tenant_id, limit)
    return AccountPage.model_validate({"items": [dict(record) for record in records]})


@app.post(COLLECTION, status_code=201)
async def create_account(new: NewAccount, caller: Authenticated, request: Request) -> Account:
    now = datetime.now(UTC)
    values = new.model_dump().values()
    return _found(
        await request.app.state.pool.fetchrow(CREATE, uuid7(), caller.tenant_id, caller.user_id, now, *values)
    )


@app.patch(ONE)
async def update_account(
    account_id: UUID, change: AccountChange, caller: Authenticated, request: Request
) -> Account:
    changed = change.model_dump(exclude_unset=True)
    assignments = "".join(f", {column} = ${place}" for place, column in enumerate(changed, start=4))
    statement = f"""
        UPDATE financial_accounts SET updated_at = $3, version = version + 1{assignments}
        WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}"""
    record = await request.app.state.pool.fetchrow(
        statement, caller.tenant_id, account_id, datetime.now(UTC), *changed.values()
    )
    return _found(record)


def _found(record: asyncpg.Record | None) -> Account:
    if record is None:
        raise HTTPException(404, "No such account")
    return Account.model_validate(dict(record))
