from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import LoginSession, RefreshFamily, User
from holdfast.accounts.grant import Grant
from holdfast.accounts.log import Event
from holdfast.errors import Forbidden, NotAuthenticated
from holdfast.identity.principal import Principal, Role
from holdfast.tenancy.scope import Scope
from tests.accounts_fixtures import ADA, PASSWORD, Realm, outcome

pytestmark = pytest.mark.usefixtures("ada")


async def log_in(accounts: Accounts, device: str | None = None) -> tuple[Grant, str]:
    grant = await accounts.login(ADA, PASSWORD, device=device)
    assert grant.refresh_token is not None
    return grant, grant.refresh_token


async def refreshed(accounts: Accounts, token: str, device: str | None = None) -> tuple[Grant, str]:
    grant = await accounts.refresh(token, device)
    assert grant.refresh_token is not None
    return grant, grant.refresh_token


async def holds(accounts: Accounts, token: str) -> bool:
    return isinstance(await outcome(accounts.authenticate(token)), Principal)


# -- refreshing -------------------------------------------------------------------------------------------------------


async def test_a_refresh_gives_the_next_pair_of_the_same_session(realm: Realm, accounts: Accounts) -> None:
    first, token = await log_in(accounts, "phone")
    realm.clock.advance(seconds=60)
    second, successor = await refreshed(accounts, token, "phone")
    assert successor != token
    assert second.access_token != first.access_token
    principals = [await accounts.authenticate(grant.access_token) for grant in (first, second)]
    assert principals[0] == principals[1]
    [session] = await realm.rows(LoginSession)
    assert session.last_seen == realm.clock.now()


async def test_a_lost_answer_is_given_again_for_half_a_minute(realm: Realm, accounts: Accounts) -> None:
    _, token = await log_in(accounts)
    _, successor = await refreshed(accounts, token)
    realm.clock.advance(seconds=29)
    assert (await refreshed(accounts, token))[1] == successor
    assert await refreshed(accounts, successor)
    assert await realm.events(Event.REFRESH_REPLAYED) == []


@pytest.mark.parametrize("rotations", [1, 2])
async def test_a_replay_ends_the_family_and_its_session_and_is_reported_once(
    realm: Realm, accounts: Accounts, rotations: int
) -> None:
    grant, token = await log_in(accounts)
    live = token
    for _ in range(rotations):
        _, live = await refreshed(accounts, live)
    realm.clock.advance(seconds=30 if rotations == 1 else 0)
    for stale in (token, token, live):
        assert isinstance(await outcome(accounts.refresh(stale)), NotAuthenticated)
    assert not await holds(accounts, grant.access_token)
    [line] = await realm.events(Event.REFRESH_REPLAYED)
    assert line.detail == {"misuse": "used_before"}
    assert line.user_id is not None


async def test_a_replay_leaves_other_sessions_alone(accounts: Accounts) -> None:
    _, copied = await log_in(accounts)
    other, others_token = await log_in(accounts)
    _, second = await refreshed(accounts, copied)
    await refreshed(accounts, second)
    assert isinstance(await outcome(accounts.refresh(copied)), NotAuthenticated)
    assert await holds(accounts, other.access_token)
    assert await refreshed(accounts, others_token)


@pytest.mark.parametrize("device", [None, "laptop"])
async def test_a_token_on_another_device_is_a_copy(
    realm: Realm, accounts: Accounts, device: str | None
) -> None:
    _, token = await log_in(accounts, "phone")
    assert isinstance(await outcome(accounts.refresh(token, device)), NotAuthenticated)
    assert isinstance(await outcome(accounts.refresh(token, "phone")), NotAuthenticated)
    [line] = await realm.events(Event.REFRESH_REPLAYED)
    assert line.detail == {"misuse": "other_device"}


async def test_a_session_without_a_device_is_bound_to_none(accounts: Accounts) -> None:
    _, token = await log_in(accounts)
    assert await refreshed(accounts, token, "phone")


async def test_a_family_ends_after_a_week_unused(realm: Realm, accounts: Accounts) -> None:
    _, token = await log_in(accounts)
    realm.clock.advance(days=7, seconds=-1)
    _, token = await refreshed(accounts, token)
    realm.clock.advance(days=7)
    assert isinstance(await outcome(accounts.refresh(token)), NotAuthenticated)
    assert await realm.events(Event.REFRESH_REPLAYED) == []


async def test_a_session_ends_after_thirty_days_with_its_tokens(realm: Realm, accounts: Accounts) -> None:
    grant, token = await log_in(accounts)
    for _ in range(5):
        realm.clock.advance(days=5)
        grant, token = await refreshed(accounts, token)
    realm.clock.advance(days=4, seconds=86_400 - 3_600)
    grant, token = await refreshed(accounts, token)
    assert grant.expires_in == 3_600
    realm.clock.advance(seconds=3_599)
    assert await holds(accounts, grant.access_token)
    realm.clock.advance(seconds=1)
    assert not await holds(accounts, grant.access_token)
    assert isinstance(await outcome(accounts.refresh(token)), NotAuthenticated)


async def test_fifty_refreshes_at_once_have_one_successor(realm: Realm, accounts: Accounts) -> None:
    served = [accounts, realm.serve(), realm.serve()]
    _, token = await log_in(accounts)
    results = await asyncio.gather(*(outcome(served[n % 3].refresh(token)) for n in range(50)))
    assert all(isinstance(result, Grant) for result in results)
    [successor] = {result.refresh_token for result in results if isinstance(result, Grant)}
    [family] = await realm.rows(RefreshFamily)
    assert (family.counter, family.revoked_at) == (1, None)
    assert successor is not None
    assert await refreshed(accounts, successor)


async def test_fifty_copies_at_once_end_one_family_and_are_one_event(
    realm: Realm, accounts: Accounts
) -> None:
    _, token = await log_in(accounts)
    await refreshed(accounts, token)
    realm.clock.advance(seconds=31)
    results = await asyncio.gather(*(outcome(accounts.refresh(token)) for _ in range(50)))
    assert all(isinstance(result, NotAuthenticated) for result in results)
    assert len(await realm.events(Event.REFRESH_REPLAYED)) == 1


@pytest.mark.parametrize("token", ["", "rt_", "rt_" + "0" * 32 + ".0." + "A" * 43, "é", "x" * 10_000])
async def test_a_text_that_is_no_token_ends_nothing(accounts: Accounts, token: str) -> None:
    grant, live = await log_in(accounts)
    assert isinstance(await outcome(accounts.refresh(token)), NotAuthenticated)
    assert await holds(accounts, grant.access_token)
    assert await refreshed(accounts, live)


async def test_no_token_is_kept_where_sessions_are(realm: Realm, accounts: Accounts) -> None:
    grant, token = await log_in(accounts)
    _, successor = await refreshed(accounts, token)
    kept = [
        row.model_dump_json() for row in (*await realm.rows(RefreshFamily), *await realm.rows(LoginSession))
    ]
    for secret in (token, successor, grant.access_token):
        assert all(secret.rpartition(".")[2] not in row for row in kept)


async def test_a_rotation_that_comes_late_does_not_turn_the_counter_back(
    realm: Realm, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its read and its write the token's successor has been used: what it presents is a copy by then."""
    _, token = await log_in(accounts)
    late = realm.serve()
    rotate, read, go_on = late._sessions._rotate, asyncio.Event(), asyncio.Event()

    async def slow(*args: Any) -> bool:
        read.set()
        await go_on.wait()
        return await rotate(*args)

    monkeypatch.setattr(late._sessions, "_rotate", slow)
    refreshing = asyncio.create_task(outcome(late.refresh(token)))
    await read.wait()
    _, second = await refreshed(accounts, token)
    await refreshed(accounts, second)
    go_on.set()
    assert isinstance(await refreshing, NotAuthenticated)
    [family] = await realm.rows(RefreshFamily)
    assert family.counter == 2
    assert family.revoked_at is not None


async def test_a_session_that_outlives_a_deactivation_is_worth_nothing(
    realm: Realm, accounts: Accounts
) -> None:
    """A login may commit just after the sessions were ended."""
    grant, token = await log_in(accounts)
    [user] = await realm.rows(User)
    async with realm.store.session(Scope.realm(reason="test")) as session:
        await session.patch(User, user.id, {"is_active": False})
    assert not await holds(accounts, grant.access_token)
    assert isinstance(await outcome(accounts.refresh(token)), NotAuthenticated)


# -- ending -----------------------------------------------------------------------------------------------------------


async def test_logging_out_ends_the_access_token_and_the_family(realm: Realm, accounts: Accounts) -> None:
    grant, token = await log_in(accounts)
    principal = await accounts.authenticate(grant.access_token)
    await accounts.logout(principal)
    assert not await holds(accounts, grant.access_token)
    assert isinstance(await outcome(accounts.refresh(token)), NotAuthenticated)
    await accounts.logout(principal)
    [line] = await realm.events(Event.SESSION_ENDED)
    assert line.actor == principal.user_id
    assert await realm.events(Event.REFRESH_REPLAYED) == []


async def test_logging_out_wins_over_refreshes_at_the_same_time(realm: Realm, accounts: Accounts) -> None:
    for _ in range(10):
        grant, token = await log_in(accounts)
        principal = await accounts.authenticate(grant.access_token)
        refreshes = [outcome(accounts.refresh(token)) for _ in range(5)]
        results = await asyncio.gather(*refreshes, outcome(accounts.logout(principal)))
        for result in results:
            if isinstance(result, Grant):
                assert not await holds(accounts, result.access_token)
                assert isinstance(
                    await outcome(accounts.refresh(result.refresh_token or "")), NotAuthenticated
                )
    assert await realm.events(Event.REFRESH_REPLAYED) == []


# -- tenants ----------------------------------------------------------------------------------------------------------


async def test_switching_gives_a_token_for_the_other_tenant_in_the_same_session(
    realm: Realm, accounts: Accounts
) -> None:
    acme = await accounts.add_tenant("Acme", ADA)
    first, token = await log_in(accounts, "phone")
    before = await accounts.authenticate(first.access_token)
    switched = await accounts.switch(before, acme.slug)
    assert switched.refresh_token is None
    after = await accounts.authenticate(switched.access_token)
    assert (after.tenant_id, after.session_id, after.device) == (acme.id, before.session_id, "phone")
    # Another window goes on in its tenant; what is refreshed follows the session.
    assert (await accounts.authenticate(first.access_token)).tenant_id == before.tenant_id
    second, _ = await refreshed(accounts, token, "phone")
    assert second.tenant.id == acme.id
    assert len(await realm.rows(LoginSession)) == 1
    assert len(await realm.events(Event.TENANT_SWITCHED)) == 1


async def test_nobody_switches_to_a_tenant_that_is_not_theirs_nor_in_a_session_that_is_over(
    accounts: Accounts,
) -> None:
    await accounts.add_user("grace@example.org", "Grace", PASSWORD)
    others = await accounts.add_tenant("Hopper", "grace@example.org")
    grant, _ = await log_in(accounts)
    principal = await accounts.authenticate(grant.access_token)
    for name in (others.id, others.slug, "nowhere"):
        assert isinstance(await outcome(accounts.switch(principal, name)), Forbidden)
    await accounts.logout(principal)
    assert isinstance(await outcome(accounts.switch(principal, principal.tenant_id)), NotAuthenticated)
    keyless = Principal(principal.user_id, principal.tenant_id, None, Role.OWNER, None)
    assert isinstance(await outcome(accounts.switch(keyless, principal.tenant_id)), NotAuthenticated)


async def test_a_session_in_a_tenant_that_one_has_left_is_not_refreshed_elsewhere(
    realm: Realm, accounts: Accounts
) -> None:
    await accounts.add_user("grace@example.org", "Grace", PASSWORD)
    acme = await accounts.add_tenant("Acme", "grace@example.org")
    await accounts.add_member(acme.id, ADA, Role.MEMBER)
    grant = await accounts.login(ADA, PASSWORD, tenant="acme")
    await accounts.remove_member(acme.id, ADA)
    assert isinstance(await outcome(accounts.refresh(grant.refresh_token or "")), NotAuthenticated)
    assert await realm.events(Event.REFRESH_REPLAYED) == []
    # Nothing was used up: who is taken back goes on.
    await accounts.add_member(acme.id, ADA, Role.VIEWER)
    again = await accounts.refresh(grant.refresh_token or "")
    assert again.tenant.role is Role.VIEWER


async def test_the_tenants_of_a_person_are_listed_their_own_first(accounts: Accounts) -> None:
    for name in ("Zebra", "Acme"):
        await accounts.add_tenant(name, ADA)
    grant, _ = await log_in(accounts)
    principal = await accounts.authenticate(grant.access_token)
    found = await accounts.tenants(principal.user_id)
    assert [(access.name, access.personal) for access in found] == [
        ("Personal", True),
        ("Acme", False),
        ("Zebra", False),
    ]
    assert all(access.role is Role.OWNER for access in found)
