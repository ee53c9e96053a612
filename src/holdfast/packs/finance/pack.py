"""What the finance pack offers to a deployment that enables it."""

from holdfast import Pack
from holdfast.packs.finance.entities import FinancialAccount, FinancialGoal, Scenario, Transaction

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
)
