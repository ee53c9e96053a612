"""Rows in plain form: what REST reads and writes, and what is hashed and measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from holdfast.errors import InvalidInput
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import Plain


def encode_row(schema: EntitySchema, row: Mapping[str, Any]) -> dict[str, Plain]:
    """The plain form of a normalised row, fields in declared order, system fields first."""
    return {
        name: None if row[name] is None else field.type.encode(row[name])
        for name, field in schema.by_name.items()
    }


def decode_row(schema: EntitySchema, plain: Mapping[str, Plain]) -> dict[str, Any]:
    """The normalised row that `encode_row` wrote down: how an engine reads back what it has kept in plain form."""
    return {
        name: None if plain[name] is None else field.type.decode(plain[name])
        for name, field in schema.by_name.items()
    }


def render_row(schema: EntitySchema, row: Mapping[str, Any]) -> bytes:
    """The JSON text of a normalised row."""
    return orjson.dumps(encode_row(schema, row))


def encode_fields(schema: EntitySchema, values: Mapping[str, Any]) -> dict[str, Plain]:
    """The plain form of some fields."""
    fields = schema.by_name
    return {
        name: None if value is None else fields[name].type.encode(value) for name, value in values.items()
    }


def decode_fields(schema: EntitySchema, plain: Any, *, client_sets_id: bool = False) -> dict[str, Any]:
    """Python values of the fields in a client's JSON object.

    Raises InvalidInput that names every offending field: unknown, not the client's to set, or of the wrong form.
    """
    if not isinstance(plain, dict):
        raise InvalidInput("the body must be a JSON object", where=schema.name)
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, item in plain.items():
        field = schema.by_name.get(name)
        if field is None:
            problems[_shown(name)] = "is not a field of this entity"
        elif field.server_set and not (client_sets_id and name == "id"):
            problems[name] = "is set by the server"
        else:
            _decode_into(values, problems, field, item)
    if problems:
        raise invalid_fields(schema, problems)
    return values


def _decode_into(values: dict[str, Any], problems: dict[str, str], field: FieldSchema, item: Any) -> None:
    if item is None:
        if field.nullable:
            values[field.name] = None
        else:
            problems[field.name] = "must not be null"
        return
    try:
        values[field.name] = field.type.decode(item)
    except ValueError as error:
        problems[field.name] = str(error)


def normalise_fields(schema: EntitySchema, values: Mapping[str, Any]) -> dict[str, Any]:
    """The one form that engines store, of Python values. Raises InvalidInput that names every offending field."""
    normal: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in values.items():
        field = schema.by_name[name]
        if value is None:
            if not field.nullable:
                problems[name] = "must not be null"
            normal[name] = None
            continue
        try:
            normal[name] = field.type.normalise(value)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise invalid_fields(schema, problems)
    return normal


def invalid_fields(schema: EntitySchema, problems: dict[str, str]) -> InvalidInput:
    """The error that names fields and what is wrong with them."""
    named = "; ".join(f"{name} {problem}" for name, problem in sorted(problems.items()))
    return InvalidInput(f"some fields are not valid: {named}"[:1000], where=schema.name, fields=problems)


def _shown(name: str) -> str:
    """An unknown field's name, cut and made printable: it is the caller's text, and may be anything."""
    return "".join(c if c.isprintable() else "?" for c in name[:64]) or "(empty)"
