"""Changes: canonical bytes, digests that chains link, commitments that open with the row's salt and not without."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.changes.change import (
    Change,
    Operation,
    canonical,
    commitment,
    new_salt,
    value_hash,
)
from holdfast.testing.strategies import json_values, texts

CHANGE = Change(
    tenant_id=UUID(int=1),
    number=7,
    flush_end=9,
    entity="kit.notes",
    row_id=UUID(int=2),
    op=Operation.UPDATE,
    fields=("body", "title"),
    version=3,
    actor=UUID(int=3),
    device="phone",
    at=datetime(2026, 1, 31, 12, 0, 0, 120, tzinfo=UTC),
    commitment=b"\x01" * 32,
)


def test_the_digest_is_that_of_these_bytes_for_ever() -> None:
    """Chains that are there already link it: it may not change without another format byte."""
    text = (
        b'{"actor":"00000000-0000-0000-0000-000000000003","at":"2026-01-31T12:00:00.000120Z","commitment":"'
        + b"01" * 32
        + b'","device":"phone","entity":"kit.notes","fields":["body","title"],"flush_end":9,"format":1,"number":7,'
        b'"op":"u","row":"00000000-0000-0000-0000-000000000002","tenant":"00000000-0000-0000-0000-000000000001",'
        b'"version":3}'
    )
    assert CHANGE.digest() == hashlib.sha256(text).digest()


@pytest.mark.parametrize(
    "other",
    [
        {"tenant_id": UUID(int=9)},
        {"number": 8},
        {"flush_end": 8},
        {"entity": "kit.boards"},
        {"row_id": UUID(int=9)},
        {"op": Operation.CREATE},
        {"fields": ("body",)},
        {"version": 4},
        {"actor": None},
        {"device": None},
        {"device": "tablet"},
        {"at": CHANGE.at + timedelta(microseconds=1)},
        {"commitment": b"\x02" * 32},
        {"format": 2},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_digest_binds_every_field(other: dict[str, Any]) -> None:
    assert replace(CHANGE, **other).digest() != CHANGE.digest()


def test_the_digest_binds_all_that_a_change_has() -> None:
    assert {field.name for field in dataclasses.fields(Change)} == {
        "tenant_id", "number", "flush_end", "entity", "row_id", "op", "fields", "version", "actor", "device", "at",
        "commitment", "format",
    }  # fmt: skip


def test_the_digest_does_not_depend_on_how_a_moment_is_told() -> None:
    elsewhere = CHANGE.at.astimezone(timezone(timedelta(hours=5)))
    assert replace(CHANGE, at=elsewhere).digest() == CHANGE.digest()


@given(json_values())
def test_one_value_has_one_spelling(value: Any) -> None:
    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: shuffled(item[key]) for key in reversed(item)}
        return [shuffled(inner) for inner in item] if isinstance(item, list) else item

    assert canonical(shuffled(value)) == canonical(value)
    assert value_hash(shuffled(value)) == value_hash(value)


@given(st.dictionaries(texts(9).filter(bool), json_values(), max_size=4), st.integers(1, 2**40))
def test_a_commitment_is_the_salted_hash_of_its_formula(values: dict[str, Any], version: int) -> None:
    salt = b"salt of sixteen."
    hashes = {name: value_hash(value) for name, value in values.items()}
    ordered = b"".join(hashlib.sha256(canonical(values[name])).digest() for name in sorted(values))
    expected = hashlib.sha256(salt + version.to_bytes(8, "big") + ordered).digest()
    assert commitment(salt, version, hashes) == expected
    assert commitment(salt, version, dict(reversed(hashes.items()))) == expected


def test_a_commitment_binds_salt_version_and_values() -> None:
    base = commitment(b"s" * 16, 2, {"a": value_hash(1), "b": value_hash(2)})
    others = [
        commitment(b"t" * 16, 2, {"a": value_hash(1), "b": value_hash(2)}),
        commitment(b"s" * 16, 3, {"a": value_hash(1), "b": value_hash(2)}),
        commitment(b"s" * 16, 2, {"a": value_hash(2), "b": value_hash(1)}),
        commitment(b"s" * 16, 2, {"a": value_hash(1)}),
        commitment(b"s" * 16, 2, {"a": value_hash(True), "b": value_hash(2)}),
    ]
    assert len({base, *others}) == 6


def test_each_row_has_a_salt_of_its_own() -> None:
    salts = {new_salt() for _ in range(100)}
    assert len(salts) == 100
    assert {len(salt) for salt in salts} == {16}


def test_a_change_cannot_be_altered() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CHANGE.number = 8  # type: ignore[misc]
