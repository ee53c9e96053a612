"""Bank statements into transactions: what of a statement is new to an account, and storing that, once.

A line is known by its `source_id`, which is the same whenever the same transaction is read again; the account's unique
rule over it is what holds when two imports run at once. Not here: reading files (`statements`), arguments (`commands`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from holdfast import Conflict, Duplicate, InvalidInput, Scope, Session, Store
from holdfast.packs.finance.entities import FinancialAccount, Transaction
from holdfast.packs.finance.statements import Statement

_PAGE = 1_000
_ITEMS_A_ROW = 4
_CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CAD", "AUD")


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What storing a statement would do: `account` is new where `makes_account` says so."""

    account: FinancialAccount
    makes_account: bool
    new: tuple[Transaction, ...]
    known: int
    """Lines that are there already."""


async def plan_import(store: Store, scope: Scope, statement: Statement, *, name: str) -> ImportPlan:
    """What of `statement` is new to the account called `name`. Reads only.

    Raises InvalidInput for a currency that the account does not have, Conflict where two accounts have the name.
    """
    async with store.session(scope) as session:
        found = await _account_called(session, name)
        account = found or _new_account(statement, name)
        if account.currency != statement.currency:
            raise InvalidInput(
                "The statement is in another currency than the account.",
                hint="Import it into an account of its own: `--account` with another name.",
            )
        known = await _known_ids(session, account, statement) if found else frozenset()
    new = tuple(_transactions(account, statement, known))
    return ImportPlan(account, found is None, new, len(statement.lines) - len(new))


async def carry_out(store: Store, scope: Scope, statement: Statement, *, name: str) -> ImportPlan:
    """Store what is new, in one commit where the engine can; returns what was stored.

    Another import of the same lines at the same time makes this one plan again: the second adds what the first did not.
    """
    for attempt in (1, 2, 3):
        plan = await plan_import(store, scope, statement, name=name)
        try:
            await _store(store, scope, plan)
        except Duplicate:
            if attempt == 3:
                raise
        else:
            return plan
    raise Conflict("The account keeps changing.")


async def _store(store: Store, scope: Scope, plan: ImportPlan) -> None:
    rows = [*((plan.account,) if plan.makes_account else ()), *plan.new]
    most = store.limits.transaction_items
    size = len(rows) if most is None else max(1, most // _ITEMS_A_ROW)
    for start in range(0, len(rows), size or 1):
        async with store.session(scope) as session:
            await session.batch(rows[start : start + size])


def _new_account(statement: Statement, name: str) -> FinancialAccount:
    if statement.currency not in _CURRENCIES:
        raise InvalidInput(
            "Accounts are kept in one of "
            + ", ".join(_CURRENCIES)
            + ", and the statement is in none of them."
        )
    return FinancialAccount.model_validate(
        {
            "name": name,
            "account_type": statement.account_type,
            "institution": statement.institution,
            "balance": statement.ledger_balance or Decimal(0),
            "currency": statement.currency,
        }
    )


def _transactions(
    account: FinancialAccount, statement: Statement, known: Collection[str]
) -> Iterator[Transaction]:
    for line in statement.lines:
        if line.source_id not in known:
            yield Transaction(
                account_id=account.id,
                posted=line.posted,
                amount=line.amount,
                currency=account.currency,
                description=line.description or None,
                merchant=line.merchant,
                category=line.category,
                source="import",
                source_id=line.source_id,
            )


async def _account_called(session: Session, name: str) -> FinancialAccount | None:
    found: list[FinancialAccount] = []
    after: str | None = None
    while True:
        page = await session.select(FinancialAccount, limit=_PAGE, after=after)
        found += [account for account in page.items if account.name == name]
        after = page.next
        if after is None:
            break
    if len(found) > 1:
        raise Conflict("Two accounts have this name.", hint="Rename one of them.")
    return found[0] if found else None


async def _known_ids(session: Session, account: FinancialAccount, statement: Statement) -> frozenset[str]:
    """The source ids that the account holds in the days of the statement."""
    days = [line.posted for line in statement.lines]
    if not days:
        return frozenset()
    where = {"account_id": account.id, "posted__gte": min(days), "posted__lte": max(days)}
    ids: set[str] = set()
    after: str | None = None
    while True:
        page = await session.select(Transaction, where, sort="posted", limit=_PAGE, after=after)
        ids.update(row.source_id for row in page.items if row.source_id is not None)
        after = page.next
        if after is None:
            return frozenset(ids)
