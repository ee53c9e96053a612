"""What the finance pack offers to a deployment that enables it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from holdfast import Entity, Pack
from holdfast.packs.finance.entities import FinancialAccount, FinancialGoal, Scenario, Transaction


def _commands() -> Any:
    from holdfast.packs.finance.commands import app

    return app


def _demo(today: date) -> Iterable[Entity]:
    from holdfast.packs.finance.demo import demo_rows

    return demo_rows(today)


PACK = Pack(
    name="finance",
    entities=(FinancialAccount, FinancialGoal, Scenario, Transaction),
    revisions="holdfast.packs.finance.revisions",
    short_paths={
        "financial/accounts": FinancialAccount,
        "financial/goals": FinancialGoal,
        "financial/scenarios": Scenario,
        "financial/transactions": Transaction,
    },
    commands=_commands,
    demo=_demo,
)
