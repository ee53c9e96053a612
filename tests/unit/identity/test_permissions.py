from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest

from holdfast.identity.permissions import ROLE_PERMISSIONS, Permission, allows, may_change_role
from holdfast.identity.principal import Role

READ, CREATE, UPDATE, DELETE = Permission.READ, Permission.CREATE, Permission.UPDATE, Permission.DELETE
ACT, MEMBERS, TENANT = Permission.ACT_FOR_TENANT, Permission.MANAGE_MEMBERS, Permission.MANAGE_TENANT

EXPECTED = {
    Role.VIEWER: {READ},
    Role.MEMBER: {READ, CREATE, UPDATE, DELETE},
    Role.ADMIN: {READ, CREATE, UPDATE, DELETE, ACT, MEMBERS},
    Role.OWNER: {READ, CREATE, UPDATE, DELETE, ACT, MEMBERS, TENANT},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Permission)
def test_the_whole_matrix(role: Role, action: Permission) -> None:
    assert allows(role, action) is (action in EXPECTED[role])


def test_what_is_not_known_is_denied() -> None:
    assert not allows(cast("Any", "root"), READ)
    assert not allows(Role.OWNER, cast("Any", "rows:destroy"))
    assert not allows(cast("Any", None), READ)


def test_a_stronger_role_may_do_all_that_a_weaker_one_may() -> None:
    for weaker, stronger in pairwise(sorted(Role)):
        assert ROLE_PERMISSIONS[weaker] < ROLE_PERMISSIONS[stronger]


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ROLE_PERMISSIONS[Role.VIEWER] = frozenset(Permission)  # type: ignore[index]


@pytest.mark.parametrize(
    ("actor", "before", "after", "allowed"),
    [
        (Role.ADMIN, None, Role.MEMBER, True),
        (Role.ADMIN, Role.MEMBER, None, True),
        (Role.ADMIN, Role.VIEWER, Role.ADMIN, True),
        (Role.ADMIN, Role.ADMIN, Role.OWNER, False),
        (Role.ADMIN, None, Role.OWNER, False),
        (Role.ADMIN, Role.OWNER, Role.VIEWER, False),
        (Role.ADMIN, Role.OWNER, None, False),
        (Role.OWNER, Role.OWNER, Role.VIEWER, True),
        (Role.OWNER, None, Role.OWNER, True),
        (Role.MEMBER, None, Role.VIEWER, False),
        (Role.VIEWER, Role.VIEWER, Role.OWNER, False),
    ],
)
def test_nobody_raises_anybody_above_themselves(
    actor: Role, before: Role | None, after: Role | None, allowed: bool
) -> None:
    assert may_change_role(actor, before=before, after=after) is allowed
