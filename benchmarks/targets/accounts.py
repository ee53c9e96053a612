"""What all targets hold and know: the accounts' data, and for the references their table and their callers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

SCHEMA = Path(__file__).with_name("accounts.sql")
COLLECTION = "/financial/accounts"
DATABASE_SETTING = "BENCHMARK_DATABASE_URL"
POOL_SIZE = 16
MOST_CALLERS = 1_001
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
KINDS = ("checking", "savings", "investment", "retirement", "credit", "loan", "other")
CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CAD", "AUD")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a bearer token of the references stands for."""

    tenant_id: UUID
    user_id: UUID


@cache
def callers() -> dict[str, Caller]:
    """Every bearer token that a reference knows, in order: one caller a tenant."""
    return {
        f"benchmark-token-of-tenant-{number:06d}": Caller(
            UUID(int=1 << 64 | number), UUID(int=2 << 64 | number)
        )
        for number in range(MOST_CALLERS)
    }


def account(number: int) -> dict[str, object]:
    """The fields that a client sends for account `number`, as JSON values. A stored row is about 355 bytes."""
    return {
        "name": f"Household account no. {number:07d}",
        "account_type": KINDS[number % len(KINDS)],
        "institution": f"Savings Bank of District {number % 997:03d}",
        "balance": f"{number * 7919 % 10_000_000 / 100:.2f}",
        "currency": CURRENCIES[number % len(CURRENCIES)],
        "interest_rate": f"{number % 500 / 10_000:.4f}",
        "metadata": {
            "branch": f"{number % 89:04d}",
            "note": "Opened together in the spring of 2019; statements come by post in the first week of a month, "
            "the cards are kept at home",
        },
    }


def created_at(number: int) -> datetime:
    """When account `number` of the seed was made: a second after the one before it."""
    return EPOCH + timedelta(seconds=number)


async def leave_as_it_is(_connection: object) -> None:
    """For asyncpg's `reset`: no statement of a reference changes its connection, and a reset costs a round trip."""
