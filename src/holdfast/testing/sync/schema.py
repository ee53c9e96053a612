"""What a device's database is made of: tables and columns, the steps between its versions, and how values are forced to fit.

A device refuses no value. One of the wrong type becomes null where the column is optional, and the type's empty value where
it is not; this happens to what the application writes and to what a server sends alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["string", "number", "boolean"]
Value: TypeAlias = str | float | bool | None
Raw: TypeAlias = dict[str, Any]
"""A row as the device keeps and sends it: id, `_status`, `_changed`, then its columns."""

RESERVED = frozenset({"id", "_status", "_changed", "local_storage"})
STATUSES = frozenset({"synced", "created", "updated", "deleted"})

_EMPTY: Mapping[Kind, Value] = {"string": "", "number": 0, "boolean": False}
_EXACT_TO = 1e21
"""Where JavaScript begins to write numbers with an exponent."""
_CONSECUTIVE_TO = 2**53


@dataclass(frozen=True, slots=True)
class Column:
    """One column: dates are numbers, everything that is neither number nor boolean is text."""

    name: str
    kind: Kind = "string"
    optional: bool = False

    @property
    def empty(self) -> Value:
        """What stands where no value was given."""
        return None if self.optional else _EMPTY[self.kind]

    def fit(self, value: object) -> Value:
        """`value` as this column would hold it."""
        if self.kind == "string":
            return value if isinstance(value, str) else self.empty
        if self.kind == "boolean":
            return self._fit_boolean(value)
        fitted = number(value)
        return self.empty if fitted is None else fitted

    def _fit_boolean(self, value: object) -> Value:
        if isinstance(value, bool):
            return value
        # A database that has no booleans answers them as 0 and 1.
        if isinstance(value, int | float) and value in {0, 1}:
            return bool(value)
        return self.empty


@dataclass(frozen=True, slots=True)
class Table:
    """One table. With `touches`, its model keeps `created_at` and `updated_at` itself, where it has these columns."""

    name: str
    columns: tuple[Column, ...]
    touches: bool = False
    by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        taken = [name for name in (self.name, *(c.name for c in self.columns)) if name.lower() in RESERVED]
        if taken:
            raise ValueError(f"reserved by the device: {', '.join(taken)}")
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})

    def fit(self, dirty: Mapping[str, Any], *, new_id: str) -> Raw:
        """A whole row of exactly this table's columns. Without an id that is text it is a new row, called `new_id`."""
        row_id = dirty.get("id")
        if isinstance(row_id, str):
            status, changed = dirty.get("_status"), dirty.get("_changed")
            raw: Raw = {
                "id": row_id,
                "_status": status if isinstance(status, str) and status in STATUSES else "created",
                "_changed": changed if isinstance(changed, str) else "",
            }
        else:
            raw = {"id": new_id, "_status": "created", "_changed": ""}
        for column in self.columns:
            raw[column.name] = column.fit(dirty.get(column.name))
        return raw


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A migration's step: a table that was not there."""

    table: Table


@dataclass(frozen=True, slots=True)
class AddColumns:
    """A migration's step: columns that were not there; rows that exist get their empty values."""

    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Sql:
    """A migration's step that only a database understands: nothing of it is told to a server."""


Step: TypeAlias = CreateTable | AddColumns | Sql


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one version, and the steps that led to later ones: `migrations[n]` leads to version n."""

    version: int
    tables: tuple[Table, ...]
    migrations: Mapping[int, Sequence[Step]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        versions = sorted(self.migrations)
        if self.version < 1 or (versions and versions != list(range(max(2, versions[0]), versions[-1] + 1))):
            raise ValueError("versions count from 1, migrations from 2 without gaps")

    @property
    def oldest(self) -> int:
        """The first version that the migrations lead on from."""
        return min(self.migrations, default=2) - 1

    @property
    def newest(self) -> int:
        """The version that the migrations lead to."""
        return max(self.migrations, default=1)

    def steps_since(self, version: int) -> list[Step] | None:
        """The steps from `version` to this one, or None where they are not all known."""
        if version < self.oldest or self.version > self.newest:
            return None
        return [
            step
            for number_, steps in sorted(self.migrations.items())
            if version < number_ <= self.version
            for step in steps
        ]


def migration_block(steps: Iterable[Step], *, since: int) -> dict[str, Any]:
    """What a device tells a server of `steps`: tables that are new, and columns that are new in tables that are not."""
    steps = list(steps)
    tables = list(dict.fromkeys(step.table.name for step in steps if isinstance(step, CreateTable)))
    columns: dict[str, dict[str, None]] = {}
    for step in steps:
        if isinstance(step, AddColumns) and step.table not in tables:
            added = columns.setdefault(step.table, {})
            added.update((column.name, None) for column in step.columns)
    listed = [{"table": table, "columns": list(names)} for table, names in columns.items() if names]
    return {"from": since, "tables": tables, "columns": listed}


def number(value: object) -> float | None:
    """A JSON number as JavaScript holds it: a double, whole ones without a point, no minus zero. None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        double = float(value)
    except OverflowError:
        return None
    if not math.isfinite(double):
        return None
    if not double.is_integer() or abs(double) >= _EXACT_TO:
        return double
    # The digits that JavaScript writes: the fewest that name this double, then noughts.
    return int(double) if abs(double) < _CONSECUTIVE_TO else int(Decimal(repr(double)))


def same(left: object, right: object) -> bool:
    """Whether two values are the same to JavaScript: true is not 1, 1 is 1.0, numbers are doubles."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return left == right or (isinstance(left, int | float) and number(left) == number(right) is not None)


def same_rows(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    """Whether two rows have the same keys and the same values."""
    return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
