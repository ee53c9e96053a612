"""Row ids: made in order of time, spelled in two ways, and read in no other."""

from __future__ import annotations

import base64
import string
import time
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.ids import device_spelling, new_id, parse_id

LETTERS = string.ascii_letters + string.digits
device_ids = st.text(st.sampled_from(LETTERS), min_size=16, max_size=16)


def test_new_ids_are_of_version_7_and_follow_the_clock() -> None:
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert first < second
    assert abs(int.from_bytes(first.bytes[:6]) / 1000 - time.time()) < 60


@given(device_ids)
def test_a_device_gets_its_own_spelling_back(text: str) -> None:
    row_id = parse_id(text)
    assert (row_id.version, row_id.variant) == (8, "specified in RFC 4122")
    assert device_spelling(row_id) == text


@given(st.lists(device_ids, unique=True, min_size=2, max_size=5))
def test_two_spellings_of_a_device_are_two_rows(texts: list[str]) -> None:
    assert len({parse_id(text) for text in texts}) == len(texts)


@given(st.uuids())
def test_a_uuid_is_read_as_it_is_written(row_id: UUID) -> None:
    assert parse_id(str(row_id)) == row_id


def test_an_id_that_no_device_made_has_no_spelling() -> None:
    for row_id in (new_id(), uuid4(), UUID(int=0), UUID(int=2**128 - 1)):
        assert device_spelling(row_id) is None


def test_a_tagged_id_that_no_device_can_have_made_has_no_spelling() -> None:
    """Base64 has two letters more than a device uses."""
    tagged = bytearray(parse_id("A" * 16).bytes)
    tagged[0:3] = base64.b64decode("+/+/")
    assert device_spelling(UUID(bytes=bytes(tagged))) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 15,
        "A" * 17,
        "AAAAAAAAAAAAAAA+",
        "AAAAAAAAAAAAAAA-",
        "AAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAA\u00e4",
        "AAAAAAAAAAAAAAAA\n",
        "01A1F8D1-F264-72F7-ADFC-4EAF885EFAB1",
        "01a1f8d1f26472f7adfc4eaf885efab1",
        "{01a1f8d1-f264-72f7-adfc-4eaf885efab1}",
        "urn:uuid:01a1f8d1-f264-72f7-adfc-4eaf885efab1",
        "01a1f8d1-f264-72f7-adfc-4eaf885efab1\n",
        " 01a1f8d1-f264-72f7-adfc-4eaf885efab1",
        "\u0661" * 16,
    ],
)
def test_no_other_spelling_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="not a canonical UUID") as caught:
        parse_id(text)
    assert not text.strip() or text not in str(caught.value)


def test_the_reason_is_a_sentence_behind_a_fields_name() -> None:
    with pytest.raises(ValueError, match=r"^is not a canonical UUID"):
        parse_id("x")
