"""The envelope: its layout, what it is bound to, and that nothing else opens."""

from __future__ import annotations

import os
import traceback
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.cipher import ColumnCipher
from holdfast.crypto.envelope import (
    OVERHEAD,
    Suite,
    WrappingKey,
    header,
    is_envelope,
    key_id_of,
    place,
)
from holdfast.crypto.secret import SecretKey
from holdfast.errors import Unavailable, Unreadable
from tests.unit.crypto.sealing import OTHER_TENANT, ROW, TENANT, cipher, flipped, fresh_row

DATA = b'"a quiet evening"'
SUITES = list(Suite)


@pytest.mark.parametrize("suite", SUITES)
def test_the_layout_is_as_documented(suite: Suite) -> None:
    key = SecretKey.generate()
    envelope = cipher(key, suite=suite).seal(DATA, ROW)
    assert len(envelope) == len(DATA) + OVERHEAD == len(DATA) + 46
    assert envelope[:2] == bytes((1, suite))
    assert envelope[2:18] == key.id == key_id_of(envelope)
    assert is_envelope(envelope)


def test_somebody_else_can_open_it_by_the_documentation_alone() -> None:
    key = SecretKey.generate()
    envelope = cipher(key).seal(DATA, ROW)
    column_key = key.derive(b"field", b"\x01", b"finance.transactions", b"merchant")
    parts = (TENANT.bytes, b"finance.transactions", b"merchant", ROW)
    associated = envelope[:18] + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    assert AESGCM(column_key).decrypt(envelope[18:30], envelope[30:], associated) == DATA


@pytest.mark.parametrize("suite", SUITES)
@given(data=st.binary(max_size=300))
def test_what_is_sealed_opens(suite: Suite, data: bytes) -> None:
    one = cipher(suite=suite)
    assert one.open(one.seal(data, ROW), ROW) == data


def test_many_are_sealed_and_opened_as_each_alone() -> None:
    one = cipher()
    pairs = [(os.urandom(size), fresh_row()) for size in range(20)]
    envelopes = one.seal_many(pairs)
    assert [one.open(envelope, row) for envelope, (_, row) in zip(envelopes, pairs, strict=True)] == [
        data for data, _ in pairs
    ]
    sealed = [(envelope, row) for envelope, (_, row) in zip(envelopes, pairs, strict=True)]
    assert one.open_many(sealed) == [data for data, _ in pairs]
    for spoilt in ((flipped(sealed[3][0], 3), sealed[3][1]), (sealed[3][0], ROW), (b"", ROW)):
        with pytest.raises(Unreadable):
            one.open_many([*sealed[:3], spoilt, *sealed[4:]])


def test_the_same_value_never_looks_the_same() -> None:
    one = cipher()
    assert len({one.seal(DATA, ROW) for _ in range(1_000)}) == 1_000


def refused(attempt: Any, *arguments: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        attempt(*arguments)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert DATA.decode() not in told


@pytest.mark.parametrize("suite", SUITES)
def test_no_turned_bit_and_no_cut_is_accepted(suite: Suite) -> None:
    one = cipher(suite=suite)
    envelope = one.seal(DATA, ROW)
    for bit in range(len(envelope) * 8):
        refused(one.open, flipped(envelope, bit), ROW)
    for length in range(len(envelope)):
        refused(one.open, envelope[:length], ROW)
        refused(one.open, envelope[length:] if length else b"", ROW)
    refused(one.open, envelope + b"\x00", ROW)
    refused(one.open, b"\x00" + envelope, ROW)


@pytest.mark.parametrize("nothing", [None, "", "text", 7, [], object(), b"", b"\x01", DATA])
def test_what_is_no_envelope_is_refused_in_the_same_way(nothing: Any) -> None:
    refused(cipher().open, nothing, ROW)
    refused(cipher().open_many, [(nothing, ROW)])
    refused(key_id_of, nothing)
    refused(WrappingKey(SecretKey.generate()).unwrap, nothing, b"")


def test_a_value_that_is_moved_does_not_open() -> None:
    key = SecretKey.generate()
    here = cipher(key)
    envelope = here.seal(DATA, ROW)
    refused(here.open, envelope, fresh_row())
    refused(cipher(key, column="category").open, envelope, ROW)
    refused(cipher(key, table="finance.goals").open, envelope, ROW)
    refused(cipher(key, tenant_id=OTHER_TENANT).open, envelope, ROW)
    refused(cipher(key, table="finance.transactionsm", column="erchant").open, envelope, ROW)
    assert here.open(envelope, ROW) == DATA


def test_another_key_suite_or_version_does_not_open() -> None:
    key, other = SecretKey.generate(), SecretKey.generate()
    envelope = cipher(key).seal(DATA, ROW)
    assert cipher(key).open(envelope, ROW) == DATA
    refused(cipher(other).open, envelope, ROW)
    # The header says the other's id, as an attacker would write it.
    refused(cipher(other).open, envelope[:2] + other.id + envelope[18:], ROW)
    siv = envelope[:1] + b"\x02" + envelope[2:]
    refused(cipher(key, suite=Suite.AES_256_GCM_SIV).open, siv, ROW)
    refused(cipher(key).open, siv, ROW)
    for version in (0, 2, 255):
        refused(cipher(key).open, bytes((version,)) + envelope[1:], ROW)


def test_a_header_that_was_never_bound_is_refused_even_where_the_rest_is_right() -> None:
    """The id is checked, and not only authenticated: with the right key, a value sealed under a wrong header stays shut."""
    key = SecretKey.generate()
    column_key = key.derive(b"field", b"\x01", b"finance.transactions", b"merchant")
    head, nonce = header(Suite.AES_256_GCM, bytes(16)), os.urandom(12)
    bound = head + place(TENANT, "finance.transactions", "merchant") + ROW
    forged = head + nonce + AESGCM(column_key).encrypt(nonce, DATA, bound)
    refused(cipher(key).open, forged, ROW)


def test_more_than_was_leased_is_not_sealed() -> None:
    one = cipher(messages=3)
    for _ in range(3):
        one.seal(DATA, ROW)
    with pytest.raises(Unavailable, match="reserved"):
        one.seal(DATA, ROW)
    with pytest.raises(Unavailable):
        one.seal_many([(DATA, ROW)])


def test_a_wrapped_key_is_bound_to_its_context_and_its_wrapper() -> None:
    wrapping, key = WrappingKey(SecretKey.generate()), SecretKey.generate()
    wrapped = wrapping.wrap(key, b"here")
    assert wrapping.unwrap(wrapped, b"here") == key
    refused(wrapping.unwrap, wrapped, b"there")
    refused(WrappingKey(SecretKey.generate()).unwrap, wrapped, b"here")
    for bit in range(len(wrapped) * 8):
        refused(wrapping.unwrap, flipped(wrapped, bit), b"here")
    refused(wrapping.unwrap, wrapping.seal(b"no key", b"here"), b"here")


def test_a_cipher_shows_no_key() -> None:
    key = SecretKey(b"planted-secret-planted-secret-ps")
    assert "planted" not in f"{cipher(key)!r}{WrappingKey(key)!r}"
    assert isinstance(cipher(key), ColumnCipher)
