from __future__ import annotations

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directory import SLUG, as_id
from holdfast.accounts.members import slug_for


@given(st.text(max_size=80))
def test_whatever_the_name_its_slug_is_one_and_no_id(name: str) -> None:
    for plain in (True, False):
        slug = slug_for(name, plain=plain)
        assert SLUG.fullmatch(slug)
        assert as_id(slug) is None


def test_a_name_that_spells_an_id_does_not_become_one() -> None:
    assert as_id(slug_for(str(uuid4()), plain=True)) is None
