"""Annotations: every spelling of one meaning is read alike, and a marker that would be lost is refused."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional, Union
from uuid import UUID

import pytest
from annotated_types import Ge, Le
from pydantic import Field, JsonValue
from typing_extensions import TypeAliasType

from holdfast.errors import DeclarationError
from holdfast.model.markers import Digits, Marker, MaxLength, Member, Merge, Ref, ServerSet
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
from holdfast.model.walk import field_type, walk

Short = Annotated[str, MaxLength(9)]


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[str, MaxLength(9), ServerSet()] | None,
        Annotated[str | None, MaxLength(9), ServerSet()],
        Annotated[Annotated[str, MaxLength(9)] | None, ServerSet()],
        Annotated[Annotated[str, ServerSet()] | None, MaxLength(9)],
        Optional[Annotated[str, MaxLength(9), ServerSet()]],  # noqa: UP045
        Union[None, Annotated[str, MaxLength(9), ServerSet()]],  # noqa: UP007
        Annotated[Optional[Short], ServerSet()],  # noqa: UP045
        Annotated[Annotated[Short, ServerSet()], "a comment"] | None,
    ],
)
def test_a_marker_is_found_wherever_it_stands(annotation: Any) -> None:
    found = walk(annotation, where="here")
    assert found.nullable
    assert found.core is str
    assert set(found.markers()) == {MaxLength(9), ServerSet()}
    assert field_type(found, where="here") == TextType(9)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, TextType()),
        (Short, TextType(9)),
        (bytes, BytesType()),
        (Annotated[bytes, MaxLength(9)], BytesType(9)),
        (bool, BooleanType()),
        (int, IntegerType()),
        (Annotated[int, Field(ge=1, le=5)], IntegerType(1, 5)),
        (Annotated[int, Ge(1), Le(5)], IntegerType(1, 5)),
        (Annotated[int, Ge(-(2**70))], IntegerType()),
        (float, FloatType()),
        (Annotated[Decimal, Digits(15, 2)], DecimalType(15, 2)),
        (Annotated[Decimal, Digits(38, 38)], DecimalType(38, 38)),
        (date, DateType()),
        (datetime, InstantType()),
        (UUID, UuidType()),
        (Literal["a", "b"], ChoiceType(("a", "b"))),
        (JsonValue, JsonType()),
        (dict, JsonType()),
        (list, JsonType()),
        (dict[str, JsonValue], JsonType()),
        (list[int], JsonType()),
        (list[dict[str, list[str]]], JsonType()),
    ],
)
def test_each_type_is_known(annotation: Any, expected: FieldType) -> None:
    assert field_type(walk(annotation, where="here"), where="here") == expected
    assert field_type(walk(annotation | None, where="here"), where="here") == expected


def test_absence_is_read_from_the_union_and_is_part_of_json() -> None:
    assert not walk(str, where="here").nullable
    assert walk(str | None, where="here").nullable
    assert walk(JsonValue, where="here").nullable
    assert not walk(dict[str, JsonValue], where="here").nullable


@pytest.mark.parametrize(
    "annotation",
    [
        list[Annotated[str, MaxLength(9)]],
        list[Annotated[str, MaxLength(9)] | None],
        dict[str, Annotated[str, MaxLength(9)]],
        dict[str, list[Annotated[UUID, Ref("files")]]],
        Annotated[list[Short], ServerSet()],
        list[Short] | None,
        list[Annotated[UUID, Member()]],
    ],
)
def test_a_marker_inside_a_container_is_refused(annotation: Any) -> None:
    with pytest.raises(DeclarationError, match="inside a container"):
        walk(annotation, where="Thing.field")


@pytest.mark.parametrize("marker", [Member, ServerSet, MaxLength, Merge])
def test_a_marker_without_its_parentheses_is_refused(marker: type[Marker]) -> None:
    for annotation in (Annotated[UUID, marker], Annotated[UUID, marker] | None):
        with pytest.raises(DeclarationError, match="without parentheses"):
            walk(annotation, where="Thing.field")


@pytest.mark.parametrize("annotation", [str | int, str | int | None, Union[str, bytes], None | str | date])  # noqa: UP007
def test_a_union_of_two_types_is_refused(annotation: Any) -> None:
    with pytest.raises(DeclarationError, match="one type"):
        walk(annotation, where="Thing.field")


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (object, "no engine stores"),
        (set[str], "no engine stores"),
        (tuple[str, ...], "no engine stores"),
        (complex, "no engine stores"),
        (Any, "no engine stores"),
        (TypeAliasType("Aliased", Annotated[str, MaxLength(9)]), "no engine stores"),
        (Decimal, "says its digits"),
        (Annotated[Decimal, Digits(39, 2)], "1 ≤ p ≤ 38"),
        (Annotated[Decimal, Digits(0, 0)], "1 ≤ p ≤ 38"),
        (Annotated[Decimal, Digits(5, 6)], "0 ≤ s ≤ p"),
        (Annotated[Decimal, Digits(5, -1)], "0 ≤ s ≤ p"),
        (Annotated[int, Digits(5, 2)], "stands on a Decimal"),
        (Annotated[int, MaxLength(5)], "stands on text or bytes"),
        (Annotated[UUID, MaxLength(36)], "stands on text or bytes"),
        (Literal[1, 2], "holds texts"),
        (Literal["a", 2], "holds texts"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_place(annotation: Any, reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason) as caught:
        field_type(walk(annotation, where="Thing.field"), where="Thing.field")
    assert caught.value.where == "Thing.field"
