"""A list's query string: filters, sort, limit and cursor, their texts read as the fields' own types.

`field=text` compares for equality, `field__gt`, `__gte`, `__lt`, `__lte` for order, `field__in` with any of several:
`a,b` in one parameter, or the parameter repeated, each then one value whole, commas included. `null` stands for an
absent value where the field may be absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from holdfast.api.errors import Malformed
from holdfast.errors import InvalidInput
from holdfast.model.plain import invalid_fields
from holdfast.model.query import DEFAULT_LIMIT, Op, check_query
from holdfast.model.schema import EntitySchema, FieldSchema

MAX_PARAMETERS = 64
MAX_CHOICES = 100
_LIMIT = re.compile(r"\d{1,4}\Z", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}\Z", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What to list, in the words of `Store.read_bodies`."""

    where: Mapping[str, Any] = field(default_factory=dict)
    sort: str = "id"
    limit: int = DEFAULT_LIMIT
    after: str | None = None


_DEFAULT = ListRequest()


def read_list_request(schema: EntitySchema, query_string: bytes) -> ListRequest:
    """What the query string asks for. Raises Malformed, NotIndexed, or InvalidInput naming the parameters."""
    if not query_string:
        return _DEFAULT
    given = _parameters(query_string)
    limit = _limit(_single(given, "limit"))
    sort = _single(given, "sort")
    after = _single(given, "after")
    return ListRequest(_conditions(schema, given), "id" if sort is None else sort, limit, after)


def _parameters(query_string: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise Malformed(
            f"the query string is not `name=value`, joined by &, percent-encoded, at most {MAX_PARAMETERS}"
        ) from None
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    return given


def _single(given: dict[str, list[str]], name: str) -> str | None:
    values = given.pop(name, None)
    if values is None:
        return None
    if len(values) > 1:
        raise Malformed("a parameter that may be given once was given twice", where=name)
    return values[0]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not _LIMIT.match(text):
        raise InvalidInput("the limit is not valid", fields={"limit": "must be a whole number"})
    return int(text)


def _conditions(schema: EntitySchema, given: dict[str, list[str]]) -> dict[str, Any]:
    where: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, texts in given.items():
        field_name, _, op = name.partition("__")
        declared = schema.by_name.get(field_name)
        if declared is None:
            problems[_shown(name)] = "is not a field of this entity, nor limit, after or sort"
            continue
        check_query(schema, (field_name,), DEFAULT_LIMIT)
        try:
            where[name] = _value(declared, op, texts)
        except ValueError as error:
            problems[_shown(name)] = str(error)
    if problems:
        raise invalid_fields(schema, problems)
    return where


def _value(declared: FieldSchema, op: str, texts: list[str]) -> Any:
    if op == Op.IN:
        choices = texts[0].split(",") if len(texts) == 1 else texts
        if len(choices) > MAX_CHOICES:
            raise ValueError(f"takes at most {MAX_CHOICES} values")
        return tuple(from_text(declared, text) for text in choices)
    if op not in {"", *Op}:
        raise ValueError("is no comparison; use gt, gte, lt, lte or in")
    if len(texts) > 1:
        raise ValueError("was given twice; use __in for one of several")
    if texts[0] == "null" and declared.nullable and op in {"", Op.EQ}:
        return None
    return from_text(declared, texts[0])


def from_text(declared: FieldSchema, text: str) -> Any:
    """The value of the field's type that a parameter spells. Raises ValueError, without the text."""
    match declared.type.kind:
        case "boolean":
            if text not in _BOOLEANS:
                raise ValueError("must be true or false")
            return _BOOLEANS[text]
        case "integer":
            if not _INTEGER.match(text):
                raise ValueError("must be a whole number")
            return declared.type.decode(int(text))
        case _:
            return declared.type.decode(text)


def _shown(name: str) -> str:
    """A parameter's name, cut and made printable: it is the caller's text."""
    return "".join(c if c.isprintable() else "?" for c in name[:64]) or "(empty)"
