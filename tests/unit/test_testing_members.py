"""People and tenants for a test."""

from __future__ import annotations

from holdfast.packs.finance.entities import FinancialAccount
from holdfast.runtime.assembly import open_store
from holdfast.tenancy.scope import Scope
from holdfast.testing.members import new_household


async def test_members_write_what_is_theirs() -> None:
    household = new_household("member", "viewer")
    one, other = household.scopes
    async with open_store("memory://", packs=[]) as store:
        async with store.session(Scope.realm(reason="a test")) as session:
            await session.batch(household.rows)
        account = FinancialAccount(name="Cash", account_type="other")
        async with store.session(one) as session:
            await session.put(account)
        async with store.session(other) as session:
            assert await session.find(FinancialAccount, account.id) is None
