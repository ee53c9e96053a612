"""Filtering and ordering as the port asks for it: bytewise text, ties by id, absent values first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from holdfast.engines.port import Row
from holdfast.model.query import Condition, Op, Query

SortKey = tuple[bool, Any, bytes]


def matches(row: Row, conditions: Sequence[Condition]) -> bool:
    """Whether the row meets every condition; an absent value meets none but `eq None`."""
    return all(_meets(row[condition.field], condition) for condition in conditions)


def _meets(value: Any, condition: Condition) -> bool:
    other = condition.value
    if condition.op is Op.EQ:
        return bool(value == other)
    if condition.op is Op.IN:
        return value in other
    if value is None or other is None:
        return False
    left, right = comparable(value), comparable(other)
    match condition.op:
        case Op.GT:
            return bool(left > right)
        case Op.GE:
            return bool(left >= right)
        case Op.LT:
            return bool(left < right)
        case _:
            return bool(left <= right)


def comparable(value: Any) -> Any:
    """Text and ids in the order of their bytes; everything else in its own."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, UUID):
        return value.bytes
    return value


def sort_key(row: Row, field: str) -> SortKey:
    """Absent values first, then the field, then the id."""
    value = row[field]
    return value is not None, 0 if value is None else comparable(value), row["id"].bytes


def after_key(row: Row, query: Query) -> bool:
    """Whether the row stands behind the query's key."""
    if query.after is None:
        return True
    value = query.after.row_id if query.sort == "id" else query.after.value
    key = (value is not None, 0 if value is None else comparable(value), query.after.row_id.bytes)
    mine = sort_key(row, query.sort)
    return mine < key if query.descending else mine > key
