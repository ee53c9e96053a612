"""Schema changes as engine-neutral values. An engine carries each out idempotently through `apply`.

A step says what it does, in which phase it belongs, and what takes it back. *pre* steps leave whatever the code before them
relies on; *post* steps ask that only the code after them runs. Tables and columns are named by their stable names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from holdfast.errors import SchemaError
from holdfast.model.schema import (
    EntitySchema,
    FieldSchema,
    describe,
    describe_field,
    restore,
    restore_field,
)
from holdfast.model.types import Plain

Phase = Literal["pre", "post"]
Schemas = Mapping[str, EntitySchema]
"""By stable name."""


@dataclass(frozen=True, slots=True)
class CreateLog:
    """The tenants' counters, the change log, the field history and the idempotency tokens."""

    @property
    def title(self) -> str:
        """One line for people."""
        return "create the counters, the change log and the field history"


@dataclass(frozen=True, slots=True)
class CreateTombstones:
    """What outlives a deleted row for those who hold a copy of it, and each tenant's horizon below which it is gone."""

    @property
    def title(self) -> str:
        """One line for people."""
        return "create the tombstones and the tenants' horizons"


@dataclass(frozen=True, slots=True)
class CreateEntity:
    """A table with its keys, references, indexes, row policies, grants and guard."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"create {self.schema.name}"


@dataclass(frozen=True, slots=True)
class DropEntity:
    """A table set aside with its rows, where no code reaches it."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"set {self.schema.stable_name} aside"


@dataclass(frozen=True, slots=True)
class RestoreEntity:
    """A table that was set aside, in its place again."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"bring {self.schema.stable_name} back"


@dataclass(frozen=True, slots=True)
class CreatePlans:
    """From here on a table is declared as `schema`, and what an engine prepares for its hot paths is there; named by the
    schema's digest, so that old and new stand side by side.
    """

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"prepare the hot paths of {self.schema.name} ({self.schema.digest})"


@dataclass(frozen=True, slots=True)
class DropPlans:
    """Take back the hot paths that `digest` names, once no code of that schema runs."""

    schema: EntitySchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"drop the hot paths of {self.schema.name} ({self.schema.digest})"


@dataclass(frozen=True, slots=True)
class AddField:
    """A column. Rows that stand, and code that does not know it, hold the declared default. One that was set aside under
    this name comes back with what it held.
    """

    table: str
    field: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"add {self.table}.{self.field.column}"


@dataclass(frozen=True, slots=True)
class ReleaseField:
    """Let code that no longer knows a field make rows: they hold its default, or what is empty in its type."""

    table: str
    field: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"let rows be made without {self.table}.{self.field.column}"


@dataclass(frozen=True, slots=True)
class DropField:
    """A column set aside under another name, with what it holds."""

    table: str
    field: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"set {self.table}.{self.field.column} aside"


@dataclass(frozen=True, slots=True)
class RestoreField:
    """A column that was set aside, in its place again."""

    table: str
    field: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"bring {self.table}.{self.field.column} back"


@dataclass(frozen=True, slots=True)
class PurgeField:
    """Remove a column that was set aside, and all that it holds. Never planned, only written by hand."""

    table: str
    column: str

    @property
    def title(self) -> str:
        """One line for people."""
        return f"remove what {self.table}.{self.column} held"


@dataclass(frozen=True, slots=True)
class WidenField:
    """A column takes more values than before: longer, more choices, a wider range, more digits, or none at all."""

    table: str
    old: FieldSchema
    new: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"widen {self.table}.{self.new.column}"


@dataclass(frozen=True, slots=True)
class NarrowField:
    """A column takes fewer values than before. Refused while rows hold others, with how many and which."""

    table: str
    old: FieldSchema
    new: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"narrow {self.table}.{self.new.column}"


@dataclass(frozen=True, slots=True)
class LinkFields:
    """Keep two columns in step while code writes the one or the other: `old` and what it becomes in another type."""

    table: str
    old: FieldSchema
    new: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"keep {self.table}.{self.old.column} and {self.new.column} in step"


@dataclass(frozen=True, slots=True)
class UnlinkFields:
    """No longer: `old` may be absent. Refused while rows hold a value in it that did not become one in `new`."""

    table: str
    old: FieldSchema
    new: FieldSchema

    @property
    def title(self) -> str:
        """One line for people."""
        return f"part {self.table}.{self.old.column} and {self.new.column}"


@dataclass(frozen=True, slots=True)
class Backfill:
    """Fill `target` of all rows, a batch at a time: from `source`, converted, or where it is empty with `value`.

    Versions, changes and commitments stay as they are: a new column was never part of them.
    """

    table: str
    target: FieldSchema
    source: FieldSchema | None = None
    value: Plain = None

    @property
    def title(self) -> str:
        """One line for people."""
        of = f" from {self.source.column}" if self.source else ""
        return f"fill {self.table}.{self.target.column}{of}"


@dataclass(frozen=True, slots=True)
class AddIndex:
    """An index on columns, behind the tenant unless the table is the realm's."""

    table: str
    columns: tuple[str, ...]
    realm: bool = False

    @property
    def title(self) -> str:
        """One line for people."""
        return f"index {self.table} by {', '.join(self.columns)}"


@dataclass(frozen=True, slots=True)
class DropIndex:
    """Without that index."""

    table: str
    columns: tuple[str, ...]
    realm: bool = False

    @property
    def title(self) -> str:
        """One line for people."""
        return f"drop the index of {self.table} by {', '.join(self.columns)}"


@dataclass(frozen=True, slots=True)
class AddUnique:
    """A unique rule within a tenant; with `when`, of the rows where that column is true. Refused while rows break it."""

    table: str
    columns: tuple[str, ...]
    when: str | None = None
    realm: bool = False

    @property
    def title(self) -> str:
        """One line for people."""
        return f"hold {', '.join(self.columns)} of {self.table} unique"


@dataclass(frozen=True, slots=True)
class DropUnique:
    """Without that rule."""

    table: str
    columns: tuple[str, ...]
    when: str | None = None
    realm: bool = False

    @property
    def title(self) -> str:
        """One line for people."""
        return f"no longer hold {', '.join(self.columns)} of {self.table} unique"


@dataclass(frozen=True, slots=True)
class AddReference:
    """A column refers to rows of `target`, of the same tenant. Refused while rows refer to nothing."""

    table: str
    column: str
    target: str
    realm: bool = False

    @property
    def title(self) -> str:
        """One line for people."""
        return f"{self.table}.{self.column} refers to {self.target}"


@dataclass(frozen=True, slots=True)
class DropReference:
    """It does so no longer."""

    table: str
    column: str
    target: str
    realm: bool = False

    @property
    def title(self) -> str:
        """One line for people."""
        return f"{self.table}.{self.column} no longer refers to {self.target}"


@dataclass(frozen=True, slots=True)
class ChangeOwner:
    """Rows are seen by whom the column `new` names; by all members of the tenant where it is None."""

    table: str
    old: str | None
    new: str | None

    @property
    def title(self) -> str:
        """One line for people."""
        return f"{self.table} is seen by {self.new or 'all members'}"


Step = (
    CreateLog
    | CreateTombstones
    | CreateEntity
    | DropEntity
    | RestoreEntity
    | CreatePlans
    | DropPlans
    | AddField
    | ReleaseField
    | DropField
    | RestoreField
    | PurgeField
    | WidenField
    | NarrowField
    | LinkFields
    | UnlinkFields
    | Backfill
    | AddIndex
    | DropIndex
    | AddUnique
    | DropUnique
    | AddReference
    | DropReference
    | ChangeOwner
)

_KINDS: dict[str, Any] = {
    "create_log": CreateLog,
    "create_tombstones": CreateTombstones,
    "create_entity": CreateEntity,
    "drop_entity": DropEntity,
    "restore_entity": RestoreEntity,
    "create_plans": CreatePlans,
    "drop_plans": DropPlans,
    "add_field": AddField,
    "release_field": ReleaseField,
    "drop_field": DropField,
    "restore_field": RestoreField,
    "purge_field": PurgeField,
    "widen_field": WidenField,
    "narrow_field": NarrowField,
    "link_fields": LinkFields,
    "unlink_fields": UnlinkFields,
    "backfill": Backfill,
    "add_index": AddIndex,
    "drop_index": DropIndex,
    "add_unique": AddUnique,
    "drop_unique": DropUnique,
    "add_reference": AddReference,
    "drop_reference": DropReference,
    "change_owner": ChangeOwner,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_FIELDS = frozenset({"field", "old", "new", "target", "source"})
"""Under these names a step holds a field's schema; ChangeOwner and AddReference hold a name there."""


# -- written down -----------------------------------------------------------------------------------------------------


def describe_step(step: Step) -> dict[str, Any]:
    """The step as plain JSON values, as it stands in a revision file. What a step says nothing of is left away."""
    said = {each.name: _plain(getattr(step, each.name)) for each in fields(step)}
    unsaid = {each.name: each.default for each in fields(step)}
    return {"step": _NAMES[type(step)], **{n: v for n, v in said.items() if v != unsaid[n]}}


def _plain(value: Any) -> Any:
    match value:
        case EntitySchema():
            return describe(value)
        case FieldSchema():
            return describe_field(value)
        case tuple():
            return list(value)
        case _:
            return value


def restore_step(plain: Mapping[str, Any], *, where: str = "") -> Step:
    """The step that `describe_step` wrote down; `where` is its file and number.

    Raises SchemaError for one that this release does not know.
    """
    place = f"{where}, " if where else ""
    kind = _KINDS.get(plain.get("step", ""))
    if kind is None:
        raise SchemaError(
            "a revision asks for a step that this release does not know",
            where=f"{place}{str(plain.get('step'))[:64]}",
        )
    at = ""
    try:
        values = {}
        for name, item in plain.items():
            if name != "step":
                at = f".{name}"
                values[name] = _value(name, item)
        at = ""
        step: Step = kind(**values)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"a step of a revision cannot be read: {_reason(error)}",
            where=f"{place}{plain['step']}{at}{_inner(error, plain)}",
        ) from None
    return step


def _reason(error: Exception) -> str:
    """What is wrong; a revision holds declarations, and no data of anybody's."""
    if isinstance(error, ValidationError):
        return error.errors(include_url=False, include_input=False)[0]["msg"]
    return str(error)[:200]


def _inner(error: Exception, plain: Mapping[str, Any]) -> str:
    """Where in a table's or field's description it is: `.fields.title.merge`."""
    if not isinstance(error, ValidationError):
        return ""
    path = ""
    inside: Any = plain.get("schema")
    for part in error.errors(include_url=False, include_input=False)[0]["loc"]:
        try:
            inside = inside[part]
        except (TypeError, KeyError, IndexError):
            inside = None
        named = inside.get("name") if isinstance(part, int) and isinstance(inside, dict) else None
        path += f".{named or part}"
    return path


def _value(name: str, item: Any) -> Any:
    if name == "schema":
        return restore(item)
    if name in _FIELDS and isinstance(item, dict):
        return restore_field(item)
    return tuple(item) if name == "columns" else item


def checksum(steps: Sequence[Step]) -> str:
    """SHA-256, in hexadecimal, of what the steps say."""
    plain = orjson.dumps([describe_step(step) for step in steps], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(plain).hexdigest()


# -- what they come to ------------------------------------------------------------------------------------------------


def replay(steps: Iterable[Step], standing: Schemas | None = None) -> dict[str, EntitySchema]:
    """What is declared after `steps`, by stable name: a table is as its last CreateEntity or CreatePlans says."""
    schemas = dict(standing or {})
    for step in steps:
        match step:
            case CreateEntity(schema=schema) | CreatePlans(schema=schema) | RestoreEntity(schema=schema):
                schemas[schema.stable_name] = schema
            case DropEntity(schema=schema):
                schemas.pop(schema.stable_name, None)
    return schemas


def why_not_undone(step: Step) -> str | None:
    """Why a step cannot be taken back; None where it can."""
    match step:
        case CreateLog() | CreateTombstones():
            return "the log is what everything else stands on"
        case PurgeField():
            return "what the column held is gone"
        case _:
            return None


def undo(steps: Sequence[Step], before: Schemas) -> tuple[Step, ...]:
    """The steps that take `steps` back, when `before` was declared before them. Raises SchemaError where one cannot be."""
    for step in steps:
        reason = why_not_undone(step)
        if reason is not None:
            raise SchemaError(f"this cannot be undone: {reason}", where=step.title)
    return tuple(back for step in reversed(steps) for back in _inverse(step, before))


def _inverse(step: Step, before: Schemas) -> tuple[Step, ...]:
    match step:
        case CreateEntity(schema):
            return (DropEntity(schema),)
        case DropEntity(schema):
            return (RestoreEntity(schema),)
        case RestoreEntity(schema):
            return (DropEntity(schema),)
        case CreatePlans(schema):
            known = before.get(schema.stable_name)
            return () if known is None else (CreatePlans(known),)
        case DropPlans(schema):
            return (CreatePlans(schema),)
        case AddField(table, field) | RestoreField(table, field):
            return (DropField(table, field),)
        case DropField(table, field):
            return (RestoreField(table, field),)
        case WidenField(table, old, new):
            return (NarrowField(table, new, old),)
        case NarrowField(table, old, new):
            return (WidenField(table, new, old),)
        case LinkFields(table, old, new):
            return (UnlinkFields(table, new, old),)
        case UnlinkFields(table, old, new):
            held = () if old.nullable else (NarrowField(table, optional(old), old),)
            return (LinkFields(table, old, new), Backfill(table, old, new), *held)
        case AddIndex(table, columns, realm):
            return (DropIndex(table, columns, realm),)
        case DropIndex(table, columns, realm):
            return (AddIndex(table, columns, realm),)
        case AddUnique(table, columns, when, realm):
            return (DropUnique(table, columns, when, realm),)
        case DropUnique(table, columns, when, realm):
            return (AddUnique(table, columns, when, realm),)
        case AddReference(table, column, target, realm):
            return (DropReference(table, column, target, realm),)
        case DropReference(table, column, target, realm):
            return (AddReference(table, column, target, realm),)
        case ChangeOwner(table, old, new):
            return (ChangeOwner(table, new, old),)
        case _:  # what was filled or released stays so, and hurts nobody
            return ()


def left_standing(steps: Sequence[Step], before: Schemas, begun: int) -> int:
    """How many of `steps` stand untouched when, of those that take them back, the first `begun` were begun."""
    left = len(steps)
    for step in reversed(steps):
        if begun <= 0:
            break
        begun -= len(_inverse(step, before))
        left -= 1
    return left


def optional(field: FieldSchema) -> FieldSchema:
    """The field, allowed to be absent."""
    return replace(field, nullable=True)
