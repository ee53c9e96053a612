"""The front door: every name in it opens, and nothing stands in it that nobody decided to put there."""

from __future__ import annotations

import pytest

import holdfast


@pytest.mark.parametrize("name", holdfast.__all__)
def test_every_public_name_opens_and_says_what_it_is(name: str) -> None:
    assert getattr(holdfast, name).__doc__


def test_the_names_are_listed_once() -> None:
    assert len(holdfast.__all__) == len(set(holdfast.__all__))
    assert set(holdfast.__all__) - set(holdfast._HOME_OF) == {"blocking", "__version__"}
    assert set(holdfast._HOME_OF) <= set(holdfast.__all__)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = holdfast.utils
