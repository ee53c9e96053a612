"""Where `Sealed` may stand, and what may be searched for in what is sealed. Pure; the sealing itself is `crypto`'s.

A field that decides something before it is read (whose the row is, what it refers to, whether a rule counts it) stays plain. An
index over ciphertext finds nothing, so a sealed field stands in an Index or Unique by its blind index alone. A blind index shows
which rows hold equal values: of a field with few possible values that is the value itself, and such an index is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, get_type_hints

from pydantic import BaseModel

from holdfast.errors import DeclarationError
from holdfast.model.markers import Sealed
from holdfast.model.policies import Index, Keep, Owned, Personal, Policy, Unique
from holdfast.model.schema import SYSTEM_FIELDS, EntitySchema
from holdfast.model.types import (
    BooleanType,
    BytesType,
    ChoiceType,
    DecimalType,
    FieldType,
    FloatType,
    IntegerType,
    JsonType,
)
from holdfast.model.walk import walk

FEWEST_VALUES: Final = 1_000
"""A type with fewer possible values than this has no blind index."""


def sealed_fields(entity: type[BaseModel]) -> dict[str, Sealed]:
    """The fields that are marked, with their markers."""
    hints = get_type_hints(entity, include_extras=True)
    found: dict[str, Sealed] = {}
    for name, info in entity.model_fields.items():
        metadata = (*walk(hints[name], where=f"{entity.__name__}.{name}").metadata, *info.metadata)
        for item in metadata:
            if isinstance(item, Sealed):
                found[name] = item
    return found


def check_sealing(
    where: str, schema: EntitySchema, policies: tuple[Policy, ...], sealed: Mapping[str, Sealed]
) -> None:
    """Raise DeclarationError, with a hint, for a mark that cannot be carried out. `sealed` may name system fields."""
    plain = dict(_plain_fields(schema, policies))
    for name, marker in sealed.items():
        if name in plain:
            raise DeclarationError(
                f"a sealed field cannot be {plain[name]}",
                where=f"{where}.{name}",
                hint="It is needed before anything is opened: leave it plain, or seal another field.",
            )
        if marker.index is not None:
            _check_index(schema.by_name[name].type, where=f"{where}.{name}")
        if marker.group is not None and (marker.group in schema.by_name or not marker.group.isidentifier()):
            raise DeclarationError(
                "a group of sealed fields has a name of its own, which no field has",
                where=f"{where}.{name}",
                hint='Sealed(group="details")',
            )
    for policy in policies:
        if isinstance(policy, Index | Unique):
            _check_key(where, policy, sealed)


def _plain_fields(schema: EntitySchema, policies: tuple[Policy, ...]) -> Iterator[tuple[str, str]]:
    """The fields that must be readable without a key, and why."""
    for name in SYSTEM_FIELDS:
        yield name, "the store's own"
    for field in schema.fields:
        if field.reference is not None:
            yield field.name, "a reference"
    for policy in policies:
        match policy:
            case Owned(by=name):
                yield name, "the row's owner"
            case Personal(subject=name):
                yield name, "the person whom the row is about"
            case Keep(since=name):
                yield name, "what retention counts from"
            case Unique(when=str(name)):
                yield name, "the condition of a unique rule"
            case _:
                pass


def _check_key(where: str, policy: Index | Unique, sealed: Mapping[str, Sealed]) -> None:
    """A sealed field in an index or unique rule is there by its blind index."""
    for name in policy.fields:
        marker = sealed.get(name)
        if marker is None:
            continue
        if marker.index is None:
            raise DeclarationError(
                f"a sealed field stands in {type(policy).__name__}, and has no blind index",
                where=f"{where}.{name}",
                hint='Annotated[…, Sealed(index="unique")], or "bucket"; or leave it out of Index and Unique.',
            )
        if marker.index == "bucket" and isinstance(policy, Unique):
            raise DeclarationError(
                "a bucket index is shared by different values, so that no unique rule can rest on it",
                where=f"{where}.{name}",
                hint='Annotated[…, Sealed(index="unique")]',
            )


def _check_index(kind: FieldType, *, where: str) -> None:
    if isinstance(kind, JsonType | FloatType):
        raise DeclarationError(
            "JSON and floats have no blind index",
            where=where,
            hint="Index another field; what is searched for is compared exactly.",
        )
    if possible_values(kind) < FEWEST_VALUES:
        raise DeclarationError(
            f"a blind index on a field with fewer than {FEWEST_VALUES:,} possible values would show them",
            where=where,
            hint="Seal it without index=, and filter what other fields find.",
        )


def possible_values(kind: FieldType) -> float:
    """How many values a type has, as far as its declaration limits them."""
    match kind:
        case BooleanType():
            return 2
        case ChoiceType(values=values):
            return len(values)
        case IntegerType(minimum=low, maximum=high):
            return high - low + 1
        case DecimalType(precision=digits):
            return float(2 * 10**digits - 1)
        case BytesType(max_length=int(length)):
            return 256 if length == 1 else float("inf")
        case _:
            return float("inf")
