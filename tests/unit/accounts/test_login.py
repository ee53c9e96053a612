from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import Credential, LoginFailures, LoginSession
from holdfast.accounts.grant import Grant
from holdfast.accounts.log import Event
from holdfast.errors import Forbidden, InvalidInput, NotAuthenticated, RateLimited
from holdfast.identity.passwords import Cost
from holdfast.identity.principal import Role
from tests.accounts_fixtures import ADA, EVE, GRACE, PASSWORD, WRONG, CountingHasher, Realm, outcome

pytestmark = pytest.mark.usefixtures("ada")


async def test_a_login_begins_a_session_in_the_persons_own_tenant(realm: Realm, accounts: Accounts) -> None:
    grant = await accounts.login(ADA.upper(), PASSWORD, device="laptop")
    assert grant.token_type == "Bearer"
    assert grant.expires_in == 24 * 3600
    assert grant.tenant.personal
    assert grant.tenant.role is Role.OWNER
    [session] = await realm.rows(LoginSession)
    principal = await accounts.authenticate(grant.access_token)
    assert (principal.session_id, principal.user_id) == (session.id, session.user_id)
    assert principal.device == session.device == "laptop"
    [line] = await realm.events(Event.LOGIN_SUCCEEDED)
    assert (line.user_id, line.tenant_id) == (principal.user_id, principal.tenant_id)


async def test_a_login_names_its_tenant_by_id_or_slug(accounts: Accounts) -> None:
    acme = await accounts.add_tenant("Acme Ltd", ADA)
    names: list[UUID | str] = [acme.id, str(acme.id), "acme-ltd"]
    for name in names:
        assert (await accounts.login(ADA, PASSWORD, tenant=name)).tenant.id == acme.id


async def test_a_tenant_that_is_anothers_and_one_that_is_nobodys_are_refused_alike(
    realm: Realm, accounts: Accounts
) -> None:
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    others = await accounts.add_tenant("Hopper", GRACE)
    names: list[UUID | str] = [
        others.id,
        others.slug,
        uuid4(),
        "nowhere",
        "",
        "a" * 300,
        "Hopper",
        "no\x00slug",
    ]
    results = [await outcome(accounts.login(ADA, PASSWORD, tenant=name)) for name in names]
    assert all(isinstance(result, Forbidden) for result in results)
    assert len({str(result) for result in results}) == 1
    assert len(await realm.events(Event.TENANT_REFUSED)) == len(names)
    assert await realm.rows(LoginSession) == []


async def test_a_device_names_itself_in_a_line(accounts: Accounts) -> None:
    for device in ("", "a\nb", "x" * 256):
        with pytest.raises(InvalidInput) as caught:
            await accounts.login(ADA, PASSWORD, device=device)
        assert list(caught.value.fields) == ["device"]


async def test_a_password_is_hashed_again_when_the_cost_has_changed(realm: Realm, accounts: Accounts) -> None:
    dearer = realm.serve(hasher=CountingHasher(Cost(passes=2, memory_kib=16, lanes=1)))
    [before] = await realm.rows(Credential)
    await dearer.login(ADA, PASSWORD)
    [after] = await realm.rows(Credential)
    assert after.hash != before.hash
    assert "m=16,t=2" in after.hash
    await dearer.login(ADA, PASSWORD)
    assert (await realm.rows(Credential))[0].hash == after.hash
    assert isinstance(await outcome(accounts.login(ADA, WRONG)), NotAuthenticated)


# -- lockout ----------------------------------------------------------------------------------------------------------


async def fail(accounts: Accounts, times: int, email: str = ADA) -> None:
    for _ in range(times):
        assert isinstance(await outcome(accounts.login(email, WRONG)), NotAuthenticated)


async def test_five_failures_lock_an_account_for_a_minute_even_for_the_right_password(
    realm: Realm, accounts: Accounts
) -> None:
    await fail(accounts, 5)
    refused = await outcome(accounts.login(ADA, PASSWORD))
    assert isinstance(refused, RateLimited)
    assert refused.retry_after == pytest.approx(60)
    realm.clock.advance(seconds=60)
    assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), Grant)
    [line] = await realm.events(Event.ACCOUNT_LOCKED)
    failures = await realm.events(Event.LOGIN_FAILED)
    assert len(failures) == 5
    assert {failure.detail["account"] for failure in failures} == {line.detail["account"]}


async def test_a_success_forgets_the_failures_before_it(accounts: Accounts) -> None:
    for _ in range(3):
        await fail(accounts, 4)
        await accounts.login(ADA, PASSWORD)


async def test_failures_older_than_a_quarter_of_an_hour_do_not_count(
    realm: Realm, accounts: Accounts
) -> None:
    await fail(accounts, 4)
    realm.clock.advance(seconds=15 * 60)
    await fail(accounts, 4)
    assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), Grant)


async def test_locks_grow_and_knocking_does_not_extend_them(realm: Realm, accounts: Accounts) -> None:
    await fail(accounts, 5)
    for length in (60, 120, 240):
        for _ in range(3):
            assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), RateLimited)
        realm.clock.advance(seconds=length - 1)
        assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), RateLimited)
        realm.clock.advance(seconds=1)
        await fail(accounts, 1)


async def test_knocking_at_a_locked_account_uses_nothing_up_for_its_owner(
    realm: Realm, accounts: Accounts
) -> None:
    await fail(accounts, 5)
    for _ in range(120):
        assert isinstance(await outcome(accounts.login(ADA, WRONG)), RateLimited)
    realm.clock.advance(seconds=60)
    assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), Grant)


async def test_failures_are_counted_by_all_processes_and_survive_a_restart(
    realm: Realm, accounts: Accounts
) -> None:
    await fail(accounts, 3)
    await fail(realm.serve(), 2)
    assert isinstance(await outcome(realm.serve().login(ADA, PASSWORD)), RateLimited)


async def test_of_many_guesses_at_once_five_are_looked_at(realm: Realm, accounts: Accounts) -> None:
    both = [accounts, realm.serve()]
    before = realm.hasher.verified
    results = await asyncio.gather(*(outcome(both[n % 2].login(ADA, WRONG)) for n in range(40)))
    assert sum(isinstance(result, NotAuthenticated) for result in results) == 5
    assert sum(isinstance(result, RateLimited) for result in results) == 35
    assert realm.hasher.verified - before == 5
    assert len(await realm.events(Event.ACCOUNT_LOCKED)) == 1


async def test_many_devices_of_one_person_may_log_in_at_once(realm: Realm, accounts: Accounts) -> None:
    results = await asyncio.gather(*(outcome(accounts.login(ADA, PASSWORD)) for _ in range(20)))
    assert all(isinstance(result, Grant) for result in results)
    assert len(await realm.rows(LoginSession)) == 20


async def test_one_persons_lock_is_nobody_elses(accounts: Accounts) -> None:
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    await fail(accounts, 5)
    assert isinstance(await outcome(accounts.login(GRACE, PASSWORD)), Grant)


async def test_an_account_is_asked_for_a_hundred_times_in_a_quarter_of_an_hour(
    realm: Realm, accounts: Accounts
) -> None:
    for _ in range(100):
        await accounts.login(ADA, PASSWORD)
    refused = await outcome(accounts.login(ADA, PASSWORD))
    assert isinstance(refused, RateLimited)
    assert refused.retry_after == pytest.approx(15 * 60)
    realm.clock.advance(seconds=15 * 60)
    await accounts.login(ADA, PASSWORD)


async def test_names_that_nobody_has_are_counted_under_no_name(realm: Realm, accounts: Accounts) -> None:
    await fail(accounts, 5, email=EVE)
    assert isinstance(await outcome(accounts.login(EVE, PASSWORD)), RateLimited)
    [row] = [row for row in await realm.rows(LoginFailures) if row.locks]
    assert EVE not in row.model_dump_json()
