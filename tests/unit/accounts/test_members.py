from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest

from holdfast.accounts.accounts import Accounts
from holdfast.accounts.entities import Membership, Tenant
from holdfast.accounts.log import Event
from holdfast.errors import Conflict, Forbidden, InvalidInput, NotFound
from holdfast.identity.principal import Principal, Role
from tests.accounts_fixtures import ADA, EVE, GRACE, PASSWORD, Realm, outcome

pytestmark = pytest.mark.usefixtures("ada")


@pytest.fixture
async def acme(accounts: Accounts) -> Tenant:
    """Ada's organisation, with Grace in the realm and not in it."""
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    return await accounts.add_tenant("Acme", ADA)


async def roles(realm: Realm, tenant: Tenant) -> dict[UUID, Role]:
    members = await realm.rows(Membership, tenant_id=tenant.id)
    return {m.user_id: m.standing for m in members if m.standing is not None}


async def test_a_tenant_is_found_by_its_id_and_its_slug(accounts: Accounts, acme: Tenant) -> None:
    for name in (acme.id, str(acme.id), "acme"):
        found = await accounts.find_tenant(name)
        assert found is not None
        assert (found.id, found.name, found.personal) == (acme.id, "Acme", False)
    for name in (uuid4(), "ACME", "acme ", "", "\x00", "é" * 400):
        assert await accounts.find_tenant(name) is None


async def test_two_tenants_of_one_name_have_two_slugs(accounts: Accounts) -> None:
    made = [await accounts.add_tenant("Söme Crew!", ADA) for _ in range(3)]
    assert made[0].slug == "some-crew"
    assert len({tenant.slug for tenant in made}) == 3


async def test_members_come_change_and_go(realm: Realm, accounts: Accounts, acme: Tenant) -> None:
    member = await accounts.add_member("acme", GRACE, Role.MEMBER)
    assert (await roles(realm, acme))[member.user_id] is Role.MEMBER
    await accounts.add_member("acme", GRACE, Role.ADMIN)
    await accounts.add_member("acme", GRACE, Role.ADMIN)
    assert (await roles(realm, acme))[member.user_id] is Role.ADMIN
    await accounts.remove_member("acme", GRACE)
    assert member.user_id not in await roles(realm, acme)
    assert isinstance(await outcome(accounts.login(GRACE, PASSWORD, tenant="acme")), Forbidden)
    # The row stays: rows of the tenant may refer to it.
    assert len(await realm.rows(Membership, user_id=member.user_id, tenant_id=acme.id)) == 1
    log = await realm.events(Event.MEMBER_ADDED, Event.MEMBER_ROLE_CHANGED, Event.MEMBER_REMOVED)
    assert [(line.event, line.detail) for line in log] == [
        ("member_added", {"after": "member"}),
        ("member_role_changed", {"before": "member", "after": "admin"}),
        ("member_removed", {"before": "admin"}),
    ]


async def test_a_tenant_keeps_an_owner(accounts: Accounts, acme: Tenant) -> None:
    assert isinstance(await outcome(accounts.remove_member(acme.id, ADA)), Conflict)
    assert isinstance(await outcome(accounts.add_member(acme.id, ADA, Role.ADMIN)), Conflict)
    await accounts.add_member(acme.id, GRACE, Role.OWNER)
    await accounts.remove_member(acme.id, ADA)
    assert isinstance(await outcome(accounts.remove_member(acme.id, GRACE)), Conflict)


async def test_of_two_owners_who_remove_one_another_one_stays(realm: Realm, accounts: Accounts) -> None:
    await accounts.add_user(GRACE, "Grace", PASSWORD)
    for round_ in range(10):
        tenant = await accounts.add_tenant(f"Round {round_}", ADA)
        await accounts.add_member(tenant.id, GRACE, Role.OWNER)
        others = realm.serve()
        results = await asyncio.gather(
            outcome(accounts.remove_member(tenant.id, ADA)), outcome(others.remove_member(tenant.id, GRACE))
        )
        assert list((await roles(realm, tenant)).values()) == [Role.OWNER]
        assert sum(isinstance(result, Conflict) for result in results) == 1


async def test_ten_who_add_one_member_at_once_add_one(realm: Realm, accounts: Accounts, acme: Tenant) -> None:
    await asyncio.gather(*(accounts.add_member(acme.id, GRACE, Role.VIEWER) for _ in range(10)))
    assert len(await realm.rows(Membership, tenant_id=acme.id)) == 2
    assert len(await realm.events(Event.MEMBER_ADDED)) == 1


async def test_who_and_what_is_not_there_is_named(accounts: Accounts, acme: Tenant) -> None:
    calls: dict[str, list[Coroutine[Any, Any, object]]] = {
        "user": [accounts.add_member(acme.id, EVE, Role.VIEWER), accounts.add_tenant("Eve's", EVE)],
        "tenant": [accounts.add_member("nowhere", ADA, Role.VIEWER)],
        "membership": [accounts.remove_member(acme.id, GRACE)],
    }
    for where, expected in calls.items():
        for call in expected:
            with pytest.raises(NotFound) as caught:
                await call
            assert caught.value.where == where
    with pytest.raises(InvalidInput):
        await accounts.add_tenant(" ", ADA)


# -- on somebody's behalf ---------------------------------------------------------------------------------------------


async def principal(accounts: Accounts, email: str, tenant: str) -> Principal:
    grant = await accounts.login(email, PASSWORD, tenant=tenant)
    return await accounts.authenticate(grant.access_token)


@pytest.mark.parametrize(
    ("mine", "before", "after", "allowed"),
    [
        (Role.OWNER, None, Role.OWNER, True),
        (Role.ADMIN, None, Role.ADMIN, True),
        (Role.ADMIN, None, Role.OWNER, False),
        (Role.ADMIN, Role.VIEWER, None, True),
        (Role.ADMIN, Role.OWNER, None, False),
        (Role.ADMIN, Role.OWNER, Role.VIEWER, False),
        (Role.MEMBER, None, Role.VIEWER, False),
        (Role.VIEWER, Role.VIEWER, None, False),
    ],
)
async def test_members_are_managed_by_who_may(
    realm: Realm,
    accounts: Accounts,
    acme: Tenant,
    mine: Role,
    before: Role | None,
    after: Role | None,
    *,
    allowed: bool,
) -> None:
    await accounts.add_user(EVE, "Eve", PASSWORD)
    await accounts.add_member(acme.id, EVE, mine)
    if before is not None:
        await accounts.add_member(acme.id, GRACE, before)
    eve = await principal(accounts, EVE, "acme")
    if after is None:
        result = await outcome(accounts.remove_member(acme.id, GRACE, actor=eve))
    else:
        result = await outcome(accounts.add_member(acme.id, GRACE, after, actor=eve))  # type: ignore[arg-type]
    assert isinstance(result, Forbidden) is not allowed
    if allowed:
        assert (await realm.events())[-1].actor == eve.user_id


async def test_an_owner_of_one_tenant_is_nobody_in_another(accounts: Accounts, acme: Tenant) -> None:
    await accounts.add_tenant("Hopper", GRACE)
    grace = await principal(accounts, GRACE, "hopper")
    with pytest.raises(Forbidden):
        await accounts.add_member(acme.id, GRACE, Role.VIEWER, actor=grace)
