from __future__ import annotations

import asyncio

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import Credential, Membership, Tenant, User, Verification
from holdfast.accounts.grant import Grant
from holdfast.accounts.log import Event
from holdfast.errors import Duplicate, InvalidInput, NotAuthenticated
from holdfast.identity.principal import Role
from tests.accounts_fixtures import ADA, GRACE, PASSWORD, WRONG, Realm, outcome, token_in


async def test_registering_makes_a_person_who_owns_a_tenant_of_their_own(
    realm: Realm, accounts: Accounts
) -> None:
    assert await accounts.register("Ada@Example.com", " Ada Lovelace ", PASSWORD) is None
    [user] = await realm.rows(User)
    assert (user.email, user.email_key, user.name) == ("Ada@example.com", ADA, "Ada Lovelace")
    assert (user.email_verified, user.is_active, user.provider) == (False, True, "email")
    [tenant], [membership] = await realm.rows(Tenant), await realm.rows(Membership)
    assert tenant.personal
    assert tenant.personal_of == user.id
    assert (membership.tenant_id, membership.user_id, membership.role) == (tenant.id, user.id, "owner")
    [credential] = await realm.rows(Credential)
    assert credential.hash.startswith("$argon2id$")
    assert [line.event for line in await realm.events()] == [Event.USER_REGISTERED]


async def test_a_commit_that_fails_leaves_nothing_of_a_person(realm: Realm, accounts: Accounts) -> None:
    await accounts.add_user(ADA, "Ada", PASSWORD)
    with pytest.raises(Duplicate):
        await accounts.add_user(ADA.upper(), "Another", PASSWORD)
    for entity in (User, Tenant, Membership, Credential):
        assert len(await realm.rows(entity)) == 1


async def test_the_mail_brings_the_token_that_verifies(realm: Realm, accounts: Accounts) -> None:
    await accounts.register(ADA, "Ada", PASSWORD)
    [mail] = realm.mails()
    assert mail["To"] == ADA
    with pytest.raises(NotAuthenticated):
        await accounts.login(ADA, PASSWORD)
    await accounts.verify_email(token_in(mail))
    [user] = await realm.rows(User)
    assert user.email_verified
    assert (await accounts.login(ADA, PASSWORD)).tenant.personal


async def test_a_verification_holds_once_and_for_a_day(realm: Realm, accounts: Accounts) -> None:
    await accounts.register(ADA, "Ada", PASSWORD)
    used = realm.last_token()
    results = await asyncio.gather(*(outcome(accounts.verify_email(used)) for _ in range(8)))
    assert [result for result in results if result is None] == [None]
    assert all(result is None or isinstance(result, InvalidInput) for result in results)

    await accounts.register(GRACE, "Grace", PASSWORD)
    late = realm.last_token()
    realm.clock.advance(days=1)
    with pytest.raises(InvalidInput):
        await accounts.verify_email(late)


@pytest.mark.parametrize("token", ["", "ev_", "ev_" + "a" * 43, "rt_" + "a" * 43, "é" * 46, "ev_" + "a" * 44])
async def test_a_token_that_was_never_sent_verifies_nothing(accounts: Accounts, token: str) -> None:
    with pytest.raises(InvalidInput):
        await accounts.verify_email(token)


async def test_who_answers_a_mail_gets_what_was_typed_with_it(realm: Realm, accounts: Accounts) -> None:
    """Somebody who registers another's address first does not choose that other's password."""
    await accounts.register(ADA, "Mallory", WRONG)
    await accounts.register(ADA, "Ada", PASSWORD)
    await accounts.verify_email(realm.last_token())
    [user] = await realm.rows(User)
    assert user.name == "Ada"
    assert isinstance(await outcome(accounts.login(ADA, WRONG)), NotAuthenticated)
    assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), Grant)


async def test_no_earlier_mail_takes_an_account_over(realm: Realm, accounts: Accounts) -> None:
    await accounts.register(ADA, "Mallory", WRONG)
    await accounts.register(ADA, "Mallory", WRONG)
    early = [token_in(mail) for mail in realm.mails()]
    await accounts.register(ADA, "Ada", PASSWORD)
    await accounts.verify_email(realm.last_token())
    for token in early:
        assert isinstance(await outcome(accounts.verify_email(token)), InvalidInput)
    assert isinstance(await outcome(accounts.login(ADA, PASSWORD)), Grant)


async def test_of_two_mails_answered_at_once_one_takes_effect(realm: Realm, accounts: Accounts) -> None:
    for round_ in range(12):
        email = f"ada{round_}@example.com"
        await accounts.register(email, "Mallory", WRONG)
        await accounts.register(email, "Ada", PASSWORD)
        tokens = [token_in(mail) for mail in realm.mails()[-2:]]
        results = await asyncio.gather(*(outcome(accounts.verify_email(token)) for token in tokens))
        assert results.count(None) == 1
        right = (WRONG, PASSWORD)[results.index(None)]
        for password in (WRONG, PASSWORD):
            assert isinstance(await outcome(accounts.login(email, password)), Grant) is (password == right)


async def test_registering_a_known_address_changes_nothing_and_tells_its_owner(
    realm: Realm, accounts: Accounts, ada: None
) -> None:
    before = await realm.rows(User), await realm.rows(Credential)
    assert await accounts.register(ADA, "Mallory", WRONG) is None
    assert (await realm.rows(User), await realm.rows(Credential)) == before
    [mail] = realm.mails()
    assert mail["To"] == ADA
    assert "ev_" not in mail.get_content()
    assert "Mallory" not in mail.as_string()
    [line] = await realm.events(Event.REGISTRATION_REPEATED)
    assert line.user_id == before[0][0].id


async def test_of_ten_registrations_at_once_one_makes_the_account(realm: Realm, accounts: Accounts) -> None:
    results = await asyncio.gather(*(accounts.register(ADA, "Ada", PASSWORD) for _ in range(10)))
    assert results == [None] * 10
    for entity in (User, Tenant, Membership, Credential):
        assert len(await realm.rows(entity)) == 1
    assert len(await realm.rows(Verification)) == 10


async def test_an_address_is_sent_five_mails_an_hour(realm: Realm, accounts: Accounts) -> None:
    for _ in range(7):
        assert await accounts.register(ADA, "Ada", PASSWORD) is None
    assert len(realm.mails()) == 5
    realm.clock.advance(seconds=3_601)
    await accounts.register(ADA, "Ada", PASSWORD)
    assert len(realm.mails()) == 6


@pytest.mark.parametrize(
    ("email", "name", "password", "field"),
    [
        ("not an address", "Ada", PASSWORD, "email"),
        (ADA, "", PASSWORD, "name"),
        (ADA, " \t ", PASSWORD, "name"),
        (ADA, "x" * 256, PASSWORD, "name"),
        (ADA, "Ada\nBcc: all", PASSWORD, "name"),
        (ADA, "Ada\x00", PASSWORD, "name"),
        (ADA, "Ada", "short", "password"),
        (ADA, "Ada", "password123", "password"),
        (ADA, "Ada", ADA, "password"),
    ],
)
async def test_what_can_be_nobodys_is_refused_and_named(
    realm: Realm, accounts: Accounts, email: str, name: str, password: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await accounts.register(email, name, password)
    assert list(caught.value.fields) == [field]
    assert await realm.rows(User) == []
    assert realm.hasher.hashed == 0


# -- a development store ----------------------------------------------------------------------------------------------


async def test_a_development_store_signs_a_new_person_in(realm: Realm, development: Accounts) -> None:
    grant = await development.register(ADA, "Ada", PASSWORD, device="phone")
    assert grant is not None
    principal = await development.authenticate(grant.access_token)
    assert (principal.role, principal.device) == (Role.OWNER, "phone")
    assert principal.tenant_id == grant.tenant.id
    assert grant.tenant.personal
    # Unverified people log in here, and a mail is written all the same.
    assert isinstance(await outcome(development.login(ADA, PASSWORD)), Grant)
    await development.verify_email(realm.last_token())


@pytest.mark.parametrize("password", [PASSWORD, WRONG])
async def test_a_development_store_gives_nobody_a_session_for_a_known_address(
    development: Accounts, password: str
) -> None:
    await development.register(ADA, "Ada", PASSWORD)
    assert await development.register(ADA, "Ada", password) is None


async def test_a_password_that_is_replaced_by_a_verification_ends_the_sessions_before_it(
    realm: Realm, development: Accounts
) -> None:
    grant = await development.register(ADA, "Mallory", WRONG)
    assert grant is not None
    await development.register(ADA, "Ada", PASSWORD)
    await development.verify_email(realm.last_token())
    with pytest.raises(NotAuthenticated):
        await development.authenticate(grant.access_token)
    assert isinstance(await outcome(development.refresh(grant.refresh_token or "")), NotAuthenticated)


# -- added by an operator ---------------------------------------------------------------------------------------------


async def test_an_added_user_may_log_in_with_the_password_that_was_made_up(accounts: Accounts) -> None:
    made = await accounts.add_user(ADA, "Ada")
    assert made.password is not None
    assert len(made.password) >= 20
    grant = await accounts.login(ADA, made.password)
    assert grant.tenant.id == made.tenant_id
    assert made.password not in repr(made)


async def test_an_added_user_with_a_password_is_told_none(accounts: Accounts) -> None:
    assert (await accounts.add_user(ADA, "Ada", PASSWORD)).password is None
    with pytest.raises(InvalidInput):
        await accounts.add_user(GRACE, "Grace", "password")
