"""Importing statements: new lines once, whatever is imported again, and nothing on a dry run."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from holdfast import Conflict, InvalidInput, Scope, Store, open_platform
from holdfast.engines.memory.engine import DYNAMODB_LIMITS
from holdfast.packs.finance.entities import FinancialAccount, Transaction
from holdfast.packs.finance.imports import carry_out, plan_import
from holdfast.packs.finance.statements import Statement, StatementLine
from holdfast.runtime.settings import load_settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def statement(days: range, *, currency: str = "EUR") -> Statement:
    lines = tuple(
        StatementLine(
            posted=date(2026, 1, 1) + timedelta(days=day),
            amount=Decimal(-day) - Decimal("0.10"),
            currency=currency,
            description=f"line {day}",
            source_id=f"bank-{day}",
        )
        for day in days
    )
    return Statement(
        account_type="checking",
        currency=currency,
        lines=lines,
        ledger_balance=Decimal("12.34"),
        institution="A Bank",
    )


@pytest.fixture
async def place(tmp_path: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """A store and the scope of a person in it."""
    settings = load_settings(tmp_path, {"DATABASE_URL": "memory://", "HOLDFAST_HOME": str(tmp_path / "home")})
    async with open_platform(settings) as platform:
        await platform.accounts.add_user("ada@example.com", "Ada")
        yield platform.store, await platform.scope_of("ada@example.com")


Place = tuple[Store, Scope]


async def rows(place: Place, entity: type) -> list:  # type: ignore[type-arg]
    store, scope = place
    async with store.session(scope) as session:
        return (await session.select(entity, limit=1000)).items


async def test_an_account_is_made_with_the_statements_type_currency_and_balance(place: Place) -> None:
    plan = await carry_out(*place, statement(range(3)), name="Everyday")
    assert plan.makes_account
    assert (len(plan.new), plan.known) == (3, 0)
    (account,) = await rows(place, FinancialAccount)
    assert (account.name, account.account_type, account.currency) == ("Everyday", "checking", "EUR")
    assert (account.balance, account.institution) == (Decimal("12.34"), "A Bank")
    transactions = await rows(place, Transaction)
    assert {row.account_id for row in transactions} == {account.id}
    assert {row.source for row in transactions} == {"import"}
    assert sorted(row.amount for row in transactions) == [
        Decimal("-2.10"),
        Decimal("-1.10"),
        Decimal("-0.10"),
    ]
    assert {row.user_id for row in transactions} == {place[1].user_id}


async def test_importing_twice_adds_nothing(place: Place) -> None:
    await carry_out(*place, statement(range(3)), name="Everyday")
    head = await place[0].head(place[1])
    again = await carry_out(*place, statement(range(3)), name="Everyday")
    assert not again.makes_account
    assert (len(again.new), again.known) == (0, 3)
    assert await place[0].head(place[1]) == head


async def test_a_statement_that_overlaps_adds_what_is_new(place: Place) -> None:
    await carry_out(*place, statement(range(3)), name="Everyday")
    more = await carry_out(*place, statement(range(2, 6)), name="Everyday")
    assert (len(more.new), more.known) == (3, 1)
    assert len(await rows(place, Transaction)) == 6


async def test_the_same_lines_in_another_account_are_others(place: Place) -> None:
    await carry_out(*place, statement(range(3)), name="Everyday")
    other = await carry_out(*place, statement(range(3)), name="Other")
    assert len(other.new) == 3


async def test_a_plan_writes_nothing(place: Place) -> None:
    plan = await plan_import(*place, statement(range(3)), name="Everyday")
    assert (plan.makes_account, len(plan.new)) == (True, 3)
    assert await place[0].head(place[1]) == 0


async def test_all_lines_come_in_one_commit(place: Place) -> None:
    await carry_out(*place, statement(range(300)), name="Everyday")
    store, scope = place
    async with store.engine.begin(scope, read_only=True) as tx:
        changes = await tx.read_changes(0, limit=1000)
    assert {change.flush_end for change in changes} == {301}


async def test_an_engine_with_small_transactions_takes_several(place: Place) -> None:
    place[0].engine.limits = DYNAMODB_LIMITS
    plan = await carry_out(*place, statement(range(120)), name="Everyday")
    assert len(plan.new) == 120
    assert len(await rows(place, Transaction)) == 120
    assert (await carry_out(*place, statement(range(120)), name="Everyday")).new == ()


async def test_two_imports_at_once_add_each_line_once(place: Place) -> None:
    await carry_out(*place, statement(range(1)), name="Everyday")
    work = [carry_out(*place, statement(range(start, start + 60)), name="Everyday") for start in (0, 20, 40)]
    await asyncio.gather(*work)
    ids = [row.source_id for row in await rows(place, Transaction)]
    assert len(ids) == len(set(ids)) == 100


async def test_another_currency_is_refused(place: Place) -> None:
    await carry_out(*place, statement(range(3)), name="Everyday")
    with pytest.raises(InvalidInput, match="another currency"):
        await carry_out(*place, statement(range(3), currency="USD"), name="Everyday")
    with pytest.raises(InvalidInput, match="in none of them"):
        await carry_out(*place, statement(range(3), currency="CHF"), name="Swiss")


async def test_two_accounts_of_one_name_are_not_guessed_at(place: Place) -> None:
    store, scope = place
    async with store.session(scope) as session:
        for _ in range(2):
            await session.put(FinancialAccount(name="Twin", account_type="checking"))
    with pytest.raises(Conflict, match="Two accounts"):
        await plan_import(store, scope, statement(range(1)), name="Twin")


async def test_another_persons_account_of_the_name_is_not_seen(place: Place, tmp_path: Path) -> None:
    await carry_out(*place, statement(range(3)), name="Everyday")
    (account,) = await rows(place, FinancialAccount)
    store, scope = place
    async with store.session(scope) as session:
        kept = await session.get(FinancialAccount, account.id)
    assert kept.user_id == scope.user_id
