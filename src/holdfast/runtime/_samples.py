"""A row of any declared entity, for trying things out: every required field filled with a plain value that the entity's own
rules take, and the rows that it must refer to made before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from holdfast.errors import InvalidInput
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.schema import MEMBERS, EntitySchema, FieldSchema
from holdfast.model.types import ChoiceType, DecimalType, IntegerType
from holdfast.runtime.checking import NotChecked
from holdfast.runtime.packs import JOBS, REALM, SYNC

_DAYS = 3_650
_MANY = 1_000_000
_TRIES = 12
_START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sample:
    """A row, what it refers to, and a field to change with what to change it to; None where it has none."""

    schema: EntitySchema
    parents: tuple[Entity, ...]
    """In the order in which they are put."""
    row: Entity
    change: tuple[str, Any] | None

    @property
    def rows(self) -> tuple[Entity, ...]:
        """All of them, in the order in which they are put."""
        return (*self.parents, self.row)


def tried(
    catalog: Catalog, member: UUID, *, visibility: tuple[str, ...] = ("owned", "shared"), synced: bool = False
) -> tuple[list[Sample], dict[str, str]]:
    """A sample of each of the enabled packs' entities of these visibilities, and of those that cannot be tried the reason, by name.

    `member` is who stands where a member must. With `synced`, only what devices hold.
    """
    samples: list[Sample] = []
    reasons: dict[str, str] = {}
    for schema in catalog:
        if schema.pack in {REALM, SYNC, JOBS}:
            continue  # the platform's own, which say nothing of the application's
        if not schema.journaled or schema.visibility not in visibility or (synced and not schema.synced):
            continue
        try:
            samples.append(sample(catalog, schema, member))
        except NotChecked as reason:
            reasons[schema.name] = str(reason)
    return samples, reasons


def sample(catalog: Catalog, schema: EntitySchema, member: UUID) -> Sample:
    """A new row and what it needs. Raises NotChecked, with the reason, where there is none."""
    parents: list[Entity] = []
    row = _row(catalog, schema, member, parents)
    return Sample(schema, tuple(parents), row, _change(schema, row))


def _row(catalog: Catalog, schema: EntitySchema, member: UUID, parents: list[Entity]) -> Entity:
    given: dict[str, Any] = {}
    for field in schema.fields:
        if field.required and field.reference is not None:
            given[field.name] = (
                member
                if field.reference.table == MEMBERS
                else _parent(catalog, schema, field, member, parents)
            )
    open_fields = [field for field in schema.fields if field.required and field.reference is None]
    untried = {field.name: _values(field, fresh=field.name in _keyed(schema)) for field in open_fields}
    values = {name: next(each) for name, each in untried.items()}
    for _ in range(_TRIES):
        try:
            return catalog.entity(schema)(**given, **values)
        except ValidationError as refused:
            names = {str(error["loc"][0]) for error in refused.errors(include_input=False) if error["loc"]}
            if not names or not names <= untried.keys():
                break
            for name in names:
                try:
                    values[name] = next(untried[name])
                except StopIteration:
                    raise NotChecked(f"its own rules take no plain value for {name}") from None
        except (ValueError, InvalidInput):
            break
    raise NotChecked("its own rules take no plain row")


def _parent(
    catalog: Catalog, schema: EntitySchema, field: FieldSchema, member: UUID, parents: list[Entity]
) -> UUID:
    assert field.reference is not None  # noqa: S101 (the caller has looked)
    target = catalog.logged(field.reference.table)
    if target.name == schema.name:
        raise NotChecked(f"each row needs another one before it, by {field.name}")
    if target.visibility == "realm" or not target.journaled:
        raise NotChecked(f"{field.name} refers to {target.name}, whose rows people do not write")
    try:
        row = _row(catalog, target, member, parents)
    except NotChecked as reason:
        raise NotChecked(f"{field.name} refers to {target.name}, and of that: {reason}") from None
    parents.append(row)
    return row.id


def _change(schema: EntitySchema, row: Entity) -> tuple[str, Any] | None:
    """A field to change, rather one that stands in no unique rule, and a value that the entity's own rules take."""
    keyed = _keyed(schema)
    for field in sorted(schema.fields, key=lambda field: field.name in keyed):
        if field.server_set or field.reference is not None:
            continue
        present = getattr(row, field.name)
        for value in _values(field, fresh=True, other=True):
            if value != present and _takes(row, field.name, value):
                return field.name, value
    return None


def _takes(row: Entity, name: str, value: Any) -> bool:
    try:
        setattr(row.model_copy(), name, value)
    except (ValueError, InvalidInput):
        return False
    return True


def _keyed(schema: EntitySchema) -> set[str]:
    """The fields in unique rules."""
    return {name for rule in schema.uniques for name in (*rule.fields, *filter(None, (rule.when,)))}


def _values(field: FieldSchema, *, fresh: bool, other: bool = False) -> Iterator[Any]:
    """Plain values of a field's type, the plainest first. `fresh` ones are hardly made twice, `other` ones not empty."""
    for value in _of_kind(field, fresh=fresh, other=other):
        try:
            yield field.type.normalise(value)
        except ValueError:
            continue


def _of_kind(field: FieldSchema, *, fresh: bool, other: bool) -> Iterator[Any]:
    token, number = secrets.token_hex(4), secrets.randbelow(_MANY) if fresh else 0
    match field.type.kind:
        case "text":
            yield from _texts(token, getattr(field.type, "max_length", None))
        case "choice":
            assert isinstance(field.type, ChoiceType)  # noqa: S101
            yield from field.type.values
        case "boolean":
            yield from (False, True)
        case "integer":
            assert isinstance(field.type, IntegerType)  # noqa: S101
            low, high = field.type.minimum, field.type.maximum
            yield from (
                number,
                max(low, min(0, high)),
                1,
                low + number % max(1, high - low + 1),
                10,
                low,
                high,
            )
        case "float":
            yield from (float(number), 0.0, 1.0, 0.5)
        case "decimal":
            assert isinstance(field.type, DecimalType)  # noqa: S101
            digits = min(field.type.precision, 6)
            yield from (Decimal(number % 10**digits).scaleb(-field.type.scale), Decimal(0), Decimal(1))
        case "date":
            day = _START.date() + timedelta(days=number % _DAYS)
            yield from (day, date(2000, 1, 2), date(2100, 1, 1))
        case "instant":
            yield from (_START + timedelta(seconds=number), _START + timedelta(days=36_525))
        case "uuid":
            yield uuid4()
        case "bytes":
            yield from (b"" if not other else token.encode(), token.encode(), token[:1].encode())
        case "json":
            filled = ({"holdfast": token}, [token], [number], token, number)
            yield from filled if other else ({}, [], *filled)


def _texts(token: str, longest: int | None) -> Iterator[str]:
    whole = f"holdfast verify {token}"
    yield whole if longest is None or len(whole) <= longest else token[:longest]
    yield token
    yield f"{token}@example.com"
    yield f"https://example.com/{token}"
    yield str(int(token, 16)).zfill(10)[: longest or 10]
    yield token.upper()[:2]
