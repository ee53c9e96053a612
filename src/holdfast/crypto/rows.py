"""A row's sealed fields: which of them are sealed as one, under which name, and what is searched for. Pure.

What is sealed as one is a *cell*: a field by itself, or the fields of a group together. A cell is None where nothing in it has a
value, and an envelope otherwise. Values and cells go by the names that fields have today; what is bound to an envelope, and stands in
a group's document, are their stable names. A group's name is stable by itself: under another name it is another group.

The history keeps a cell as it was. It is bound to the same table, column and row, so that an old value is kept without being opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.crypto.blind import BUCKET_BITS, IndexRoot, Mode
from holdfast.crypto.envelope import key_id_of
from holdfast.crypto.fields import canonical_value, decode_group, decode_value, encode_group, encode_value
from holdfast.crypto.hierarchy import DataKey
from holdfast.crypto.vault import OpenKeys
from holdfast.model.markers import Sealed
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import FieldType

Cells = dict[str, bytes | None]
"""Cell's name → envelope, or None."""


@dataclass(frozen=True, slots=True)
class SealedCell:
    """What is sealed as one: `name` is the field's or the group's, `column` the stable one."""

    name: str
    column: str
    fields: tuple[FieldSchema, ...]
    grouped: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Its fields' names."""
        return frozenset(field.name for field in self.fields)

    def encode(self, values: Mapping[str, Any]) -> bytes | None:
        """The bytes to seal; None where nothing has a value."""
        if all(values[one.name] is None for one in self.fields):
            return None
        if self.grouped:
            return encode_group(self._kinds(), {one.column: values[one.name] for one in self.fields})
        return encode_value(self.fields[0].type, values[self.name])

    def decode(self, data: bytes | None) -> dict[str, Any]:
        """The values of its fields. One that a group has come to have since is absent. Raises Unreadable."""
        if data is None:
            return dict.fromkeys(one.name for one in self.fields)
        if self.grouped:
            found = decode_group(self._kinds(), data)
            return {one.name: found[one.column] for one in self.fields if one.column in found}
        return {self.name: decode_value(self.fields[0].type, data)}

    def _kinds(self) -> dict[str, FieldType]:
        return {one.column: one.type for one in self.fields}


@dataclass(frozen=True, slots=True)
class SealedTable:
    """What is sealed of a table's rows. `table` is its stable name."""

    table: str
    cells: tuple[SealedCell, ...]
    indexes: Mapping[str, Mode]
    """Fields with a blind index, by name."""

    @classmethod
    def of(cls, schema: EntitySchema, sealed: Mapping[str, Sealed]) -> SealedTable:
        """As an entity marks its fields (`model.sealing.sealed_fields`)."""
        cells: list[SealedCell] = []
        groups: dict[str, list[FieldSchema]] = {}
        for one in schema.fields:
            marker = sealed.get(one.name)
            if marker is None:
                continue
            if marker.group is None:
                cells.append(SealedCell(one.name, one.column, (one,)))
            else:
                groups.setdefault(marker.group, []).append(one)
        cells += [SealedCell(name, name, tuple(fields), grouped=True) for name, fields in groups.items()]
        indexes = {name: marker.index for name, marker in sealed.items() if marker.index is not None}
        return cls(schema.stable_name, tuple(cells), indexes)

    def touched(self, names: Collection[str]) -> tuple[SealedCell, ...]:
        """The cells that hold one of these fields."""
        return tuple(cell for cell in self.cells if not cell.names.isdisjoint(names))

    def needed(self, names: Collection[str]) -> set[str]:
        """The other fields whose values must be known before these can be sealed: what shares a cell with them."""
        return {name for cell in self.touched(names) for name in cell.names}.difference(names)

    def seal(self, values: Mapping[str, Any], row: bytes, key: DataKey) -> Cells:
        """The cells of these fields' values, one message each at most. A cell's fields are given together or not at all."""
        sealed: Cells = {}
        for cell in self.touched(values):
            data = cell.encode(values)
            sealed[cell.name] = None if data is None else key.cipher(self.table, cell.column).seal(data, row)
        return sealed

    def open(self, cells: Mapping[str, bytes | None], row: bytes, keys: OpenKeys) -> dict[str, Any]:
        """The values in these cells. Raises Unreadable."""
        values: dict[str, Any] = {}
        for cell in self.cells:
            if cell.name in cells:
                envelope = cells[cell.name]
                data = None if envelope is None else keys.open(self.table, cell.column, envelope, row)
                values |= cell.decode(data)
        return values

    def entries(
        self, values: Mapping[str, Any], roots: Sequence[IndexRoot], *, bits: int = BUCKET_BITS
    ) -> dict[str, tuple[bytes, ...]]:
        """Field → its blind index entries, one a root, for those of these fields that have an index and a value."""
        fields = {one.name: one for cell in self.cells for one in cell.fields}
        return {
            name: tuple(
                root.index(self.table, fields[name].column, mode, bits=bits).entry(
                    canonical_value(fields[name].type, value)
                )
                for root in roots
            )
            for name, mode in self.indexes.items()
            if (value := values.get(name)) is not None
        }


def key_ids(rows: Iterable[Mapping[str, bytes | None]]) -> set[bytes]:
    """The data keys that these rows' cells ask for. Raises Unreadable for what is no envelope."""
    return {key_id_of(envelope) for cells in rows for envelope in cells.values() if envelope is not None}


def sealed_bytes(
    cells: Mapping[str, bytes | None], entries: Mapping[str, Sequence[bytes]] | None = None
) -> int:
    """What cells and index entries count for, where a row is measured against its limit: in place of the values in them."""
    sealed = sum(len(name) + (16 if cell is None else len(cell)) for name, cell in cells.items())
    indexed = sum(len(name) + len(entry) for name, made in (entries or {}).items() for entry in made)
    return sealed + indexed
