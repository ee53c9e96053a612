"""A device's database in memory: its rows with their sync columns, what it remembers between runs, and what it complains of."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from holdfast.errors import HoldfastError
from holdfast.testing.sync.schema import AddColumns, CreateTable, Raw, Schema, Table, Value, same

Rows: TypeAlias = dict[str, dict[str, dict[str, Value]]]
"""Table, then id, then the row's columns and its id: what an application sees."""

Reason: TypeAlias = Literal[
    "already_exists",
    "bad_changes",
    "bad_migrations",
    "bad_record",
    "bad_strategy",
    "bad_timestamp",
    "concurrent",
    "deleted_row",
    "no_such_row",
    "pending_changes",
    "reset",
]

_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID_LENGTH = 16


class DeviceFailure(HoldfastError):
    """The device threw: this call came to nothing, and the application would have to catch it."""

    code: ClassVar[str] = "device_failure"

    def __init__(self, reason: Reason, *, where: str | None = None) -> None:
        """`reason` is for programs, `where` names a table or a row."""
        super().__init__(reason.replace("_", " "), where=where)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something that the device put on its log and went on.

    All kinds are the library's own, but for `unknown_column`: the library drops such a column without a word.
    """

    level: Literal["error", "warning"]
    kind: str
    table: str = ""
    row_id: str = ""


@dataclass(slots=True, eq=False)
class Record:
    """A row in memory. Edits change `raw` in place, a server's row replaces it."""

    raw: Raw

    @property
    def status(self) -> str:
        """The sync status that stands in the row."""
        return str(self.raw["_status"])


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


class LocalDatabase:
    """Everything that a device keeps. Locally deleted rows stay until the server has been told."""

    def __init__(
        self,
        schema: Schema,
        *,
        source: random.Random | None = None,
        now: Callable[[], int] = _milliseconds,
    ) -> None:
        """`source` makes ids, `now` gives milliseconds for tables that touch their own times."""
        self.schema = schema
        self.diagnostics: list[Diagnostic] = []
        self.resets = 0
        self._source = source or random.SystemRandom()
        self._now = now
        self._empty()

    def _empty(self) -> None:
        self.local: dict[str, str] = {}
        self.tables: dict[str, Table] = {table.name: table for table in self.schema.tables}
        self.records: dict[str, dict[str, Record]] = {name: {} for name in self.tables}

    def new_id(self) -> str:
        """Sixteen characters over letters and digits."""
        return "".join(self._source.choices(_LETTERS, k=_ID_LENGTH))

    # Reading

    def live(self, table: str) -> Iterator[Record]:
        """The records of a table that are not deleted, oldest first."""
        return (record for record in self.records[table].values() if record.status != "deleted")

    def find(self, table: str, row_id: str) -> Record | None:
        """A record that is not deleted."""
        record = self.records[table].get(row_id)
        return None if record is None or record.status == "deleted" else record

    def deleted_ids(self, table: str) -> list[str]:
        """What was deleted here and the server has not been told."""
        return [row_id for row_id, record in self.records[table].items() if record.status == "deleted"]

    def raw(self, table: str, row_id: str) -> Raw | None:
        """A copy of a row with its sync columns, deleted or not."""
        record = self.records[table].get(row_id)
        return None if record is None else dict(record.raw)

    def rows(self) -> Rows:
        """What an application sees."""
        return {
            table: {record.raw["id"]: _plain(record.raw) for record in self.live(table)}
            for table in self.records
        }

    @property
    def unsynced(self) -> bool:
        """Whether anything waits to be pushed."""
        return any(
            record.status != "synced" for records in self.records.values() for record in records.values()
        )

    # Writing

    def create(self, table: str, values: Mapping[str, object], *, row_id: str | None = None) -> str:
        """A new row; returns its id."""
        declared = self.tables[table]
        row_id = self.new_id() if row_id is None else row_id
        if row_id in self.records[table]:
            raise DeviceFailure("already_exists", where=table)
        given = {**self._touched(declared, "created_at", "updated_at"), **values}
        unknown = given.keys() - declared.by_name.keys()
        if unknown:
            raise KeyError(min(unknown))
        self.records[table][row_id] = Record(declared.fit({**given, "id": row_id}, new_id=row_id))
        return row_id

    def update(self, table: str, row_id: str, values: Mapping[str, object]) -> None:
        """Set some columns, in the order given. Those that do change are listed as changed, those that do not are not."""
        record, declared = self._existing(table, row_id), self.tables[table]
        given = {**self._touched(declared, "updated_at"), **values}
        fitted = {name: declared.by_name[name].fit(value) for name, value in given.items()}
        for name, value in fitted.items():
            if not same(record.raw[name], value):
                record.raw[name] = value
                _mark_changed(record.raw, name)

    def mark_as_deleted(self, table: str, row_id: str) -> None:
        """Delete: the row is gone for the application, and its id is pushed until the server has taken it."""
        self._existing(table, row_id).raw["_status"] = "deleted"

    def destroy(self, table: str, row_id: str) -> None:
        """Remove a row without a trace: the server is never told."""
        self._existing(table, row_id)
        self.forget(table, row_id)

    def forget(self, table: str, row_id: str) -> None:
        """Remove a row in whatever state; whoever still holds its record sees it as deleted."""
        record = self.records[table].pop(row_id, None)
        if record is not None:
            record.raw["_status"] = "deleted"

    def _existing(self, table: str, row_id: str) -> Record:
        record = self.records[table].get(row_id)
        if record is None:
            raise DeviceFailure("no_such_row", where=table)
        if record.status == "deleted":
            raise DeviceFailure("deleted_row", where=table)
        return record

    def _touched(self, table: Table, *columns: str) -> dict[str, int]:
        return {name: self._now() for name in columns if table.touches and name in table.by_name}

    # Versions

    def upgrade(self, schema: Schema) -> None:
        """Open the same database with a later version of the program. Without a way there, everything is thrown away."""
        before, self.schema = self.schema.version, schema
        if schema.version == before:
            return
        steps = schema.steps_since(before) if schema.version > before else None
        if steps is None:
            self.reset()
            return
        self.tables = {table.name: table for table in schema.tables}
        for step in steps:
            if isinstance(step, CreateTable):
                self.records[step.table.name] = {}
            elif isinstance(step, AddColumns):
                self._add_columns(step)

    def _add_columns(self, step: AddColumns) -> None:
        for record in self.records[step.table].values():
            record.raw.update((column.name, column.empty) for column in step.columns)

    def reset(self) -> None:
        """Throw everything away, unsent changes too."""
        self.resets += 1
        self._empty()

    # The log

    def complain(
        self, level: Literal["error", "warning"], kind: str, *, table: str = "", row_id: object = ""
    ) -> None:
        """Put a line on the log."""
        self.diagnostics.append(
            Diagnostic(level, kind, table, row_id if isinstance(row_id, str) else repr(row_id))
        )


def _plain(raw: Raw) -> dict[str, Value]:
    return {name: value for name, value in raw.items() if name not in {"_status", "_changed"}}


def _mark_changed(raw: dict[str, Any], column: str) -> None:
    listed = raw["_changed"].split(",") if raw["_changed"] else []
    raw["_changed"] = ",".join(dict.fromkeys([*listed, column]))
    if raw["_status"] != "created":
        raw["_status"] = "updated"
