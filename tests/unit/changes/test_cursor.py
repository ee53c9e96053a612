"""A device's cursor: below 2^53, bound to tenant, user and epoch."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.changes.cursor import NUMBER_BITS, CursorTag
from holdfast.changes.devices import is_pushed_by, pushed_by, returning
from holdfast.errors import CursorExpired

SECRET = b"s" * 32
TENANT, USER, EPOCH = UUID(int=1), UUID(int=2), UUID(int=3)
NUMBERS = st.integers(0, 2**NUMBER_BITS - 1)


@given(NUMBERS, st.uuids())
def test_a_cursor_gives_its_number_back_and_fits_a_javascript_number(number: int, epoch: UUID) -> None:
    tag = CursorTag.of(SECRET, TENANT, USER, epoch)
    cursor = tag.cursor(number)
    assert 1 <= cursor < 2**53
    assert tag.number(cursor) == number


@pytest.mark.parametrize("number", [-1, 2**NUMBER_BITS])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="41 bits"):
        CursorTag.of(SECRET, TENANT, USER, EPOCH).cursor(number)


def test_a_tag_depends_on_everything_that_it_stands_for() -> None:
    mine = CursorTag.of(SECRET, TENANT, USER, EPOCH)
    others = [
        CursorTag.of(b"o" * 32, TENANT, USER, EPOCH),
        CursorTag.of(SECRET, USER, TENANT, EPOCH),
        CursorTag.of(SECRET, TENANT, UUID(int=9), EPOCH),
        CursorTag.of(SECRET, TENANT, USER, UUID(int=9)),
    ]
    assert mine not in others
    for other in others:
        with pytest.raises(CursorExpired):
            mine.number(other.cursor(7))


def test_tags_are_spread_over_all_twelve_bits_but_nought() -> None:
    tags = {CursorTag.of(SECRET, TENANT, uuid4(), EPOCH).tag for _ in range(4_000)}
    assert min(tags) >= 1
    assert max(tags) <= 4_095
    assert len(tags) > 2_000


def test_a_push_names_its_device_in_two_ways_and_no_other_write_does() -> None:
    device, other = uuid4(), uuid4()
    plain, back = pushed_by(device), pushed_by(device, returns=True)
    assert plain != back
    assert returning(plain) == back == returning(back)
    assert is_pushed_by(plain, device)
    assert is_pushed_by(back, device)
    for name in (None, str(device), pushed_by(other)):
        assert not is_pushed_by(name, device)
    assert returning("Ada's phone+") == "Ada's phone+"
    assert returning("Ada's phone") == "Ada's phone"
    assert returning(None) is None
