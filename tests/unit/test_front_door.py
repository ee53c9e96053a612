"""`import holdfast`: a table of contents that is decided on, not grown."""

from __future__ import annotations

from importlib import import_module

import pytest

import holdfast
from holdfast import _HOME_OF


def test_the_front_door_offers_what_it_lists_and_nothing_else() -> None:
    lazy, listed = set(_HOME_OF), set(holdfast.__all__)
    assert lazy <= listed
    assert len(holdfast.__all__) == len(listed)
    assert all(hasattr(holdfast, name) for name in listed)


@pytest.mark.parametrize("name", sorted(_HOME_OF))
def test_a_public_name_is_the_one_of_its_home_and_says_what_it_is(name: str) -> None:
    value = getattr(holdfast, name)
    assert value is getattr(import_module(_HOME_OF[name]), name)
    assert (value.__doc__ or "").strip()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nothing'"):
        holdfast.nothing  # noqa: B018
