"""An entity's own validation, its errors told as InvalidInput: which fields, what is wrong with each, no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from holdfast.model.entity import Entity
from holdfast.model.plain import invalid_fields
from holdfast.model.schema import EntitySchema


def describe_problem(error: ValidationError) -> str:
    """What the first problem of a validation error is, without the value that caused it."""
    return _told(_problems(error)[0])


def validate_entity(schema: EntitySchema, entity: type[Entity], values: Mapping[str, Any]) -> Entity:
    """`entity(**values)`, its errors told as InvalidInput without values."""
    try:
        return entity.model_validate(dict(values))
    except ValidationError as error:
        problems: dict[str, str] = {}
        for item in _problems(error):
            name = str(item["loc"][0]) if item["loc"] else "(row)"
            problems.setdefault(name[:64], "is required" if item["type"] == "missing" else _told(item))
        raise invalid_fields(schema, problems) from None


def _problems(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False, include_input=False)


def _told(problem: ErrorDetails) -> str:
    return problem["msg"].removeprefix("Value error, ")
