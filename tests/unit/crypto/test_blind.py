"""Blind indexes: equal where values are, different everywhere else, and nothing of the value in them."""

from __future__ import annotations

import collections
import math

import pytest

from holdfast.crypto.blind import BUCKET_BITS, BlindIndex, IndexRoot, bucket_bits
from holdfast.crypto.envelope import WrappingKey
from holdfast.crypto.hierarchy import KeyKind, make_key
from holdfast.crypto.secret import SecretKey
from holdfast.errors import Unreadable
from tests.unit.crypto.sealing import AT, OTHER_TENANT, TENANT

VALUE = b'"imported-4711"'


def root(*, version: int = 1) -> IndexRoot:
    wrapper = WrappingKey(SecretKey.generate())
    return IndexRoot(*make_key(KeyKind.INDEX, tenant_id=TENANT, wrapper=wrapper, at=AT, version=version))


def test_equal_values_have_equal_entries_and_others_have_not() -> None:
    index = root().index("finance.transactions", "source_id", "unique")
    assert index.entry(VALUE) == index.entry(VALUE)
    assert len({index.entry(str(number).encode()) for number in range(10_000)}) == 10_000
    assert len(index.entry(VALUE)) == 34


def test_an_entry_is_its_roots_columns_and_modes_alone() -> None:
    one, other = root(), root()
    entries = [
        index.entry(VALUE)[2:]
        for index in (
            one.index("finance.transactions", "source_id", "unique"),
            one.index("finance.transactions", "merchant", "unique"),
            one.index("finance.goals", "source_id", "unique"),
            one.index("finance.transactions", "source_id", "bucket", bits=255),
            other.index("finance.transactions", "source_id", "unique"),
        )
    ]
    assert len({entry[:31] for entry in entries}) == len(entries)


def test_tenants_have_roots_of_their_own() -> None:
    wrapper = WrappingKey(SecretKey.generate())
    mine = IndexRoot(*make_key(KeyKind.INDEX, tenant_id=TENANT, wrapper=wrapper, at=AT))
    theirs = IndexRoot(*make_key(KeyKind.INDEX, tenant_id=OTHER_TENANT, wrapper=wrapper, at=AT))
    assert mine.index("t", "c", "unique").entry(VALUE) != theirs.index("t", "c", "unique").entry(VALUE)


def test_the_version_of_the_root_stands_in_front() -> None:
    assert root(version=258).index("t", "c", "unique").entry(VALUE)[:2] == b"\x01\x02"


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 12, 16, 20, 255])
def test_a_bucket_keeps_its_bits_and_no_more(bits: int) -> None:
    index = BlindIndex(bytes(32), 1, bits=bits)
    entries = {index.entry(str(number).encode())[2:] for number in range(500)}
    assert all(len(entry) == math.ceil(bits / 8) for entry in entries)
    assert all(int.from_bytes(entry, "big") % 2 ** (-bits % 8) == 0 for entry in entries)
    assert len(entries) <= 2**bits


def test_buckets_are_shared_evenly() -> None:
    index = root().index("t", "c", "bucket", bits=8)
    shares = collections.Counter(index.entry(str(number).encode()) for number in range(25_600))
    assert len(shares) == 256
    assert max(shares.values()) < 200


@pytest.mark.parametrize("rows", [16, 100, 8_192, 10_000, 1_000_000, 10**9])
def test_buckets_hold_two_rows_at_least_and_fewer_than_the_root(rows: int) -> None:
    assert 2 <= rows / 2 ** bucket_bits(rows) < math.sqrt(rows)


def test_the_usual_bucket_fits_the_usual_tables() -> None:
    for rows in (8_192, 100_000, 1_000_000, 16_000_000):
        assert 2 <= rows / 2**BUCKET_BITS < math.sqrt(rows)
    assert bucket_bits(3) == 0


def test_nothing_of_value_or_key_is_shown() -> None:
    wrapper = WrappingKey(SecretKey.generate())
    made = IndexRoot(*make_key(KeyKind.INDEX, tenant_id=TENANT, wrapper=wrapper, at=AT))
    index = made.index("t", "c", "unique")
    assert "imported" not in repr(index)
    assert repr(made) == f"IndexRoot({made.record.id.hex()})"
    made.destroy()
    with pytest.raises(Unreadable):
        made.index("t", "c", "unique")
