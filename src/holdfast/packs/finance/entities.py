"""The pack's entities, as a person and their devices keep them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from holdfast import Digits, Entity, Index, MaxLength, Owned, Personal, Ref, ServerSet, Synced, Unique

Currency = Literal["USD", "EUR", "GBP", "JPY", "CAD", "AUD"]
Money = Annotated[Decimal, Digits(15, 2)]
Name = Annotated[str, MaxLength(255)]
Text = Annotated[str, MaxLength(10_000)]
Document = dict[str, JsonValue]


class FinancialAccount(
    Entity,
    table="financial_accounts",
    policies=(
        Owned(by="user_id"),
        Personal(subject="user_id"),
        Synced(),
        Index("user_id"),
        Index("account_type"),
    ),
):
    """An account at a bank, a broker or in a drawer."""

    user_id: UUID | None = None
    name: Name
    account_type: Literal["checking", "savings", "investment", "retirement", "credit", "loan", "other"]
    institution: Name | None = None
    balance: Money = Decimal(0)
    currency: Currency = "USD"
    interest_rate: Annotated[Decimal, Digits(5, 4)] | None = None
    is_active: bool = True
    metadata: Document = Field(default_factory=dict)
    synced_at: Annotated[datetime, ServerSet()] | None = None


class FinancialGoal(
    Entity,
    table="financial_goals",
    policies=(
        Owned(by="user_id"),
        Personal(subject="user_id"),
        Synced(),
        Index("user_id"),
        Index("goal_type"),
    ),
):
    """An amount to be reached, by a day or some time."""

    user_id: UUID | None = None
    name: Name
    goal_type: Literal["savings", "retirement", "debt_payoff", "emergency_fund", "investment", "other"]
    target_amount: Money
    current_amount: Money = Decimal(0)
    target_date: date | None = None
    priority: Annotated[int, Field(ge=1, le=5)] | None = None
    description: Text | None = None
    is_active: bool = True
    metadata: Document = Field(default_factory=dict)
    synced_at: Annotated[datetime, ServerSet()] | None = None


class Scenario(
    Entity,
    table="scenarios",
    policies=(
        Owned(by="user_id"),
        Personal(subject="user_id"),
        Synced(),
        Index("user_id"),
        Unique("user_id", when="is_default"),
    ),
):
    """What would be if: assumptions, and the projections that follow from them."""

    user_id: UUID | None = None
    name: Name
    description: Text | None = None
    assumptions: Document = Field(default_factory=dict)
    projections: Document = Field(default_factory=dict)
    is_active: bool = True
    is_default: bool = False
    synced_at: Annotated[datetime, ServerSet()] | None = None


class Transaction(
    Entity,
    table="transactions",
    policies=(
        Owned(by="user_id"),
        Personal(subject="user_id"),
        Synced(),
        Index("user_id"),
        Index("account_id", "posted"),
        Index("posted"),
        Unique("account_id", "source_id"),
    ),
):
    """Money that moved on an account."""

    user_id: UUID | None = None
    account_id: Annotated[UUID, Ref("financial_accounts", on_delete="cascade")]
    posted: date
    amount: Money
    currency: Currency = "USD"
    description: Text | None = None
    category: Name | None = None
    merchant: Name | None = None
    pending: bool = False
    source: Literal["manual", "plaid", "import"] = "manual"
    source_id: Name | None = None
