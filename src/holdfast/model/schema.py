"""The schema value: what an engine needs to know of an entity, and nothing of how it was declared.

A schema is plain frozen data: it is compared, hashed, kept in revision files and read back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import orjson
from pydantic import TypeAdapter

from holdfast.model.markers import MergeRule, OnDelete
from holdfast.model.policies import AgainstEdit, Index, RoleName, Unique
from holdfast.model.types import FieldType, InstantType, IntegerType, UuidType

SYSTEM_FIELDS = ("id", "version", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that names a row of another table of the same tenant, by that table's stable name; table `@members` is the
    tenant's membership.
    """

    table: str
    on_delete: OnDelete = "restrict"


MEMBERS = "@members"
MEMBERSHIPS = "realm.memberships"
"""The entity that says who the members are: a row of the realm for each, with a `tenant_id` and a `user_id`."""


@dataclass(frozen=True, slots=True)
class FieldSchema:
    """One declared field. `default` is in plain form; it is what an older row holds when a field is added."""

    name: str
    type: FieldType
    nullable: bool = False
    required: bool = False
    default: Any = field(default=None, hash=False)
    reference: Reference | None = None
    server_set: bool = False
    merge: MergeRule = "last_writer"
    origin: str | None = None
    """The stable name, where it is not `name`."""
    source: str | None = None
    """The stable name of the field whose values, of another type, it took over."""

    @property
    def column(self) -> str:
        """The stable name: that of the column, in the log, in the history and on the sync wire."""
        return self.origin or self.name


@dataclass(frozen=True)
class EntitySchema:
    """A table: its pack, its fields without the system's own, and what its policies ask of an engine."""

    pack: str
    table: str
    fields: tuple[FieldSchema, ...]
    visibility: Literal["owned", "shared", "realm"]
    owner: str | None = None
    write_role: RoleName = "member"
    journaled: bool = True
    synced: bool = False
    uniques: tuple[Unique, ...] = ()
    indexes: tuple[Index, ...] = ()
    read_role: RoleName = "viewer"
    against_edit: AgainstEdit = "delete_wins"
    bookkeeping: bool = False
    origin: str | None = None
    """The table's stable name, where it is not `table`."""

    @cached_property
    def name(self) -> str:
        """`pack.table`: how Python, errors and routes call it."""
        return f"{self.pack}.{self.table}"

    @property
    def relation(self) -> str:
        """The table's stable name: in the database and on the sync wire."""
        return self.origin or self.table

    @cached_property
    def stable_name(self) -> str:
        """`pack.relation`: how the log, the history, tombstones and references call it."""
        return f"{self.pack}.{self.relation}"

    @cached_property
    def by_name(self) -> dict[str, FieldSchema]:
        """All fields a reader sees, system fields first."""
        return {field.name: field for field in (*SYSTEM_SCHEMAS, *self.fields)}

    @cached_property
    def wire_fields(self) -> tuple[FieldSchema, ...]:
        """What a device sees of a row: everything but the version."""
        return tuple(field for field in self.by_name.values() if field.name != "version")

    @cached_property
    def pushed_fields(self) -> tuple[FieldSchema, ...]:
        """What a device may set."""
        return tuple(field for field in self.fields if not field.server_set)

    @cached_property
    def demanded_fields(self) -> tuple[FieldSchema, ...]:
        """What a device may set and a new row must have."""
        return tuple(field for field in self.pushed_fields if field.required)

    @cached_property
    def referring_fields(self) -> tuple[FieldSchema, ...]:
        """The fields that refer to rows or to members."""
        return tuple(field for field in self.fields if field.reference is not None)

    @cached_property
    def byte_order(self) -> tuple[FieldSchema, ...]:
        """The declared fields in the byte order of their stable names, which is the log's."""
        return tuple(sorted(self.fields, key=lambda field: field.column))

    @cached_property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """The fields of each index and unique rule."""
        return (*(index.fields for index in self.indexes), *(rule.fields for rule in self.uniques))

    @cached_property
    def stores_plain(self) -> bool:
        """Whether a row's plain form is what an SQL engine reads: no field is renamed, none holds raw bytes."""
        return not self.is_renamed and all(field.type.kind != "bytes" for field in self.fields)

    @cached_property
    def by_column(self) -> dict[str, FieldSchema]:
        """The same by their stable names: the one way from what is stored to what it is called today."""
        return {field.column: field for field in self.by_name.values()}

    @cached_property
    def is_renamed(self) -> bool:
        """Whether a field has another stable name than its own."""
        return any(field.origin is not None for field in self.fields)

    def current_name(self, column: str) -> str:
        """What a stored field is called today. One that is declared no more keeps its name; where another field is called so
        today, it gets one that no field can have, so that nobody takes its values for that field's.
        """
        field = self.by_column.get(column)
        if field is not None:
            return field.name
        return f"{column} (dropped)" if column in self.by_name else column

    def columns(self, names: Iterable[str]) -> tuple[str, ...]:
        """The stable names of some fields."""
        return tuple(self.by_name[name].column for name in names)

    @cached_property
    def index_columns(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each index behind the tenant: declared ones, references, and the order of creation."""
        wanted: list[tuple[str, ...]] = []
        if self.visibility != "realm":
            wanted.append(("created_at", "id"))
        declared = [self.columns(rule.fields) for rule in self.indexes]
        references = [(field.column,) for field in self.fields if field.reference is not None]
        unique = [self.columns(rule.fields) for rule in self.uniques if rule.when is None]
        for columns in (*declared, *references):
            others = (*declared, *unique)
            if not any(other[: len(columns)] == columns and other != columns for other in others):
                wanted.append((*columns, "id"))
        return tuple(dict.fromkeys(wanted))

    @cached_property
    def references(self) -> tuple[tuple[FieldSchema, Reference], ...]:
        """The fields that refer to rows of this or another table, membership left out."""
        return tuple(
            (field, field.reference)
            for field in self.fields
            if field.reference is not None and field.reference.table != MEMBERS
        )

    @cached_property
    def sortable(self) -> frozenset[str]:
        """The fields on which filters and sorts are served."""
        names = {"id", "created_at"} | ({self.owner} if self.owner else set())
        for fields in self.keys:
            names |= set(fields)
        return frozenset(names)

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with the schema: the suffix of its generated functions."""
        plain = orjson.dumps(describe(self), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(plain).hexdigest()[:8]


SYSTEM_SCHEMAS = (
    FieldSchema("id", UuidType(), required=True, server_set=True),
    FieldSchema("version", IntegerType(minimum=1), required=True, server_set=True),
    FieldSchema("created_at", InstantType(), required=True, server_set=True),
    FieldSchema("updated_at", InstantType(), required=True, server_set=True),
)

_ADAPTER: TypeAdapter[EntitySchema] = TypeAdapter(EntitySchema)
_FIELD_ADAPTER: TypeAdapter[FieldSchema] = TypeAdapter(FieldSchema)


_LATER: dict[str, Any] = {
    "read_role": "viewer",
    "against_edit": "delete_wins",
    "bookkeeping": False,
    "origin": None,
    "source": None,
}
"""What schemas have come to say since revisions were first written, and what one that says nothing means. Left away where
it stands at that, so that the digest of an older schema stays what it was.
"""


def describe(schema: EntitySchema) -> dict[str, Any]:
    """`schema` as plain JSON values; `restore` is its inverse."""
    plain = _ADAPTER.dump_python(schema, mode="json")
    return {**_said(plain), "fields": [_said(field) for field in plain["fields"]]}


def describe_field(field: FieldSchema) -> dict[str, Any]:
    """`field` as plain JSON values."""
    return _said(_FIELD_ADAPTER.dump_python(field, mode="json"))


def restore_field(plain: dict[str, Any]) -> FieldSchema:
    """The field that `describe_field` wrote down."""
    return _FIELD_ADAPTER.validate_python(plain)


def _said(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if name not in _LATER or value != _LATER[name]}


def restore(plain: dict[str, Any]) -> EntitySchema:
    """The schema that `describe` wrote down."""
    return _ADAPTER.validate_python(plain)
