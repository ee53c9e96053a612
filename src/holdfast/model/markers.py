"""Markers stand in `Annotated[…]` on a field and say what the field is beyond its Python type.

A marker is found by walking the annotation, because Pydantic's own metadata loses it below `| None` and inside
containers; one that the walk cannot place is a declaration error (see `walk.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

MergeRule = Literal["last_writer", "server", "device", "max", "min", "counter", "union", "manual"]
OnDelete = Literal["restrict", "cascade", "set_null"]


class Marker:
    """What all field markers are."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MaxLength(Marker):
    """At most `length` characters of text, or bytes."""

    length: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        limit = self.length

        def check(value: Any) -> Any:
            if value is not None and len(value) > limit:
                raise ValueError(f"must have at most {limit} characters")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))


@dataclass(frozen=True, slots=True)
class Digits(Marker):
    """An exact decimal: `precision` digits in all, `scale` of them behind the point."""

    precision: int
    scale: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        from holdfast.model.types import DecimalType

        kind = DecimalType(self.precision, self.scale)

        def refuse_float(value: Any) -> Any:
            if isinstance(value, float | bool):
                raise ValueError("must be a decimal number, as text or exact; a float is not exact")
            return value

        def check(value: Any) -> Any:
            return kind.normalise(value) if isinstance(value, Decimal) else value

        checked = core_schema.no_info_after_validator_function(check, handler(source))
        return core_schema.no_info_before_validator_function(refuse_float, checked)


@dataclass(frozen=True, slots=True)
class Ref(Marker):
    """The id of a row of `table` (`"table"` of the same pack, or `"pack.table"`), always of the same tenant.

    `on_delete` says what deleting the row that is referred to does here: `restrict` refuses it, `cascade` deletes this
    row as well, `set_null` empties the field. The store does it, one change a row; the database cascades nothing.
    """

    table: str
    on_delete: OnDelete = "restrict"


@dataclass(frozen=True, slots=True)
class Member(Marker):
    """The id of a user who is a member of the row's tenant."""


@dataclass(frozen=True, slots=True)
class ServerSet(Marker):
    """Set by Holdfast; a value that a client sends is refused on REST and ignored on the sync wire."""


@dataclass(frozen=True, slots=True)
class Merge(Marker):
    """How two edits of this field are merged when devices meet; `last_writer` where nothing is said."""

    rule: MergeRule = "last_writer"


@dataclass(frozen=True, slots=True)
class Was(Marker):
    """Renamed: what is stored, logged and held by devices keeps `name`, the first one; Python and REST use the new one.

    On a field, `Annotated[str, Was("title")]`; among an entity's policies, the first name of its table.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Converted(Marker):
    """Of another type than before: the values come from the stored field `name`, and stand in a new one beside it.

    `Annotated[int, Converted("amount")]` is stored as `amount_integer`, whatever the field is called.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Sealed(Marker):
    """Ciphertext at rest. `index` offers equality search by blind index, `group` seals several fields as one.

    No store seals yet: a declaration with it is checked, and refused.
    """

    index: Literal["unique", "bucket"] | None = None
    group: str | None = None
