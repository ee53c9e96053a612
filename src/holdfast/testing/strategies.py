"""Hypothesis strategies for the values of declared entities.

They draw what an engine must be able to hold: every type to its edges, every declared length and bound, absent values where
they are allowed. What the declaration does not say (a validator's own rule, a row to refer to) is given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import strategies as st

from holdfast.model.entity import Entity
from holdfast.model.schema import EntitySchema, FieldSchema
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

E = TypeVar("E", bound=Entity)

_LONGEST = 60
"""Longer texts find nothing that these do not; sizes have tests of their own."""


def texts(max_length: int | None = None) -> st.SearchStrategy[str]:
    """Text that every engine can hold."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
    return st.text(letters, max_size=min(_LONGEST, max_length if max_length is not None else _LONGEST))


def json_values() -> st.SearchStrategy[Any]:
    """JSON values within what `JsonType` takes; never null as a whole, which is an absent value."""
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    plain = st.booleans() | numbers | texts()
    nested = st.none() | plain
    return st.recursive(
        plain,
        lambda inner: (
            st.lists(inner | nested, max_size=4) | st.dictionaries(texts(), inner | nested, max_size=4)
        ),
        max_leaves=8,
    )


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    """Every decimal of at most `precision` digits, `scale` of them behind the point."""
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda number: Decimal(f"{number}e-{scale}"))


def values(kind: FieldType) -> st.SearchStrategy[Any]:
    """Python values of a field type, as an application would give them: not normalised yet."""
    match kind:
        case TextType(max_length=length):
            return texts(length)
        case ChoiceType(values=choices):
            return st.sampled_from(choices)
        case BooleanType():
            return st.booleans()
        case IntegerType(minimum=low, maximum=high):
            return st.integers(low, high)
        case FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case DecimalType(precision=precision, scale=scale):
            return decimals(precision, scale)
        case DateType():
            return st.dates()
        case InstantType():
            return st.datetimes(timezones=st.just(UTC))
        case UuidType():
            return st.uuids()
        case JsonType():
            return json_values()
        case BytesType(max_length=length):
            return st.binary(max_size=min(_LONGEST, length if length is not None else _LONGEST))


def field_values(field: FieldSchema) -> st.SearchStrategy[Any]:
    """Values of one field, absent ones included where it may be absent."""
    return st.none() | values(field.type) if field.nullable else values(field.type)


def declared_values(
    schema: EntitySchema, **given: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """What a caller gives to make a row: every field that is theirs to set; `given` replaces a field's strategy.

    References are left out unless given, since only the caller knows what is there to be referred to.
    """
    return st.fixed_dictionaries(_strategies(schema, given))


def patches(schema: EntitySchema, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What a caller gives to change a row: some of the fields that are theirs to set."""
    return st.fixed_dictionaries({}, optional=_strategies(schema, given))


def entities(entity: type[E], schema: EntitySchema, **given: st.SearchStrategy[Any]) -> st.SearchStrategy[E]:
    """New entities; every required reference is given."""
    return declared_values(schema, **given).map(entity.model_validate)


def _strategies(
    schema: EntitySchema, given: Mapping[str, st.SearchStrategy[Any]]
) -> dict[str, st.SearchStrategy[Any]]:
    own = {
        field.name: field_values(field)
        for field in schema.fields
        if field.reference is None and not field.server_set
    }
    return {**own, **given}
