from __future__ import annotations

import dataclasses
import subprocess
import sys
from uuid import UUID

import pytest

from holdfast.identity.principal import Principal, Role


def test_roles_are_ordered_by_power_and_not_by_spelling() -> None:
    assert sorted(Role) == [Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER]
    assert Role.ADMIN > Role.VIEWER
    assert Role.ADMIN >= Role.ADMIN
    assert not Role.OWNER <= Role.ADMIN
    assert max(Role.MEMBER, Role.OWNER) is Role.OWNER


@pytest.mark.parametrize("compare", ["__lt__", "__le__", "__gt__", "__ge__"])
def test_a_role_is_not_ordered_among_text(compare: str) -> None:
    with pytest.raises(TypeError):
        getattr(Role.ADMIN, compare)("viewer")


def test_text_before_a_role_is_not_ordered_either() -> None:
    with pytest.raises(TypeError):
        sorted(["viewer", Role.ADMIN])


def test_a_role_is_read_from_its_spelling_only() -> None:
    assert Role("owner") is Role.OWNER
    for text in ("Owner", "root", ""):
        with pytest.raises(ValueError, match="is not a valid Role"):
            Role(text)


def test_a_principal_does_not_change() -> None:
    principal = Principal(UUID(int=1), UUID(int=2), None, Role.VIEWER, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        principal.role = Role.OWNER  # type: ignore[misc]
    assert not hasattr(principal, "__dict__")


def test_heavy_libraries_are_not_loaded_by_the_light_modules() -> None:
    program = (
        "import sys, holdfast, holdfast.identity.principal, holdfast.identity.permissions, holdfast.identity.email\n"
        "import holdfast.identity.window, holdfast.identity.lockout\n"
        "print(sorted({'jwt', 'argon2', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
