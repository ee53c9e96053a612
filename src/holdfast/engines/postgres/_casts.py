"""The conversions of `model.conversions` as expressions: NULL where a value has no counterpart. Pure."""

from __future__ import annotations

from holdfast.engines.postgres._ddl import field_check
from holdfast.engines.postgres._names import literal, record_type
from holdfast.model.conversions import INTEGER_TEXT, UUID_TEXT, decimal_text
from holdfast.model.schema import FieldSchema
from holdfast.model.types import DecimalType, FieldType, TextType

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"


def converted(old: FieldType, new: FieldType, column: str) -> str:
    """`column`, of type `old`, as `new`."""
    value = f"({_cast(old, new, column)})"
    conditions = [_possible(old, new, column), *_within(new, value)]
    return f"case when {' and '.join(f'({c})' for c in conditions)} then {value} end"


def _cast(old: FieldType, new: FieldType, column: str) -> str:
    if new.kind == "text":
        return f"to_char({column}, 'YYYY-MM-DD')" if old.kind == "date" else f"{column}::text"
    if (old.kind, new.kind) == ("date", "instant"):
        return f"{column}::timestamp at time zone 'UTC'"
    if (old.kind, new.kind) == ("instant", "date"):
        return f"({column} at time zone 'UTC')::date"
    return f"{column}::{record_type(new)}"


def _possible(old: FieldType, new: FieldType, column: str) -> str:
    """Whether there is a counterpart at all: asked before the cast, which would fail."""
    if old.kind == "text":
        return _readable(new, column)
    match new:
        case DecimalType(precision=precision, scale=scale):
            return f"abs({column}::numeric) < 1e{precision - scale} and round({column}, {scale}) = {column}"
        case _ if new.kind == "integer":
            return f"trunc({column}) = {column} and {column} between -9223372036854775808 and 9223372036854775807"
        case _ if new.kind == "date":
            return f"({column} at time zone 'UTC')::time = '00:00'"
        case _:
            return f"{column} is not null"


def _readable(new: FieldType, column: str) -> str:
    match new:
        case DecimalType(precision=precision, scale=scale):
            readable = f"{column} ~ {literal(f'^({decimal_text(new)})$')}"
            if scale < precision:
                return readable
            return f"case when {readable} then abs({column}::numeric) < 1 else false end"
        case _ if new.kind == "integer":
            return f"{column} ~ {literal(f'^{INTEGER_TEXT}$')}"
        case _ if new.kind == "uuid":
            return f"{column} ~ {literal(f'^{UUID_TEXT}$')}"
        case _ if new.kind == "boolean":
            return f"{column} in ('true', 'false')"
        case _:
            return f"case when {column} ~ '^{_DAY}$' then {_real_day(column)} else false end"


def _real_day(column: str) -> str:
    """Whether a text of a day's form is a day of the calendar."""
    year, month, day = (f"substr({column}, {start}, {size})::int" for start, size in ((1, 4), (6, 2), (9, 2)))
    last = f"extract(day from make_date({year}, {month}, 1) + interval '1 month' - interval '1 day')"
    return f"case when {year} >= 1 and {month} between 1 and 12 and {day} >= 1 then {day} <= {last} else false end"


def _within(new: FieldType, value: str) -> list[str]:
    if isinstance(new, TextType) and new.max_length is not None:
        return [f"char_length({value}) <= {new.max_length}"]
    check = field_check(FieldSchema("x", new))
    return [check.replace('"x"', value)] if check else []
