"""A row's sealed fields: each alone or in its group, opened as they were, searched for by their entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import JsonValue

from holdfast.crypto.blind import IndexRoot
from holdfast.crypto.envelope import OVERHEAD, WrappingKey
from holdfast.crypto.hierarchy import DataKey, KeyKind, make_key
from holdfast.crypto.rows import SealedTable, key_ids, sealed_bytes
from holdfast.crypto.secret import SecretKey
from holdfast.crypto.vault import OpenKeys
from holdfast.errors import Unreadable
from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength, Sealed
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.sealing import sealed_fields
from holdfast.model.types import DateType, JsonType, TextType
from tests.unit.crypto.sealing import AT, ROW, TENANT, fresh_row


class Payment(Entity):
    merchant: Annotated[str, MaxLength(100), Sealed(index="bucket")]
    source_id: Annotated[str, Sealed(index="unique")] | None = None
    notes: Annotated[str, Sealed(group="details")] | None = None
    extra: Annotated[dict[str, JsonValue] | None, Sealed(group="details")] = None
    day: date


SCHEMA = EntitySchema(
    "finance",
    "payments",
    (
        FieldSchema("merchant", TextType(100)),
        FieldSchema("source_id", TextType(), nullable=True),
        FieldSchema("notes", TextType(), nullable=True),
        FieldSchema("extra", JsonType(), nullable=True),
        FieldSchema("day", DateType()),
    ),
    "shared",
)
TABLE = SealedTable.of(SCHEMA, sealed_fields(Payment))
WRAPPER = WrappingKey(SecretKey.generate())
VALUES = {"merchant": "A bakery", "source_id": "4711", "notes": None, "extra": {"a": [1]}}


def data_key(messages: int = 100) -> DataKey:
    key = DataKey(*make_key(KeyKind.DATA, tenant_id=TENANT, wrapper=WRAPPER, at=AT))
    key.allowance.add(messages)
    return key


def root(version: int = 1) -> IndexRoot:
    return IndexRoot(*make_key(KeyKind.INDEX, tenant_id=TENANT, wrapper=WRAPPER, at=AT, version=version))


def test_what_is_sealed_as_one_follows_the_marks() -> None:
    assert [(cell.name, set(cell.names)) for cell in TABLE.cells] == [
        ("merchant", {"merchant"}),
        ("source_id", {"source_id"}),
        ("details", {"notes", "extra"}),
    ]
    assert TABLE.indexes == {"merchant": "bucket", "source_id": "unique"}
    assert TABLE.table == "finance.payments"


def test_a_row_is_opened_as_it_was_sealed() -> None:
    key = data_key()
    cells = TABLE.seal(VALUES, ROW, key)
    assert set(cells) == {"merchant", "source_id", "details"}
    assert key_ids([cells]) == {key.id}
    assert TABLE.open(cells, ROW, OpenKeys({key.id: key})) == VALUES
    assert b"bakery" not in b"".join(cell for cell in cells.values() if cell)


def test_a_rename_of_table_and_fields_leaves_everything_readable() -> None:
    key = data_key()
    cells = TABLE.seal(VALUES, ROW, key)
    names = {"merchant": "shop", "source_id": "reference", "notes": "remarks"}
    fields = tuple(
        replace(one, name=names[one.name], origin=one.name) if one.name in names else one
        for one in SCHEMA.fields
    )
    renamed = replace(SCHEMA, table="expenses", origin="payments", fields=fields)
    marks = {names.get(name, name): marker for name, marker in sealed_fields(Payment).items()}
    table = SealedTable.of(renamed, marks)
    moved = {names.get(name, name): cell for name, cell in cells.items()}
    keys, expected = OpenKeys({key.id: key}), {names.get(name, name): value for name, value in VALUES.items()}
    assert table.open(moved, ROW, keys) == expected
    assert table.open(table.seal(expected, ROW, key), ROW, keys) == expected
    one = root()
    assert table.entries(expected, (one,))["reference"] == TABLE.entries(VALUES, (one,))["source_id"]
    # Named anew without saying what they were, they are other fields.
    with pytest.raises(Unreadable):
        SealedTable.of(replace(SCHEMA, table="expenses"), sealed_fields(Payment)).open(cells, ROW, keys)


def test_what_has_no_value_costs_no_message() -> None:
    key = data_key(messages=1)
    empty = dict.fromkeys(VALUES) | {"merchant": "x"}
    cells = TABLE.seal(empty, ROW, key)
    assert (cells["source_id"], cells["details"]) == (None, None)
    assert TABLE.open(cells, ROW, OpenKeys({key.id: key})) == empty
    assert key_ids([{"details": None}]) == set()


def test_a_patch_seals_what_it_touches_and_says_what_it_needs() -> None:
    key = data_key()
    assert set(TABLE.seal({"merchant": "x"}, ROW, key)) == {"merchant"}
    assert TABLE.needed({"merchant", "day"}) == set()
    assert TABLE.needed({"notes"}) == {"extra"}
    assert TABLE.needed({"notes", "extra"}) == set()
    with pytest.raises(KeyError):
        TABLE.seal({"notes": "x"}, ROW, key)
    assert TABLE.touched({"day"}) == ()


def test_cells_do_not_change_places() -> None:
    key = data_key()
    keys = OpenKeys({key.id: key})
    cells = TABLE.seal(VALUES, ROW, key)
    swapped = cells | {"merchant": cells["source_id"], "source_id": cells["merchant"]}
    for spoilt, row in ((swapped, ROW), (cells, fresh_row()), (cells | {"merchant": b"\x01"}, ROW)):
        with pytest.raises(Unreadable):
            TABLE.open(spoilt, row, keys)
    with pytest.raises(Unreadable):
        key_ids([{"merchant": b'"A bakery"'}])
    with pytest.raises(Unreadable):
        TABLE.open(cells, ROW, OpenKeys({}))


def test_entries_are_made_under_every_root_and_only_for_values() -> None:
    roots = (root(1), root(2))
    entries = TABLE.entries(VALUES, roots)
    assert set(entries) == {"merchant", "source_id"}
    assert [entry[:2] for entry in entries["source_id"]] == [b"\x00\x01", b"\x00\x02"]
    assert [len(entry) for entry in entries["merchant"]] == [4, 4]
    assert TABLE.entries(VALUES | {"notes": "other"}, roots) == entries
    assert set(TABLE.entries({"merchant": "x", "source_id": None}, roots)) == {"merchant"}


@pytest.mark.parametrize("values", [{}, {"day": date(2026, 1, 1)}, {"id": UUID(int=1)}], ids=str)
def test_a_write_without_sealed_fields_seals_nothing(values: dict[str, Any]) -> None:
    assert TABLE.seal(values, ROW, data_key(0)) == {}
    assert TABLE.entries(values, (root(),)) == {}


def test_what_sealing_adds_is_counted() -> None:
    row = {"merchant": "é" * 50, "source_id": None}
    cells, entries = TABLE.seal(row, ROW, data_key()), TABLE.entries(row, (root(1), root(2)))
    value = 2 + 100
    assert sealed_bytes(cells) == len("merchant") + value + OVERHEAD + len("source_id") + 16
    assert sealed_bytes(cells, entries) - sealed_bytes(cells) == 2 * (len("merchant") + 4)
