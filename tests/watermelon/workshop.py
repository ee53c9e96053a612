"""A pack with one of everything that devices may meet, and the same as a device's schema.

`holdfast up` loads it as `tests.watermelon.workshop:PACK`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, JsonValue

from holdfast import Digits, Entity, Index, MaxLength, Merge, Owned, Pack, Ref, Shared, Synced
from holdfast.model.catalog import Catalog
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.wire import encode_wire, spell_id
from holdfast.packs.finance import PACK as FINANCE
from tests.watermelon.schema import Column, ColumnType, Row, Schema, Table

Text = Annotated[str, MaxLength(1000)]


class Note(Entity, table="notes", policies=(Owned(by="user_id"), Synced())):
    """What the scripts of every device write."""

    user_id: UUID | None = None
    title: Text = ""
    body: Text | None = None
    rank: float = 0.0
    score: float | None = None
    done: bool = False
    starred: bool | None = None


class Tag(Entity, table="tags", policies=(Owned(by="user_id"), Synced())):
    """The other table of the scripts."""

    user_id: UUID | None = None
    label: Text = ""
    weight: float = 0.0


class Merging(Entity, table="mergings", policies=(Owned(by="user_id"), Synced())):
    """A field for each rule."""

    user_id: UUID | None = None
    latest: Text = ""
    of_server: Annotated[Text, Merge("server")] = ""
    of_device: Annotated[Text, Merge("device")] = ""
    largest: Annotated[int, Merge("max")] = 0
    smallest: Annotated[int, Merge("min")] = 0
    counted: Annotated[int, Merge("counter")] = 0
    weighed: Annotated[Decimal, Digits(12, 2), Merge("counter")] = Decimal(0)
    united: Annotated[list[JsonValue], Merge("union")] = Field(default_factory=list)
    decided: Annotated[Text, Merge("manual")] = ""


class Keepsake(Entity, table="keepsakes", policies=(Owned(by="user_id"), Synced(against_edit="edit_wins"))):
    """What an edit brings back."""

    user_id: UUID | None = None
    name: Text = ""
    place: Text | None = None


class Board(Entity, table="boards", policies=(Shared(), Synced())):
    """Everybody's."""

    title: Text = ""
    pins: Annotated[int, Merge("counter")] = 0


class Shelf(Entity, table="shelves", policies=(Owned(by="user_id"), Synced())):
    """What books stand on."""

    user_id: UUID | None = None
    name: Text = ""


class Book(Entity, table="books", policies=(Owned(by="user_id"), Synced(), Index("shelf_id"))):
    """Goes with its shelf."""

    user_id: UUID | None = None
    shelf_id: Annotated[UUID, Ref("shelves", on_delete="cascade")]
    name: Text = ""


class Value(Entity, table="samples", policies=(Owned(by="user_id"), Synced())):
    """A field of each type."""

    user_id: UUID | None = None
    words: Text | None = None
    whole: int | None = None
    real: float | None = None
    exact: Annotated[Decimal, Digits(15, 2)] | None = None
    flag: bool | None = None
    day: date | None = None
    moment: datetime | None = None
    document: JsonValue = None


ENTITIES: tuple[type[Entity], ...] = (Note, Tag, Merging, Keepsake, Board, Shelf, Book, Value)
PACK = Pack("workshop", ENTITIES)
CATALOG = Catalog({"workshop": PACK.entities, "finance": FINANCE.entities})
_KINDS: dict[str, ColumnType] = {
    "boolean": "boolean",
    "decimal": "number",
    "float": "number",
    "instant": "number",
    "integer": "number",
}
OF_SERVER = ("created_at", "updated_at", "synced_at")
"""Columns that an application has beside its own, and does not write."""


def schema_of(table: str) -> EntitySchema:
    """The declaration of a table."""
    return next(schema for schema in CATALOG if schema.table == table)


def device_table(name: str, *, server_columns: bool = False) -> Table:
    """The table as an application declares it."""
    schema = schema_of(name)
    columns = [
        Column(declared.name, _KINDS.get(declared.type.kind, "string"), optional=declared.nullable)
        for declared in schema.pushed_fields
    ]
    if server_columns:
        # The library takes these two of its own only as numbers that are there.
        columns += [
            Column(name, "number", optional=name == "synced_at")
            for name in OF_SERVER
            if name in schema.by_name
        ]
    return Table(schema.table, tuple(columns))


def device_schema(*names: str, version: int = 1, server_columns: bool = False) -> Schema:
    """These tables as one schema."""
    return Schema(version, tuple(device_table(name, server_columns=server_columns) for name in names))


ALL = device_schema(*(schema.table for schema in CATALOG if schema.pack == "workshop"))


def from_rest(schema: EntitySchema, items: Iterable[dict[str, Any]], columns: Iterable[str]) -> list[Row]:
    """Rows that REST has answered, as a device with these columns would hold them, ordered by id."""
    wanted = [schema.by_name[name] for name in columns]
    rows = [
        {"id": spell_id(UUID(item["id"])), **{f.name: _on_wire(f, item[f.name]) for f in wanted}}
        for item in items
    ]
    return sorted(rows, key=lambda row: str(row["id"]))


def _on_wire(declared: FieldSchema, plain: Any) -> Any:
    return None if plain is None else encode_wire(declared.type, declared.type.decode(plain))
