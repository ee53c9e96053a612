"""What the sync machine's devices hold: a row of one person, rows of everybody, and one field for each rule of merging."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, JsonValue

from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength, Merge, Ref, ServerSet
from holdfast.model.policies import Index, Owned, Shared, Synced
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.sync.entities import ENTITIES as SYNC_ENTITIES
from holdfast.testing.conformance.entities import REALM
from holdfast.testing.sync.schema import AddColumns, Column, Kind, Schema, Table

Name = Annotated[str, MaxLength(200)]


class Note(Entity, table="notes", policies=(Owned(by="user_id"), Synced())):
    """A row of one person, with values of every kind; who deletes it has the last word."""

    user_id: UUID | None = None
    title: Name = ""
    body: str | None = None
    rank: int = 0
    score: float | None = None
    starred: bool | None = None
    due: date | None = None
    seen_at: datetime | None = None
    synced_at: Annotated[datetime, ServerSet()] | None = None


class Card(Entity, table="cards", policies=(Shared(), Synced(against_edit="edit_wins"))):
    """A row of everybody, with a field for each rule; who edits it has the last word."""

    name: Name = ""
    locked: Annotated[Name, Merge("server")] = ""
    mine: Annotated[Name, Merge("device")] = ""
    high: Annotated[int, Merge("max")] | None = None
    low: Annotated[int, Merge("min")] | None = None
    hits: Annotated[int, Merge("counter")] = 0
    tags: Annotated[list[JsonValue], Merge("union")] = Field(default_factory=list)
    verdict: Annotated[str, Merge("manual")] | None = None


class Folder(Entity, table="folders", policies=(Shared(), Synced())):
    """What files are in: they go with it."""

    name: Name = ""


class File(Entity, table="files", policies=(Owned(by="user_id"), Synced(), Index("folder_id"))):
    """A person's row in a folder of everybody's."""

    user_id: UUID | None = None
    folder_id: Annotated[UUID, Ref("folders", on_delete="cascade")]
    name: Name = ""


class Half(Entity, table="halves", policies=(Shared(), Synced())):
    """One of two rows that are always written together, with the same stamp."""

    stamp: Name = ""


class Secret(Entity, table="secrets", policies=(Shared(write="admin", read="admin"), Synced())):
    """What a plain member never sees."""

    text: Name = ""


LAB: tuple[type[Entity], ...] = (Note, Card, Folder, File, Half, Secret)
CATALOG = Catalog({"realm": REALM, "sync": SYNC_ENTITIES, "lab": LAB})
BY_TABLE: dict[str, type[Entity]] = {CATALOG.schema(entity).table: entity for entity in LAB}
OWN_COLUMNS = frozenset({"user_id", "created_at", "updated_at", "synced_at"})
"""What the server sets; a lean device has none of it."""
LATER = Column("body", "string", optional=True)
"""A column that the first version of the lean program does not know."""

_KINDS: dict[str, Kind] = {
    "integer": "number",
    "float": "number",
    "decimal": "number",
    "instant": "number",
    "boolean": "boolean",
}


def schema_of(table: str) -> EntitySchema:
    """The schema of a table that devices have."""
    return CATALOG.schema(BY_TABLE[table])


def _column(field: FieldSchema) -> Column:
    return Column(field.name, _KINDS.get(field.type.kind, "string"), field.nullable or field.server_set)


def device_schema(*, lean: bool) -> Schema:
    """The tables of a device. A lean one has no column of the server's, and at first one of the others less."""
    tables = []
    for name in BY_TABLE:
        columns = [_column(field) for field in schema_of(name).wire_fields if field.name != "id"]
        if lean:
            left_out = OWN_COLUMNS | ({LATER.name} if name == "notes" else set())
            columns = [column for column in columns if column.name not in left_out]
        tables.append(Table(name, tuple(columns)))
    return Schema(1, tuple(tables))


def upgraded(schema: Schema) -> Schema:
    """The lean device's second version, which knows the missing column."""
    tables = tuple(
        Table(t.name, (*t.columns, LATER), t.touches) if t.name == "notes" else t for t in schema.tables
    )
    return Schema(2, tables, {2: (AddColumns("notes", (LATER,)),)})
