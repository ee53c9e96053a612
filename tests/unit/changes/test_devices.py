"""How a change names the device that pushed it."""

from __future__ import annotations

from uuid import UUID

import pytest

from holdfast.changes.devices import is_pushed_by, pushed_by, returning

PHONE, OTHER = UUID(int=1), UUID(int=2)


def test_a_push_is_told_from_what_the_same_device_writes_otherwise() -> None:
    assert is_pushed_by(pushed_by(PHONE), PHONE)
    assert is_pushed_by(pushed_by(PHONE, returns=True), PHONE)
    for name in (str(PHONE), pushed_by(OTHER), pushed_by(PHONE) + "++", None):
        assert not is_pushed_by(name, PHONE)


@pytest.mark.parametrize(
    ("name", "follows"),
    [
        (pushed_by(PHONE), pushed_by(PHONE, returns=True)),
        (pushed_by(PHONE, returns=True), pushed_by(PHONE, returns=True)),
        ("a phone over REST", "a phone over REST"),
        (None, None),
    ],
)
def test_what_follows_from_a_push_goes_back(name: str | None, follows: str | None) -> None:
    assert returning(name) == follows
