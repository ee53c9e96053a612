"""Plain forms: a client's JSON read, a row written, and no value in what is told of mistakes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInput
from holdfast.model.ids import new_id
from holdfast.model.plain import decode_fields, encode_fields, encode_row, normalise_fields, render_row
from holdfast.testing.clock import START
from holdfast.testing.conformance.entities import CATALOG, Note, Specimen
from holdfast.testing.strategies import declared_values, texts

SPECIMEN, NOTE = CATALOG.schema(Specimen), CATALOG.schema(Note)


def as_row(values: dict[str, Any]) -> dict[str, Any]:
    return {"id": UUID(int=7), "version": 1, "created_at": START, "updated_at": START, **values}


@given(declared_values(SPECIMEN))
def test_a_row_is_written_as_json_and_read_back(values: dict[str, Any]) -> None:
    row = as_row(normalise_fields(SPECIMEN, values))
    plain = orjson.loads(render_row(SPECIMEN, row))
    assert list(plain) == list(SPECIMEN.by_name)
    own = {name: value for name, value in plain.items() if name in values}
    assert encode_row(SPECIMEN, as_row(decode_fields(SPECIMEN, own))) == encode_row(SPECIMEN, row)


def test_every_offending_field_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_fields(
            NOTE,
            {"title": 3, "stars": "x", "body": None, "nothing": 1, "id": "x", "user_id": None, "version": 1},
        )
    assert caught.value.where == "kit.notes"
    assert caught.value.fields == {
        "title": "must be text",
        "stars": "must be a whole number",
        "nothing": "is not a field of this entity",
        "id": "is set by the server",
        "user_id": "is set by the server",
        "version": "is set by the server",
    }


def test_null_is_for_fields_that_may_be_absent() -> None:
    assert decode_fields(NOTE, {"body": None}) == {"body": None}
    with pytest.raises(InvalidInput) as caught:
        decode_fields(NOTE, {"title": None})
    assert caught.value.fields == {"title": "must not be null"}
    with pytest.raises(InvalidInput) as caught:
        normalise_fields(NOTE, {"title": None})
    assert caught.value.fields == {"title": "must not be null"}


def test_a_client_names_the_id_only_where_it_may() -> None:
    row_id = new_id()
    assert decode_fields(NOTE, {"id": str(row_id)}, client_sets_id=True) == {"id": row_id}
    assert decode_fields(NOTE, {"id": "A" * 16}, client_sets_id=True)["id"].version == 8
    with pytest.raises(InvalidInput) as caught:
        decode_fields(NOTE, {"id": str(row_id).upper(), "version": 3}, client_sets_id=True)
    assert set(caught.value.fields) == {"id", "version"}


@pytest.mark.parametrize("body", [None, [], "text", 3, [{"title": "a"}]])
def test_a_body_is_an_object(body: Any) -> None:
    with pytest.raises(InvalidInput, match="JSON object"):
        decode_fields(NOTE, body)


def test_an_unknown_fields_name_is_cut_and_made_printable() -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_fields(NOTE, {"\x1b[31m\n" + "x" * 100: 1, "": 2})
    assert sorted(caught.value.fields) == ["(empty)", "?[31m?" + "x" * 58]


@given(st.data())
def test_no_mistake_tells_a_value(data: st.DataObject) -> None:
    """Whatever is given for the fields, an error names them and says nothing of what they were given."""
    mark = "canary" + new_id().hex
    marked = texts().map(lambda text: mark + text)
    given_values = st.recursive(
        marked, lambda inner: st.lists(inner) | st.dictionaries(marked, inner), max_leaves=4
    )
    names = st.sampled_from([*SPECIMEN.by_name, "nothing"])
    plain = data.draw(st.dictionaries(names, given_values, min_size=1))
    with pytest.raises(InvalidInput) as caught:
        decode_fields(SPECIMEN, {**plain, "nothing": mark})
    assert mark not in str(caught.value)
    assert mark not in repr(caught.value.fields)
    assert caught.value.fields.keys() <= {*plain, "nothing"}


def test_the_message_stays_short_however_many_fields_are_wrong() -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_fields(NOTE, {f"field {turn}": 1 for turn in range(500)})
    assert len(caught.value.message) <= 1_000
    assert len(caught.value.fields) == 500


def test_some_fields_are_encoded_alone() -> None:
    assert encode_fields(NOTE, {"title": "a", "body": None, "user_id": UUID(int=1)}) == {
        "title": "a",
        "body": None,
        "user_id": "00000000-0000-0000-0000-000000000001",
    }
