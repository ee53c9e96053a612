"""What a value becomes in another type: a small closed list, the same on every engine. Pure.

Each pair goes both ways, because old and new code write side by side for a while. A value that has no counterpart becomes
None, and is counted before anything is parted with.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any, Final

from holdfast.model.types import DecimalType, FieldType

PAIRS: Final = frozenset(
    {frozenset({"text", kind}) for kind in ("integer", "decimal", "date", "uuid", "boolean")}
    | {frozenset({"integer", "decimal"}), frozenset({"decimal"}), frozenset({"date", "instant"})}
)
UUID_TEXT: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
INTEGER_TEXT: Final = "-?[0-9]{1,18}"


def decimal_text(kind: DecimalType) -> str:
    """The pattern of texts that are decimals of this type."""
    whole = f"-?[0-9]{{1,{max(1, kind.precision - kind.scale)}}}"
    return whole + (rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else "")


def can_convert(old: FieldType, new: FieldType) -> bool:
    """Whether every engine converts values of the one type to the other, and back."""
    return frozenset({old.kind, new.kind}) in PAIRS


def convert(old: FieldType, new: FieldType, value: Any) -> Any:
    """A normalised value in another type; None where it has no counterpart."""
    if value is None:
        return None
    try:
        return new.normalise(_convert(old, new, value))
    except ValueError:
        return None


def _convert(old: FieldType, new: FieldType, value: Any) -> Any:
    if new.kind == "text":
        plain = old.encode(value)
        return str(plain).lower() if old.kind == "boolean" else str(plain)
    if old.kind == "text":
        return _read(new, value)
    if old.kind == "decimal" and new.kind == "integer":
        if value != value.to_integral_value():
            raise ValueError("is no whole number")
        return int(value)
    if old.kind == "date":
        return datetime.combine(value, time(), UTC)
    if old.kind == "instant":
        return _day(value)
    return value


def _day(value: datetime) -> date:
    moment = value.astimezone(UTC)
    if moment.time() != time():
        raise ValueError("is no whole day")
    return moment.date()


def _read(new: FieldType, text: str) -> Any:
    match new:
        case DecimalType():
            pattern = decimal_text(new)
        case _ if new.kind == "integer":
            pattern = INTEGER_TEXT
        case _ if new.kind == "uuid":
            pattern = UUID_TEXT
        case _:
            pattern = ".*"
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError("is no such value")
    if new.kind == "integer":
        return int(text)
    if new.kind == "boolean":
        return _truth(text)
    return new.decode(text)


def _truth(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("is no truth value")
    return text == "true"
