"""A table gone through a batch at a time, each a transaction of its own, so that others write in between.

What is filled gets no new version and no number, so that nobody would notice. A flush that has read a row before and comes to
write it afterwards must: each batch counts up what its tenants' flushes look at.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._casts import converted
from holdfast.engines.sqlite._names import HEADS, quoted, table_of
from holdfast.engines.sqlite._reshape import is_of_tenants
from holdfast.model.steps import Backfill

Raw = sqlite3.Connection


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a table has been gone through. Rows made after the beginning are left out: a default or a trigger fills those.
    A row is made when the clock of whoever wrote it said so, which may be ahead of ours.
    """

    until: int
    row: tuple[bytes, ...] | None = None

    def spelled(self) -> str:
        """As the ledger keeps it."""
        row = None if self.row is None else [part.hex() for part in self.row]
        return orjson.dumps([self.until, row]).decode()

    @classmethod
    def read(cls, text: str) -> Walk:
        """The inverse of `spelled`."""
        until, row = orjson.loads(text)
        return cls(until, None if row is None else tuple(map(bytes.fromhex, row)))


class Fill:
    """The statements of a step that fills a column."""

    def __init__(self, raw: Raw, step: Backfill) -> None:
        self.table = quoted(table_of(step.table))
        self._key = ("tenant_id", "id") if is_of_tenants(raw, table_of(step.table)) else ("id",)
        target = f"r.{quoted(step.target.column)}"
        if step.source is not None:
            value = converted(step.source.type, step.target.type, f"r.{quoted(step.source.column)}")
            condition = f"{target} is not {value}"
        else:
            value = _ddl.value_sql(step.target.type, step.value)
            condition = f"{target} is null"
        self._set = f"update {self.table} as r set {quoted(step.target.column)} = {value}"
        self._condition = condition

    @property
    def text(self) -> str:
        """What all batches do together."""
        return f"{self._set} where {self._condition}"

    def start(self, raw: Raw, now: int) -> Walk:
        """The beginning of a walk through all rows that are there."""
        (last,) = raw.execute(f"select max(created_at) from {self.table}").fetchone()
        return Walk(now if last is None else max(now, last))

    def total(self, raw: Raw) -> int:
        """How many rows there are."""
        (count,) = raw.execute(f"select count(*) from {self.table}").fetchone()
        return int(count)

    def batch(self, raw: Raw, walk: Walk, size: int) -> tuple[int, Walk]:
        """Fill some rows behind where the walk is; how many were looked at, and where it is then."""
        columns = ", ".join(f"r.{name}" for name in self._key)
        behind, given = self._behind(walk.row, columns)
        text = f"select {columns} from {self.table} r where r.created_at <= ? {behind} order by {columns} limit ?"
        keys = raw.execute(text, [walk.until, *given, size]).fetchall()
        if not keys:
            return 0, walk
        last, places = keys[-1], ", ".join("?" * len(self._key))
        update = f"{self._set} where r.created_at <= ? {behind} and ({columns}) <= ({places}) and {self._condition}"
        raw.execute(update, [walk.until, *given, *last])
        if len(self._key) > 1:
            tenants = {tenant for tenant, _ in keys}
            raw.executemany(
                f"update {HEADS} set tended = tended + 1 where tenant_id = ?", [[t] for t in tenants]
            )
        return len(keys), Walk(walk.until, last)

    @staticmethod
    def _behind(row: tuple[bytes, ...] | None, columns: str) -> tuple[str, Sequence[Any]]:
        if row is None:
            return "", ()
        return f"and ({columns}) > ({', '.join('?' * len(row))})", row
