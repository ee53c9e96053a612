"""From what a caller says to a `Write`: validated, normalised, measured. Pure, and before any lock."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from holdfast.changes.change import Operation, new_salt
from holdfast.engines.port import Limits, Write
from holdfast.errors import TooLarge
from holdfast.model.entity import Entity
from holdfast.model.plain import encode_fields, invalid_fields, normalise_fields
from holdfast.model.schema import SYSTEM_FIELDS, EntitySchema
from holdfast.model.validate import describe_problem
from holdfast.store._authorize import authorize_write, owner_of
from holdfast.tenancy.scope import Scope


def prepare_create(scope: Scope, schema: EntitySchema, entity: Entity, limits: Limits) -> Write:
    """The write that stores `entity` as a new row of its scope."""
    authorize_write(scope, schema, Operation.CREATE)
    values = _declared(schema, entity)
    if schema.owner is not None:
        values[schema.owner] = owner_of(scope, schema, values[schema.owner])
    normal = normalise_fields(schema, values)
    size = checked_size(schema, normal, limits)
    return Write(schema, Operation.CREATE, entity.id, normal, if_version=0, salt=new_salt(), size=size)


def prepare_replace(scope: Scope, schema: EntitySchema, entity: Entity, limits: Limits) -> Write:
    """The write that makes the stored row equal to `entity`, provided that it still has `entity.version`."""
    authorize_write(scope, schema, Operation.UPDATE)
    values = {
        name: value
        for name, value in _declared(schema, entity).items()
        if not schema.by_name[name].server_set
    }
    normal = normalise_fields(schema, values)
    size = checked_size(schema, normal, limits)
    return Write(schema, Operation.UPDATE, entity.id, normal, if_version=entity.version, size=size)


def prepare_patch(
    scope: Scope,
    schema: EntitySchema,
    entity: type[Entity],
    row_id: UUID,
    changes: Mapping[str, Any],
    *,
    if_version: int | None,
    limits: Limits,
) -> Write:
    """The write that changes some fields."""
    authorize_write(scope, schema, Operation.UPDATE)
    normal = normalise_fields(schema, _validated(schema, entity, changes))
    size = checked_size(schema, normal, limits)
    return Write(schema, Operation.UPDATE, row_id, normal, if_version=if_version, size=size)


def prepare_delete(scope: Scope, schema: EntitySchema, row_id: UUID, *, if_version: int | None) -> Write:
    """The write that deletes a row."""
    authorize_write(scope, schema, Operation.DELETE)
    return Write(schema, Operation.DELETE, row_id, if_version=if_version)


def _declared(schema: EntitySchema, entity: Entity) -> dict[str, Any]:
    return {field.name: getattr(entity, field.name) for field in schema.fields}


def _validated(schema: EntitySchema, entity: type[Entity], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes as the entity's own field validators pass them."""
    blank = _blank(entity).model_copy()
    problems: dict[str, str] = {}
    for name, value in changes.items():
        field = schema.by_name.get(name)
        if field is None or name in SYSTEM_FIELDS:
            problems[name[:64]] = "is set by the server" if field else "is not a field of this entity"
        elif field.server_set and schema.visibility != "realm":
            problems[name] = "is set by the server"
        else:
            try:
                entity.__pydantic_validator__.validate_assignment(blank, name, value)
            except ValidationError as error:
                problems[name] = describe_problem(error)
    if problems:
        raise invalid_fields(schema, problems)
    return {name: getattr(blank, name) for name in changes}


@cache
def _blank(entity: type[Entity]) -> Entity:
    """A row of defaults alone, for values to be assigned to; making one takes longer than all the rest of a patch."""
    return entity.model_construct()


def checked_size(schema: EntitySchema, values: Mapping[str, Any], limits: Limits) -> int:
    """The values' bytes. Raises TooLarge."""
    return size_of(schema, encode_fields(schema, values), limits)


def size_of(schema: EntitySchema, plain: Mapping[str, Any], limits: Limits) -> int:
    """The bytes of values in plain form. Raises TooLarge."""
    # Two characters of JSON text are the least that count as sixteen bytes, and most rows are far from the limit.
    size = len(orjson.dumps(plain))
    if size * 8 > limits.row_bytes:
        size = row_size(plain)
    if size > limits.row_bytes:
        raise TooLarge(f"a row has at most {limits.row_bytes} bytes", where=schema.name)
    for fields in schema.keys:
        if sum(_size(plain[name]) for name in fields if plain.get(name) is not None) > limits.key_bytes:
            raise TooLarge(
                f"indexed values have at most {limits.key_bytes} bytes together",
                where=f"{schema.name}: {', '.join(fields)}",
            )
    return size


def row_size(plain: Mapping[str, Any]) -> int:
    """Bytes of a row by its plain form; numbers and the like count as 16."""
    return sum(len(name) + _size(value) for name, value in plain.items())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return row_size(value)
    if isinstance(value, list):
        return sum(_size(item) for item in value)
    return 16
