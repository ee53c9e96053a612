"""What a bank file says, as values: a statement of one account and its lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, Literal, get_args

AccountType = Literal["checking", "savings", "investment", "retirement", "credit", "loan", "other"]

ACCOUNT_TYPES: Final[tuple[str, ...]] = get_args(AccountType)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One posted transaction.

    `amount` has two decimals and is negative for money that leaves the account. `source_id` is the same whenever
    the same transaction is read again, and unique within its account (see `identity.py`).
    What a person would call private stays out of the repr.
    """

    posted: date
    amount: Decimal
    currency: str
    description: str = field(repr=False)
    merchant: str | None = field(default=None, repr=False)
    category: str | None = field(default=None, repr=False)
    source_id: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one file says of one account.

    `account_number_tail` holds at most the last four characters of the number. `ledger_balance` is in `currency`,
    at the end of `as_of`; of an investment account it is the whole account, securities and cash.
    `left_out` counts lines that are no transactions yet or twice: pending, reverted, without an amount,
    or held by an earlier statement of the same file.
    """

    account_type: AccountType
    currency: str
    account_number_tail: str | None = None
    institution: str | None = None
    ledger_balance: Decimal | None = field(default=None, repr=False)
    as_of: date | None = None
    lines: tuple[StatementLine, ...] = field(default=(), repr=False)
    left_out: int = 0


def number_tail(number: str | None) -> str | None:
    """The last four letters and digits of an account number; None where no digit is among them."""
    tail = "".join(character for character in number or "" if character.isalnum())[-4:]
    return tail if any(character.isdigit() for character in tail) else None
