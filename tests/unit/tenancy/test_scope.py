"""For which tenant, as whom, and why."""

from __future__ import annotations

from uuid import UUID

import pytest

from holdfast.errors import Forbidden
from holdfast.identity.principal import Role
from holdfast.tenancy.scope import Scope

TENANT, PERSON = UUID(int=1), UUID(int=2)


def test_a_member_acts_for_themselves_in_their_role() -> None:
    scope = Scope.member(TENANT, PERSON, role="viewer")
    assert (scope.tenant_id, scope.user_id, scope.role) == (TENANT, PERSON, Role.VIEWER)
    assert not scope.whole_tenant
    with pytest.raises(Forbidden):
        scope.for_tenant(reason="a look around")


def test_a_role_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="king"):
        Scope.member(TENANT, PERSON, role="king")  # type: ignore[arg-type]
