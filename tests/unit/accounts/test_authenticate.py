from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import LoginSession
from holdfast.errors import NotAuthenticated, TokenExpired, Unavailable
from holdfast.identity.principal import Principal, Role
from holdfast.identity.signing import SigningKey
from holdfast.identity.tokens import begin_claims, issue, verify
from holdfast.model.ids import new_id
from tests.accounts_fixtures import ADA, GRACE, KEY, PASSWORD, Realm, outcome

pytestmark = pytest.mark.usefixtures("ada")


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature is checked, in order."""
    seen: list[str] = []

    def counted(token: str, **rest: Any) -> Any:
        seen.append(token)
        return verify(token, **rest)

    monkeypatch.setattr("holdfast.accounts.authenticator.verify", counted)
    return seen


async def token_of(accounts: Accounts, email: str = ADA) -> str:
    return (await accounts.login(email, PASSWORD)).access_token


async def test_a_hundred_requests_with_one_new_token_verify_it_once(
    accounts: Accounts, verifications: list[str]
) -> None:
    token = await token_of(accounts)
    principals = await asyncio.gather(*(accounts.authenticate(token) for _ in range(100)))
    assert len(set(principals)) == 1
    assert verifications == [token]


async def test_a_checked_token_is_checked_again_after_five_seconds(
    realm: Realm, accounts: Accounts, verifications: list[str]
) -> None:
    token = await token_of(accounts)
    for passed, checks in ((0, 1), (4.9, 1), (0.1, 2), (4.9, 2)):
        realm.clock.advance(seconds=passed)
        await accounts.authenticate(token)
        assert len(verifications) == checks


async def test_what_is_kept_is_bounded(realm: Realm) -> None:
    accounts = realm.serve()
    accounts._authenticator._max_kept = 10
    for _ in range(25):
        await accounts.authenticate(await token_of(accounts))
    assert len(accounts._authenticator) == 10


async def test_a_request_that_goes_away_leaves_the_check_to_the_others(
    accounts: Accounts, verifications: list[str]
) -> None:
    token = await token_of(accounts)
    first = asyncio.create_task(accounts.authenticate(token))
    await asyncio.sleep(0)
    others = [asyncio.create_task(accounts.authenticate(token)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    assert len({await other for other in others}) == 1
    assert len(verifications) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_store_that_fails_is_not_taken_for_a_bad_token(
    realm: Realm, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_of(accounts)

    async def failing(*_: object, **__: object) -> Principal:
        await asyncio.sleep(0)
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(accounts._authenticator._directory, "principal", failing)
        results = await asyncio.gather(*(outcome(accounts.authenticate(token)) for _ in range(3)))
        assert all(isinstance(result, Unavailable) for result in results)
    assert isinstance(await accounts.authenticate(token), Principal)


# -- what ends ----------------------------------------------------------------------------------------------------------


async def ends(realm: Realm, here: Accounts, there: Accounts, tokens: list[str], act: Any) -> None:
    """`act` through `here` takes effect at once there, and within five seconds in the other process."""
    for token in tokens:
        for process in (here, there):
            assert isinstance(await outcome(process.authenticate(token)), Principal)
    await act
    for token in tokens:
        assert isinstance(await outcome(here.authenticate(token)), NotAuthenticated)
    realm.clock.advance(seconds=5)
    for token in tokens:
        assert isinstance(await outcome(there.authenticate(token)), NotAuthenticated)


async def test_a_logout_takes_effect(realm: Realm, accounts: Accounts) -> None:
    token = await token_of(accounts)
    principal = await accounts.authenticate(token)
    await ends(realm, accounts, realm.serve(), [token], accounts.logout(principal))


async def test_deactivating_a_person_ends_all_their_sessions_for_good(
    realm: Realm, accounts: Accounts
) -> None:
    grants = [await accounts.login(ADA, PASSWORD) for _ in range(3)]
    tokens = [grant.access_token for grant in grants]
    await ends(realm, accounts, realm.serve(), tokens, accounts.set_active(ADA, active=False))
    assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), NotAuthenticated)
    for grant in grants:
        assert isinstance(await outcome(accounts.refresh(grant.refresh_token or "")), NotAuthenticated)
    await accounts.set_active(ADA, active=True)
    assert isinstance(await outcome(accounts.authenticate(tokens[0])), NotAuthenticated)
    assert isinstance(await accounts.authenticate(await token_of(accounts)), Principal)


async def test_ending_a_membership_takes_effect_in_that_tenant_alone(
    realm: Realm, accounts: Accounts
) -> None:
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    await accounts.add_tenant("Acme", GRACE)
    await accounts.add_member("acme", ADA, Role.MEMBER)
    inside = (await accounts.login(ADA, PASSWORD, tenant="acme")).access_token
    outside = await token_of(accounts)
    await ends(realm, accounts, realm.serve(), [inside], accounts.remove_member("acme", ADA))
    assert isinstance(await outcome(accounts.authenticate(outside)), Principal)
    # Coming back is a new beginning, and no token of before holds again.
    await accounts.add_member("acme", ADA, Role.MEMBER)
    assert isinstance(await outcome(accounts.authenticate(inside)), NotAuthenticated)


async def test_a_changed_role_takes_effect_without_a_new_token(realm: Realm, accounts: Accounts) -> None:
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    await accounts.add_tenant("Acme", GRACE)
    await accounts.add_member("acme", ADA, Role.ADMIN)
    there = realm.serve()
    token = (await accounts.login(ADA, PASSWORD, tenant="acme")).access_token
    for process in (accounts, there):
        assert (await process.authenticate(token)).role is Role.ADMIN
    await accounts.add_member("acme", ADA, Role.VIEWER)
    assert (await accounts.authenticate(token)).role is Role.VIEWER
    realm.clock.advance(seconds=5)
    assert (await there.authenticate(token)).role is Role.VIEWER


async def test_a_check_under_way_while_its_session_ends_is_made_again(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reads of a check may have come before the logout, and its end after it."""
    token = await token_of(accounts)
    principal = await accounts.authenticate(token)
    accounts._authenticator.forget_session(principal.session_id or UUID(int=0))
    directory, reads, may_end = accounts._authenticator._directory, 0, asyncio.Event()
    real = directory.principal

    async def slow(*args: Any, **rest: Any) -> Principal | None:
        nonlocal reads
        reads += 1
        found = await real(*args, **rest)
        if reads == 1:
            await may_end.wait()
        return found

    monkeypatch.setattr(directory, "principal", slow)
    checking = asyncio.create_task(accounts.authenticate(token))
    while not reads:
        await asyncio.sleep(0)
    await accounts.logout(principal)
    may_end.set()
    assert isinstance(await outcome(checking), NotAuthenticated)
    assert reads == 2
    assert len(accounts._authenticator) == 0


# -- what does not hold -----------------------------------------------------------------------------------------------


async def test_a_token_ends_after_a_day_even_while_it_is_kept(realm: Realm, accounts: Accounts) -> None:
    token = await token_of(accounts)
    realm.clock.advance(days=1, seconds=-2)
    await accounts.authenticate(token)
    realm.clock.advance(seconds=2)
    with pytest.raises(TokenExpired):
        await accounts.authenticate(token)


@pytest.mark.parametrize(
    "changed", ["user_id", "tenant_id", "session_id", "epoch", "key", "issuer", "audience"]
)
async def test_a_well_made_token_that_the_realm_does_not_know_is_refused(
    realm: Realm, accounts: Accounts, changed: str
) -> None:
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    hers = await accounts.authenticate(await token_of(accounts, GRACE))
    mine = await accounts.authenticate(await token_of(accounts))
    [session] = [row for row in await realm.rows(LoginSession) if row.id == mine.session_id]
    right: dict[str, Any] = {
        "issuer": "holdfast",
        "audience": "holdfast-api",
        "user_id": mine.user_id,
        "tenant_id": mine.tenant_id,
        "session_id": session.id,
        "token_id": new_id(),
        "epoch": 0,
        "methods": ["pwd"],
        "authenticated_at": session.authenticated_at,
        "now": realm.clock.now(),
        "lifetime": timedelta(hours=1),
    }
    wrong = {
        "user_id": hers.user_id,
        "tenant_id": hers.tenant_id,
        "session_id": hers.session_id,
        "epoch": 1,
        "issuer": "elsewhere",
        "audience": "elsewhere",
    }
    assert await accounts.authenticate(issue(begin_claims(**right), key=KEY)) == mine
    key = SigningKey.generate() if changed == "key" else KEY
    claims = begin_claims(**(right | {name: value for name, value in wrong.items() if name == changed}))
    assert isinstance(await outcome(accounts.authenticate(issue(claims, key=key))), NotAuthenticated)


@pytest.mark.parametrize("token", ["", "a.b.c", "é", "\ud800", "x" * 1_000_000])
async def test_a_text_that_is_no_token_is_refused(accounts: Accounts, token: str) -> None:
    assert isinstance(await outcome(accounts.authenticate(token)), NotAuthenticated)
