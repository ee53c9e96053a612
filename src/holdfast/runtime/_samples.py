"""A row of any declared entity, for trying things out: every required field filled with the plainest value of its type."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from holdfast.errors import InvalidInput
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.types import ChoiceType, IntegerType

_PLAIN: dict[str, Any] = {
    "text": "holdfast verify",
    "boolean": False,
    "float": 0.0,
    "decimal": Decimal(0),
    "date": date(2000, 1, 1),
    "instant": datetime(2000, 1, 1, tzinfo=UTC),
    "uuid": UUID(int=1),
    "bytes": b"",
    "json": {},
}
_OTHER: dict[str, Any] = {"text": "holdfast verified", "boolean": True, "decimal": Decimal(1), "float": 1.0}


def sample_entity(catalog: Catalog, *, visibility: str, synced: bool = False) -> EntitySchema | None:
    """An entity of this visibility whose rows stand alone and have a field to change; None where there is none.

    With `synced`, one that devices hold.
    """
    for schema in catalog:
        usable = schema.journaled and schema.visibility == visibility and not _needs_others(schema)
        if (
            usable
            and (schema.synced or not synced)
            and changeable(schema) is not None
            and _try(catalog, schema)
        ):
            return schema
    return None


def sample_row(catalog: Catalog, schema: EntitySchema, member: UUID) -> Entity:
    """A new row. `member` is who stands where a member must."""
    values = {
        field.name: member if _is_member(field) else _value(field)
        for field in schema.fields
        if field.required
    }
    return catalog.entity(schema)(**values)


def changeable(schema: EntitySchema) -> tuple[str, Any] | None:
    """A field that may be changed without regard to others, and what to change it to."""
    special = set(_names(schema))
    for field in schema.fields:
        if field.type.kind in _OTHER and not (field.server_set or field.reference or field.name in special):
            return field.name, _shortened(field, _OTHER[field.type.kind])
    return None


def _needs_others(schema: EntitySchema) -> bool:
    return any(f.required and f.reference and f.reference.table != MEMBERS for f in schema.fields)


def _try(catalog: Catalog, schema: EntitySchema) -> bool:
    """Whether the entity's own rules take the sample."""
    try:
        sample_row(catalog, schema, UUID(int=1))
    except (ValueError, InvalidInput):
        return False
    return True


def _is_member(field: FieldSchema) -> bool:
    return field.reference is not None and field.reference.table == MEMBERS


def _value(field: FieldSchema) -> Any:
    match field.type:
        case ChoiceType():
            return field.type.values[0]
        case IntegerType():
            return max(field.type.minimum, min(0, field.type.maximum))
        case _:
            return _shortened(field, _PLAIN[field.type.kind])


def _shortened(field: FieldSchema, value: Any) -> Any:
    longest = getattr(field.type, "max_length", None)
    return value[:longest] if isinstance(value, str) and longest else value


def _names(schema: EntitySchema) -> Iterable[str]:
    """Fields in unique rules."""
    for rule in schema.uniques:
        yield from rule.fields
        if rule.when:
            yield rule.when
