"""A new person's rows: themselves, their password, their own tenant, and that they own it. Always made together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from holdfast.accounts.entities import Credential, Membership, Tenant, User, new_membership
from holdfast.accounts.grant import TenantAccess
from holdfast.errors import InvalidInput
from holdfast.identity.email import EmailAddress
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.model.types import TextType

_TEXT = TextType(255)


@dataclass(frozen=True, slots=True)
class Person:
    """What is stored of somebody new, in one commit."""

    user: User
    credential: Credential
    tenant: Tenant
    membership: Membership

    @property
    def rows(self) -> tuple[Entity, ...]:
        """In an order in which references point back."""
        return self.user, self.credential, self.tenant, self.membership

    @property
    def access(self) -> TenantAccess:
        """Their own tenant, as they see it."""
        tenant, membership = self.tenant, self.membership
        role = Role(membership.role)
        return TenantAccess(tenant.id, tenant.name, tenant.slug, tenant.personal, role, membership.epoch)


def new_person(address: EmailAddress, *, name: str, password_hash: str, verified: bool) -> Person:
    """Somebody new. The slug of their tenant says nothing about them."""
    user = User(email=address.address, email_key=address.key, name=name, email_verified=verified)
    tenant = Tenant(name="Personal", slug=f"personal-{secrets.token_hex(8)}", personal_of=user.id)
    return Person(
        user=user,
        credential=Credential(user_id=user.id, hash=password_hash),
        tenant=tenant,
        membership=new_membership(tenant.id, user.id, Role.OWNER),
    )


def checked_name(name: str) -> str:
    """A name without white space around it. Raises InvalidInput for one that cannot be shown in a line."""
    return _checked("name", name.strip() if isinstance(name, str) else name)


def checked_device(device: str | None) -> str | None:
    """The name that a device gives itself. Raises InvalidInput."""
    return None if device is None else _checked("device", device)


def _checked(field: str, text: str) -> str:
    try:
        text = _TEXT.normalise(text)
    except ValueError as error:
        raise _unusable(field, str(error)) from None
    if not text or not text.isprintable():
        raise _unusable(field, "must be a line of visible characters")
    return text


def _unusable(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"This {field} cannot be used.", fields={field: problem})
