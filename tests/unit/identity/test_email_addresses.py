from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInput
from holdfast.identity.email import MAX_LENGTH, parse_email

LONG_DOMAIN = ".".join(["d" * 63] * 2 + ["e" * 55] + ["example"])


@pytest.mark.parametrize(
    ("typed", "address", "key"),
    [
        ("ada@example.com", "ada@example.com", "ada@example.com"),
        ("Ada.Lovelace@EXAMPLE.Com", "Ada.Lovelace@example.com", "ada.lovelace@example.com"),
        ("ada+tag@sub.example.co.uk", "ada+tag@sub.example.co.uk", "ada+tag@sub.example.co.uk"),
        ("o'hara@xn--bcher-kva.example", "o'hara@xn--bcher-kva.example", "o'hara@xn--bcher-kva.example"),
        ("a@b.xn--p1ai", "a@b.xn--p1ai", "a@b.xn--p1ai"),
    ],
)
def test_an_address_and_its_key(typed: str, address: str, key: str) -> None:
    parsed = parse_email(typed)
    assert (parsed.address, parsed.key) == (address, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada.example.com",
        "@example.com",
        "ada@",
        "ada@@example.com",
        "ada@b@example.com",
        " ada@example.com",
        "ada@example.com ",
        "ada@example.com\n",
        "ada\r\nBcc: x@example.com",
        "ada\0@example.com",
        "ada\x7f@example.com",
        "ada lovelace@example.com",
        "ada\t@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "ada..l@example.com",
        '"ada"@example.com',
        "ada(comment)@example.com",
        "<ada@example.com>",
        "ada@localhost",
        "ada@example.com.",
        "ada@.example.com",
        "ada@example..com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@exam_ple.com",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        "ada@" + "d" * 64 + ".com",
        "a" * 65 + "@example.com",
        # Two spellings that look alike: dotless i, Cyrillic a, full-width at sign, long s.
        "mıke@example.com",
        "аda@example.com",
        "ada＠example.com",
        "ada@exampſe.com",
        "ada@bücher.example",
        "\ud800@example.com",
    ],
)
def test_what_is_not_an_address_that_can_be_used(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_email(text)
    assert set(caught.value.fields) == {"email"}
    assert not text or text not in str(caught.value) + caught.value.fields["email"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ada", "has no @"),
        ("ada @example.com", "holds a space"),
        ("ada@example.com\n", "a control character"),
        ("ada@bücher.example", "beyond ASCII"),
        ("ada@localhost", "after the @"),
        ("ada.@example.com", "before the @"),
        ("a" * 256, "longer than 255"),
    ],
)
def test_the_fault_is_named(text: str, fault: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_email(text)
    assert fault in caught.value.fields["email"]


def test_the_longest_address() -> None:
    longest = "a" * 64 + "@" + LONG_DOMAIN[: MAX_LENGTH - 65]
    assert len(longest) == MAX_LENGTH
    assert parse_email(longest).key == longest
    with pytest.raises(InvalidInput):
        parse_email("a" * 64 + "@d" + LONG_DOMAIN[: MAX_LENGTH - 65])


def test_an_address_is_not_shown_by_accident() -> None:
    assert "ada" not in repr(parse_email("ada@example.com"))


@given(st.text(max_size=40) | st.emails())
def test_parsing_again_changes_nothing(text: str) -> None:
    try:
        parsed = parse_email(text)
    except InvalidInput:
        return
    assert parse_email(parsed.address) == parsed
    assert parse_email(parsed.key).key == parsed.key
    assert parsed.address.lower() == parsed.key == text.lower()
    assert parsed.local == text.rpartition("@")[0]
