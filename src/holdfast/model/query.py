"""A query as a value: conditions, one sort, a limit, and the key after which to go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from holdfast.errors import InvalidInput, NotIndexed
from holdfast.model.schema import EntitySchema

MAX_LIMIT = 1000
DEFAULT_LIMIT = 100


class Op(StrEnum):
    """How a field is compared."""

    EQ = "eq"
    GT = "gt"
    GE = "gte"
    LT = "lt"
    LE = "lte"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Condition:
    """`field op value`; the value is a Python value of the field's type, for IN a tuple of them, for EQ also None."""

    field: str
    op: Op
    value: Any


@dataclass(frozen=True, slots=True)
class Key:
    """The place of a row in its list: the sort field's value (absent when sorted by id) and the id."""

    value: Any
    row_id: UUID


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. Rows come in the order of `sort`, ties by id; absent values come before all others."""

    schema: EntitySchema
    where: tuple[Condition, ...] = ()
    sort: str = "id"
    descending: bool = False
    limit: int = DEFAULT_LIMIT
    after: Key | None = None

    @property
    def is_default(self) -> bool:
        """The list in order of ids, nothing filtered: the one for which engines keep a plan."""
        return not self.where and self.sort == "id" and not self.descending


def check_query(schema: EntitySchema, fields: Iterable[str], limit: int) -> None:
    """Refuse what no index serves. Raises NotIndexed, or InvalidInput for an unknown field or a limit out of range."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit must lie between 1 and {MAX_LIMIT}", fields={"limit": "out of range"})
    for name in fields:
        if name not in schema.by_name:
            raise InvalidInput(
                "no such field", where=schema.name, fields={name[:64]: "is not a field of this entity"}
            )
        if name not in schema.sortable:
            raise NotIndexed("no index serves a filter or sort on this field", where=f"{schema.name}.{name}")
