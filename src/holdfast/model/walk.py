"""Reads a field's annotation: its type, whether it may be absent, and its markers wherever they stand.

`Annotated[str, MaxLength(9)] | None`, `Annotated[str | None, MaxLength(9)]` and a mixture mean the same. A marker inside
a container (`list[Annotated[…]]`) belongs to no field and is refused.
"""

from __future__ import annotations

import types
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import annotated_types
from pydantic import JsonValue
from pydantic.fields import FieldInfo

from holdfast.errors import DeclarationError
from holdfast.model.markers import Digits, Marker, MaxLength
from holdfast.model.types import (
    BooleanType,
    BytesType,
    ChoiceType,
    DateType,
    DecimalType,
    FieldType,
    FloatType,
    InstantType,
    IntegerType,
    JsonType,
    TextType,
    UuidType,
)

_SIMPLE: dict[Any, FieldType] = {
    bool: BooleanType(),
    float: FloatType(),
    date: DateType(),
    datetime: InstantType(),
    UUID: UuidType(),
}


@dataclass(slots=True)
class Annotation:
    """What stands in an annotation: the bare type, whether None is allowed, all metadata from outside in."""

    core: Any
    nullable: bool
    metadata: tuple[Any, ...]

    def markers(self) -> tuple[Marker, ...]:
        """Our own markers among the metadata."""
        return tuple(item for item in self.metadata if isinstance(item, Marker))


def walk(annotation: Any, *, where: str) -> Annotation:
    """Take `annotation` apart. Raises DeclarationError for a union of two types or a marker out of place."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner = walk(get_args(annotation)[0], where=where)
        _refuse_bare_markers(annotation, where)
        return Annotation(inner.core, inner.nullable, (*annotation.__metadata__, *inner.metadata))
    if origin in (Union, types.UnionType) and annotation is not JsonValue:
        return _walk_union(get_args(annotation), where)
    _refuse_inner_markers(annotation, where)
    return Annotation(annotation, nullable=annotation is JsonValue, metadata=())


def _walk_union(options: tuple[Any, ...], where: str) -> Annotation:
    present = [option for option in options if option is not type(None)]
    if len(present) != 1:
        raise DeclarationError("a field holds one type, or that type or None", where=where)
    inner = walk(present[0], where=where)
    return Annotation(inner.core, len(present) < len(options) or inner.nullable, inner.metadata)


def _refuse_bare_markers(annotation: Any, where: str) -> None:
    for item in annotation.__metadata__:
        if isinstance(item, type) and issubclass(item, Marker):
            raise DeclarationError(
                f"{item.__name__} stands without parentheses, and would mark nothing",
                where=where,
                hint=f"Annotated[…, {item.__name__}()]",
            )


def _refuse_inner_markers(annotation: Any, where: str) -> None:
    for argument in get_args(annotation):
        if any(isinstance(item, Marker) for item in getattr(argument, "__metadata__", ())):
            raise DeclarationError(
                "a marker stands inside a container, where it belongs to no field",
                where=where,
                hint="Put the marker around the whole annotation: Annotated[list[…], Marker()].",
            )
        _refuse_inner_markers(argument, where)


def field_type(found: Annotation, *, where: str) -> FieldType:
    """The field type of a walked annotation. Raises DeclarationError where there is none."""
    core = found.core
    length = next((item.length for item in found.metadata if isinstance(item, MaxLength)), None)
    digits = next((item for item in found.metadata if isinstance(item, Digits)), None)
    if length is not None and core not in (str, bytes):
        raise DeclarationError("MaxLength stands on text or bytes", where=where)
    if digits is not None and core is not Decimal:
        raise DeclarationError("Digits stands on a Decimal", where=where)
    if core is str:
        return TextType(length)
    if core is bytes:
        return BytesType(length)
    if core is Decimal:
        return _decimal(digits, where)
    if core is int:
        return _integer(found.metadata)
    if get_origin(core) is Literal:
        return _choice(get_args(core), where)
    if core in _SIMPLE:
        return _SIMPLE[core]
    if core is JsonValue or core in (dict, list) or get_origin(core) in (dict, list):
        return JsonType()
    raise DeclarationError(
        "no engine stores this type",
        where=where,
        hint="Use str, int, float, bool, Decimal with Digits, date, datetime, UUID, bytes, Literal, dict, list or JsonValue.",
    )


def _decimal(digits: Digits | None, where: str) -> DecimalType:
    if digits is None:
        raise DeclarationError(
            "a Decimal says its digits", where=where, hint="Annotated[Decimal, Digits(15, 2)]"
        )
    if not 0 <= digits.scale <= digits.precision or not 1 <= digits.precision <= 38:
        raise DeclarationError("Digits(p, s) needs 0 ≤ s ≤ p and 1 ≤ p ≤ 38", where=where)
    return DecimalType(digits.precision, digits.scale)


def _choice(values: tuple[Any, ...], where: str) -> ChoiceType:
    if not all(isinstance(value, str) for value in values):
        raise DeclarationError("a Literal of a field holds texts", where=where)
    return ChoiceType(values)


def _integer(metadata: tuple[Any, ...]) -> IntegerType:
    low, high = -(2**63), 2**63 - 1
    for item in _constraints(metadata):
        if isinstance(item, annotated_types.Ge):
            low = max(low, int(str(item.ge)))
        if isinstance(item, annotated_types.Le):
            high = min(high, int(str(item.le)))
    return IntegerType(low, high)


def _constraints(metadata: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    for item in metadata:
        found.extend(item.metadata if isinstance(item, FieldInfo) else [item])
    return found
