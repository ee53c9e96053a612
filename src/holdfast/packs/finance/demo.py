"""What the demo person of a development store has: enough to list, filter and change."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from holdfast import Entity
from holdfast.packs.finance.entities import FinancialAccount, FinancialGoal, Scenario, Transaction

_LINES = (
    ("2950.00", "Salary", "income"),
    ("-1120.00", "Rent", "housing"),
    ("-64.18", "Groceries", "food"),
    ("-38.40", "Railway", "travel"),
    ("-9.99", "Music", "leisure"),
    ("-71.25", "Electricity", "housing"),
)


def demo_rows(today: date) -> list[Entity]:
    """Two accounts, some transactions, a goal and a scenario, as of `today`."""
    checking = FinancialAccount(
        name="Everyday", account_type="checking", institution="Example Bank", balance=Decimal("1646.18")
    )
    savings = FinancialAccount(name="Rainy days", account_type="savings", balance=Decimal("8200.00"))
    return [checking, savings, *_transactions(checking, today), _goal(today), _scenario()]


def _transactions(account: FinancialAccount, today: date) -> list[Transaction]:
    return [
        Transaction(
            account_id=account.id,
            posted=today - timedelta(days=3 * number),
            amount=Decimal(amount),
            description=description,
            category=category,
        )
        for number, (amount, description, category) in enumerate(_LINES)
    ]


def _goal(today: date) -> FinancialGoal:
    return FinancialGoal(
        name="Six months of expenses",
        goal_type="emergency_fund",
        target_amount=Decimal("12000.00"),
        current_amount=Decimal("8200.00"),
        target_date=today + timedelta(days=365),
        priority=1,
    )


def _scenario() -> Scenario:
    return Scenario(
        name="Independent at 55",
        is_default=True,
        assumptions={"current_age": 35, "retirement_age": 55, "savings_rate": "0.3", "inflation": "0.02"},
    )
