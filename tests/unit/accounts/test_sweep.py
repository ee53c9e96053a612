from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import LoginFailures, LoginSession, RefreshFamily, User, Verification
from holdfast.errors import NotAuthenticated
from holdfast.store.session import Session
from tests.accounts_fixtures import ADA, GRACE, PASSWORD, WRONG, Realm, outcome


async def test_what_has_run_out_is_swept_and_nothing_else(realm: Realm, accounts: Accounts) -> None:
    await accounts.add_user(ADA, "Ada", PASSWORD)
    old = await accounts.login(ADA, PASSWORD)
    await accounts.register(GRACE, "Grace", PASSWORD)
    for number in range(60):
        assert isinstance(
            await outcome(accounts.login(f"guess{number}@example.com", WRONG)), NotAuthenticated
        )
    assert await accounts.sweep() == 0

    realm.clock.advance(days=15)
    young = await accounts.login(ADA, PASSWORD)
    # The verification and the failures of 60 names; Ada's own are those of a moment ago.
    assert await accounts.sweep() == 61
    assert await realm.rows(Verification) == []
    assert len(await realm.rows(LoginFailures)) == 1
    assert await accounts.refresh(young.refresh_token or "")

    realm.clock.advance(days=15, seconds=1)
    assert await accounts.sweep() >= 2
    [session], [family] = await realm.rows(LoginSession), await realm.rows(RefreshFamily)
    assert session.id == family.id
    assert isinstance(await outcome(accounts.refresh(old.refresh_token or "")), NotAuthenticated)
    assert len(await realm.rows(User)) == 2


async def test_what_is_used_again_meanwhile_is_not_swept(
    realm: Realm, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await outcome(accounts.login(ADA, WRONG))
    realm.clock.advance(days=2)
    delete = Session.delete

    async def just_before(self: Session, entity: Any, row_id: Any, **rest: Any) -> Any:
        await outcome(accounts.login(ADA, WRONG))
        return await delete(self, entity, row_id, **rest)

    monkeypatch.setattr(Session, "delete", just_before)
    assert await accounts.sweep() == 0
    assert len(await realm.rows(LoginFailures)) == 1


async def test_two_sweeps_at_once_do_no_harm(realm: Realm, accounts: Accounts) -> None:
    for number in range(30):
        await outcome(accounts.login(f"guess{number}@example.com", WRONG))
    realm.clock.advance(days=2)
    assert sum(await asyncio.gather(accounts.sweep(), realm.serve().sweep())) == 30
