from __future__ import annotations

import inspect

import pytest

from holdfast.accounts import entities
from holdfast.accounts.entities import ENTITIES, Credential, Membership, Tenant, User, Verification, schemas
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from tests.accounts_fixtures import START


def test_every_entity_of_the_realm_is_listed() -> None:
    declared = {
        value
        for _, value in inspect.getmembers(entities, inspect.isclass)
        if issubclass(value, Entity) and value.__module__ == entities.__name__
    }
    assert declared == set(ENTITIES)


def test_the_realm_is_one_pack_without_a_change_log() -> None:
    known: set[str] = set()
    for schema in schemas():
        known.add(schema.name)
        assert {reference.table for _, reference in schema.references} <= known
        assert (schema.pack, schema.visibility, schema.journaled, schema.synced) == (
            "realm",
            "realm",
            False,
            False,
        )


def test_what_other_tables_refer_to_is_where_they_look() -> None:
    by_table = {schema.table: schema for schema in schemas()}
    assert {"users", "tenants", "memberships", "realm_log"} <= set(by_table)
    assert ("tenant_id", "user_id") in {rule.fields for rule in by_table["memberships"].uniques}
    assert ("slug",) in {rule.fields for rule in by_table["tenants"].uniques}
    assert ("email_key",) in {rule.fields for rule in by_table["users"].uniques}


@pytest.mark.parametrize("role", list(Role))
def test_a_membership_holds_every_role(role: Role) -> None:
    membership = Membership(tenant_id=new_id(), user_id=new_id(), role=role.value)
    assert membership.standing is role
    assert membership.model_copy(update={"ended_at": START}).standing is None


def test_what_is_personal_or_secret_is_not_in_a_representation() -> None:
    planted = "planted-secret-value"
    rows = [
        User(email=planted, email_key=planted, name=planted, avatar_url=planted),
        Credential(user_id=new_id(), hash=planted),
        Tenant(name=planted, slug="slug"),
        Verification(
            user_id=new_id(), token_hash=planted, name=planted, password_hash=planted, expires_at=START
        ),
    ]
    for row in rows:
        assert planted not in repr(row)
        assert planted not in str(row)
