"""People and tenants for a test: rows of the realm, and the scopes in which these people act. Nobody logs in as one of them."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.accounts.entities import Tenant, User, new_membership
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.policies import RoleName
from holdfast.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Household:
    """A new tenant: `rows` are to be put in the realm (`Scope.realm`), `scopes` are its members', in the order asked for."""

    rows: tuple[Entity, ...]
    scopes: tuple[Scope, ...]


def new_household(*roles: RoleName) -> Household:
    """A tenant with a new member in each of these roles."""
    tenant_id = new_id()
    people = [_person() for _ in roles]
    tenant = Tenant(id=tenant_id, name="A test", slug=f"test-{tenant_id.hex}")
    members = [
        new_membership(tenant_id, person.id, Role(role)) for person, role in zip(people, roles, strict=True)
    ]
    scopes = [
        Scope.member(tenant_id, person.id, role=role) for person, role in zip(people, roles, strict=True)
    ]
    return Household((*people, tenant, *members), tuple(scopes))


def _person() -> User:
    user_id = new_id()
    address = f"{user_id.hex}@example.com"
    return User(id=user_id, email=address, email_key=address, name="A test")
