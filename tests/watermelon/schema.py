"""A local database's schema and migrations, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

ColumnType = Literal["string", "number", "boolean"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    name: str
    type: ColumnType
    optional: bool = False
    indexed: bool = False

    def wire(self) -> Row:
        return {"name": self.name, "type": self.type, "isOptional": self.optional, "isIndexed": self.indexed}


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]

    def wire(self) -> Row:
        return {"name": self.name, "columns": [column.wire() for column in self.columns]}


@dataclass(frozen=True)
class Schema:
    version: int
    tables: tuple[Table, ...]

    def wire(self) -> Row:
        return {"version": self.version, "tables": [table.wire() for table in self.tables]}


@dataclass(frozen=True)
class CreateTable:
    table: Table

    def wire(self) -> Row:
        return {"type": "create_table", "table": self.table.wire()}


@dataclass(frozen=True)
class AddColumns:
    table: str
    columns: tuple[Column, ...]

    def wire(self) -> Row:
        return {
            "type": "add_columns",
            "table": self.table,
            "columns": [column.wire() for column in self.columns],
        }


@dataclass(frozen=True)
class Sql:
    """Run on SQLite alone, and nothing that the server hears of."""

    sql: str

    def wire(self) -> Row:
        return {"type": "sql", "sql": self.sql}


@dataclass(frozen=True)
class Migration:
    to_version: int
    steps: tuple[CreateTable | AddColumns | Sql, ...]

    def wire(self) -> Row:
        return {"toVersion": self.to_version, "steps": [step.wire() for step in self.steps]}
