"""Page cursors: read back as they were made, by whom and in the list for which they were made. Pure."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import BadCursor
from holdfast.identity.principal import Role
from holdfast.model.query import Condition, Key, Op, Query
from holdfast.store.paging import decode_cursor, encode_cursor
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.entities import CATALOG, Board, Specimen
from holdfast.testing.strategies import field_values

SECRET = b"a secret of this file"
SPECIMEN = CATALOG.schema(Specimen)
ANN = Scope(UUID(int=1), Role.MEMBER, UUID(int=2))
BY_TEXT = Query(
    SPECIMEN, (Condition("flag", Op.EQ, True), Condition("whole", Op.IN, (1, 2))), "text", limit=3
)
KEY = Key("some text", UUID(int=7))


@st.composite
def keys(draw: st.DrawFn) -> tuple[str, Key]:
    sort = draw(st.sampled_from([name for name in sorted(SPECIMEN.sortable) if name != "id"]))
    field = SPECIMEN.by_name[sort]
    value = draw(field_values(field))
    return sort, Key(None if value is None else field.type.normalise(value), draw(st.uuids()))


@given(place=keys(), descending=st.booleans())
def test_any_place_in_any_list_is_read_back(place: tuple[str, Key], *, descending: bool) -> None:
    sort, key = place
    query = Query(SPECIMEN, sort=sort, descending=descending)
    cursor = encode_cursor(SECRET, ANN, query, key)
    assert decode_cursor(SECRET, ANN, query, cursor) == key
    assert cursor.isascii()
    assert not set(cursor) & set("+/= ")


def test_a_cursor_is_for_any_page_of_its_list() -> None:
    cursor = encode_cursor(SECRET, ANN, BY_TEXT, KEY)
    for again in (replace(BY_TEXT, limit=50), replace(BY_TEXT, after=KEY)):
        assert decode_cursor(SECRET, ANN, again, cursor) == KEY


OTHER_LISTS = {
    "sort": replace(BY_TEXT, sort="short"),
    "direction": replace(BY_TEXT, descending=True),
    "no filter": replace(BY_TEXT, where=()),
    "fewer filters": replace(BY_TEXT, where=BY_TEXT.where[:1]),
    "filters turned round": replace(BY_TEXT, where=BY_TEXT.where[::-1]),
    "another value": replace(BY_TEXT, where=(Condition("flag", Op.EQ, False), BY_TEXT.where[1])),
    "an absent value": replace(BY_TEXT, where=(Condition("flag", Op.EQ, None), BY_TEXT.where[1])),
    "another comparison": replace(BY_TEXT, where=(Condition("flag", Op.GE, True), BY_TEXT.where[1])),
    "another set": replace(BY_TEXT, where=(BY_TEXT.where[0], Condition("whole", Op.IN, (2, 1)))),
    "entity": Query(CATALOG.schema(Board), sort="name"),
}


@pytest.mark.parametrize("other", OTHER_LISTS.values(), ids=OTHER_LISTS)
def test_a_cursor_is_for_no_other_list(other: Query) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(SECRET, ANN, other, encode_cursor(SECRET, ANN, BY_TEXT, KEY))


@pytest.mark.parametrize(
    "other",
    [
        replace(ANN, tenant_id=UUID(int=9)),
        replace(ANN, user_id=UUID(int=9)),
        replace(ANN, user_id=None),
        replace(ANN, whole_tenant=True, reason="a test"),
    ],
)
def test_a_cursor_is_for_no_other_scope(other: Scope) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(SECRET, other, BY_TEXT, encode_cursor(SECRET, ANN, BY_TEXT, KEY))


def test_a_cursor_does_not_depend_on_role_device_or_reason() -> None:
    """They may change between two pages, and what may be seen is not theirs to say."""
    cursor = encode_cursor(SECRET, ANN, BY_TEXT, KEY)
    assert decode_cursor(SECRET, replace(ANN, role=Role.OWNER, device="tablet"), BY_TEXT, cursor) == KEY


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_can_be_changed(place: int, change: int) -> None:
    raw = bytearray(_raw(encode_cursor(SECRET, ANN, BY_TEXT, KEY)))
    raw[place % len(raw)] ^= change
    with pytest.raises(BadCursor):
        decode_cursor(SECRET, ANN, BY_TEXT, base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_nothing_else_is_a_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(SECRET, ANN, BY_TEXT, text)


def test_every_cut_is_noticed() -> None:
    cursor = encode_cursor(SECRET, ANN, BY_TEXT, KEY)
    for length in range(len(cursor)):
        with pytest.raises(BadCursor):
            decode_cursor(SECRET, ANN, BY_TEXT, cursor[:length])


def test_another_secret_signs_other_cursors() -> None:
    with pytest.raises(BadCursor):
        decode_cursor(b"another", ANN, BY_TEXT, encode_cursor(SECRET, ANN, BY_TEXT, KEY))


@pytest.mark.parametrize("value", ["\x01" * 1_024, "\U0001f600" * 256, '"' * 1_024])
def test_the_longest_key_fits(value: str) -> None:
    key = Key(value, UUID(int=2**128 - 1))
    cursor = encode_cursor(SECRET, ANN, BY_TEXT, key)
    assert decode_cursor(SECRET, ANN, BY_TEXT, cursor) == key


def _raw(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def test_a_cursor_says_nothing_of_the_engine_or_the_table() -> None:
    cursor: Any = _raw(encode_cursor(SECRET, ANN, BY_TEXT, KEY))
    assert cursor[16:] == b'[1,"some text","00000000-0000-0000-0000-000000000007"]'
