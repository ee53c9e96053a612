"""What the hand-written applications take in and give out, and who may call them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from benchmarks.targets.accounts import Caller, callers

Name = Annotated[str, Field(min_length=1, max_length=255)]
Institution = Annotated[str, Field(max_length=255)] | None
AccountType = Literal["checking", "savings", "investment", "retirement", "credit", "loan", "other"]
Currency = Literal["USD", "EUR", "GBP", "JPY", "CAD", "AUD"]
Money = Annotated[Decimal, Field(max_digits=15, decimal_places=2)]
Rate = Annotated[Decimal, Field(max_digits=5, decimal_places=4)] | None


class NewAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    account_type: AccountType
    institution: Institution = None
    balance: Money = Decimal(0)
    currency: Currency = "USD"
    interest_rate: Rate = None
    is_active: bool = True
    metadata: dict[str, Any] = {}


class AccountChange(BaseModel):
    """Only what was sent is changed (`exclude_unset`); the defaults merely make every field optional."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    account_type: AccountType = "other"
    institution: Institution = None
    balance: Money = Decimal(0)
    currency: Currency = "USD"
    interest_rate: Rate = None
    is_active: bool = True
    metadata: dict[str, Any] = {}


class Account(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: UUID
    user_id: UUID
    name: str
    account_type: AccountType
    institution: str | None
    balance: Decimal
    currency: Currency
    interest_rate: Decimal | None
    is_active: bool
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    synced_at: datetime | None
    version: int


class AccountPage(BaseModel):
    items: list[Account]


bearer = HTTPBearer()


async def authenticate(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> Caller:
    caller = callers().get(credentials.credentials)
    if caller is None:
        raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Bearer"})
    return caller


Authenticated = Annotated[Caller, Depends(authenticate)]
Limit = Annotated[int, Field(ge=1, le=1000)]
