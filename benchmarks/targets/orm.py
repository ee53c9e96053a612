"""The same application by way of an object-relational mapper: FastAPI and SQLAlchemy's asynchronous ORM."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from sqlalchemy import CHAR, BigInteger, DateTime, Numeric, String, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

from benchmarks.targets.accounts import COLLECTION, DATABASE_SETTING, POOL_SIZE
from benchmarks.targets.models import Account, AccountChange, Authenticated, Limit, NewAccount


class Base(DeclarativeBase):
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012  (SQLAlchemy's own spelling)


class AccountRow(Base):
    __tablename__ = "financial_accounts"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    user_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(255))
    account_type: Mapped[str] = mapped_column(String(20))
    institution: Mapped[str | None] = mapped_column(String(255))
    balance: Mapped[Decimal] = mapped_column(Numeric(15, 2))
    currency: Mapped[str] = mapped_column(CHAR(3))
    interest_rate: Mapped[Decimal | None] = mapped_column(Numeric(5, 4))
    is_active: Mapped[bool]
    details: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    synced_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(BigInteger)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  (SQLAlchemy's own spelling)


class MappedAccount(Account):
    """A mapped class keeps `metadata` for itself, so that the column goes by another name inside."""

    metadata: dict[str, Any] = Field(validation_alias="details")


class MappedPage(BaseModel):
    items: list[MappedAccount]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine = create_async_engine(
        make_url(os.environ[DATABASE_SETTING]).set(drivername="postgresql+asyncpg"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


async def session_of(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_of)]
ONE = COLLECTION + "/{account_id}"
app = FastAPI(lifespan=lifespan)


@app.get(ONE)
async def read_account(account_id: UUID, caller: Authenticated, session: Session) -> MappedAccount:
    return MappedAccount.model_validate(await _find(session, caller.tenant_id, account_id))


@app.get(COLLECTION)
async def list_accounts(caller: Authenticated, session: Session, limit: Limit = 100) -> MappedPage:
    mine = select(AccountRow).where(AccountRow.tenant_id == caller.tenant_id)
    rows = await session.scalars(mine.order_by(AccountRow.id).limit(limit))
    return MappedPage(items=[MappedAccount.model_validate(row) for row in rows])


@app.post(COLLECTION, status_code=201)
async def create_account(new: NewAccount, caller: Authenticated, session: Session) -> MappedAccount:
    now = datetime.now(UTC)
    row = AccountRow(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        created_at=now,
        updated_at=now,
        **_attributes(new.model_dump()),
    )
    session.add(row)
    await session.commit()
    return MappedAccount.model_validate(row)


@app.patch(ONE)
async def update_account(
    account_id: UUID, change: AccountChange, caller: Authenticated, session: Session
) -> MappedAccount:
    row = await _find(session, caller.tenant_id, account_id)
    for attribute, value in _attributes(change.model_dump(exclude_unset=True)).items():
        setattr(row, attribute, value)
    row.updated_at = datetime.now(UTC)
    await session.commit()
    return MappedAccount.model_validate(row)


async def _find(session: AsyncSession, tenant_id: UUID, account_id: UUID) -> AccountRow:
    row = await session.get(AccountRow, (tenant_id, account_id))
    if row is None:
        raise HTTPException(404, "No such account")
    return row


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    return {"details" if name == "metadata" else name: value for name, value in fields.items()}
