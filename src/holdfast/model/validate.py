"""An entity's own validation, its errors told as InvalidInput: which fields, what is wrong with each, no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from holdfast.model.entity import Entity
from holdfast.model.plain import invalid_fields
from holdfast.model.schema import EntitySchema


def describe_problem(error: ValidationError) -> str:
    """What the first problem of a validation error is, without the value that caused it."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return str(first["msg"]).removeprefix("Value error, ")


def validate_entity(schema: EntitySchema, entity: type[Entity], values: Mapping[str, Any]) -> Entity:
    """`entity(**values)`, its errors told as InvalidInput without values."""
    try:
        return entity.model_validate(dict(values))
    except ValidationError as error:
        problems: dict[str, str] = {}
        for item in error.errors(include_url=False, include_context=False, include_input=False):
            name = str(item["loc"][0]) if item["loc"] else "(row)"
            problem = (
                "is required" if item["type"] == "missing" else str(item["msg"]).removeprefix("Value error, ")
            )
            problems.setdefault(name[:64], problem)
        raise invalid_fields(schema, problems) from None
