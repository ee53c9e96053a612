"""Who syncs: a user in a tenant, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from holdfast.errors import Forbidden
from holdfast.sync.entities import derived_id
from holdfast.tenancy.scope import Scope


@dataclass(frozen=True, slots=True)
class Caller:
    """A user's device. `named` says that the device has a name of its own: a bare login session may be shared by two
    databases, so what one of them pushed is not known to be on the other.
    """

    scope: Scope
    user_id: UUID
    device_id: UUID
    device_name: str
    named: bool

    @classmethod
    def of(cls, scope: Scope, *, device: str | None, session_id: UUID | None) -> Self:
        """The device that calls itself `device`, or else the login session. Raises Forbidden for who is no person."""
        if scope.user_id is None or scope.whole_tenant:
            raise Forbidden("a person syncs what is theirs to see, and not a whole tenant")
        name = device if device is not None else f"session:{session_id}"
        kind = b"device" if device is not None else b"session"
        device_id = derived_id(kind, scope.tenant_id.bytes, scope.user_id.bytes, name.encode())
        return cls(scope, scope.user_id, device_id, name, device is not None)
