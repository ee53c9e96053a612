"""The conversions of `model.conversions` as expressions on stored values: NULL where a value has no counterpart. Pure.

Numbers are taken apart into sign, whole and broken digits, all of them text: so a text, an integer and a decimal of any size
become one another exactly, by what SQLite has in every version that we run on.
"""

from __future__ import annotations

from typing import Final

from holdfast.engines.sqlite._ddl import field_check
from holdfast.engines.sqlite._names import literal
from holdfast.engines.sqlite._values import INTEGER_DIGITS, TEXT_DIGITS
from holdfast.model.schema import FieldSchema
from holdfast.model.types import DecimalType, FieldType

_NOUGHTS: Final = literal("0" * 40)
_DAY: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_HEX: Final = "0123456789abcdef"
_DAY_MICROSECONDS: Final = 86_400_000_000
_NUMBERS: Final = frozenset({"integer", "decimal"})
_MOST, _LEAST = literal(str(2**63 - 1)), literal(str(2**63))


def converted(old: FieldType, new: FieldType, column: str) -> str:
    """`column`, of type `old`, as `new`."""
    if new.kind in _NUMBERS:
        return _number(old, new, column)
    value, possible = _other(old, new, column)
    if possible is not None:
        value = f"case when {possible} then {value} end"
    within = " and ".join(_within(new, "v")) or "true"
    return f"(select v from (select {value} as v) where {within})"


def _other(old: FieldType, new: FieldType, column: str) -> tuple[str, str | None]:
    """What a value becomes, and the condition that it becomes anything."""
    match old.kind, new.kind:
        case "text", "boolean":
            return f"{column} = 'true'", f"{column} in ('true', 'false')"
        case "text", "uuid":
            return _bytes_of(column), _is_uuid(column)
        case "text", _:
            return (
                column,
                f"{column} glob {literal(_DAY)} and date({column}, '+0 days') = {column} and {column} >= '0001'",
            )
        case "date", "instant":
            return f"cast(strftime('%s', {column}) as integer) * 1000000", None
        case "instant", _:
            return f"date({column} / 1000000, 'unixepoch')", f"{column} % {_DAY_MICROSECONDS} = 0"
        case "boolean", _:
            return f"case {column} when 1 then 'true' when 0 then 'false' end", None
        case "uuid", _:
            return _spelled(column), f"{column} is not null"
        case "decimal", _:
            return _written(old, column), None
        case "integer", _:
            return f"cast({column} as text)", None
        case _:
            return column, None


def _within(new: FieldType, value: str) -> list[str]:
    check = field_check(FieldSchema("x", new))
    return [check.replace('"x"', value)] if check else []


# -- ids ----------------------------------------------------------------------------------------------------------


def _is_uuid(column: str) -> str:
    parts = "-".join(f"{'[0-9a-f]' * size}" for size in (8, 4, 4, 4, 12))
    return f"{column} glob {literal(parts)}"


def _bytes_of(column: str) -> str:
    """The 16 bytes that a text spells, each looked up in a row of all: `unhex` is younger than what we run on."""
    digit = "instr(h, substr(x, {}, 1)) - 1"
    each = (f"substr(b, 16 * ({digit.format(at)}) + {digit.format(at + 1)} + 1, 1)" for at in range(1, 32, 2))
    source = (
        f"select replace({column}, '-', '') as x, {literal(_HEX)} as h, x'{bytes(range(256)).hex()}' as b"
    )
    return f"(select cast({' || '.join(each)} as blob) from ({source}))"


def _spelled(column: str) -> str:
    text = f"lower(hex({column}))"
    parts = (
        f"substr({text}, {start}, {size})" for start, size in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    )
    return " || '-' || ".join(parts)


# -- numbers ------------------------------------------------------------------------------------------------------


def _number(old: FieldType, new: FieldType, column: str) -> str:
    """As an integer or a decimal."""
    source, valid = _apart(old, new, column)
    if isinstance(new, DecimalType):
        digits = f"ltrim(w || substr(f || {_NOUGHTS}, 1, {new.scale}), '0')"
        conditions = [f"trim(substr(f, {new.scale + 1}), '0') = ''", f"length(d) <= {new.precision}"]
        value = _small("d") if new.precision <= INTEGER_DIGITS else _large("d")
    else:
        digits, value = "ltrim(w, '0')", _small("d")
        most = f"case when n then {_LEAST} else {_MOST} end"
        fits = f"(length(d) < 19 or (length(d) = 19 and d <= {most}))"
        conditions = ["trim(f, '0') = ''", fits, *_within(new, value)]
    rows = f"select n, f, {digits} as d from ({source}) where {valid}"
    return f"(select {value} from ({rows}) where {' and '.join(conditions)})"


def _small(digits: str) -> str:
    return f"cast(case when n then '-' else '' end || '0' || {digits} as integer)"


def _large(digits: str) -> str:
    padded = f"substr({_NOUGHTS} || {digits}, -{TEXT_DIGITS})"
    return f"case when n and {digits} <> '' then '0' || {_turned(padded)} else '1' || {padded} end"


def _turned(digits: str) -> str:
    """Each digit taken from nine."""
    text = digits
    for one in range(5):
        other = 9 - one
        text = f"replace(replace(replace({text}, '{one}', 'x'), '{other}', '{one}'), 'x', '{other}')"
    return text


def _apart(old: FieldType, new: FieldType, column: str) -> tuple[str, str]:
    """The sign (n), the whole (w) and the broken digits (f) of a value; and the condition that it is a number."""
    match old:
        case DecimalType(scale=scale):
            return _decimal_apart(old, column, scale), "w is not null"
        case _ if old.kind == "integer":
            text = f"cast({column} as text)"
            return f"select {column} < 0 as n, ltrim({text}, '-') as w, '' as f", "w is not null"
        case _:
            return _text_apart(column), _is_number(new)


def _decimal_apart(old: DecimalType, column: str, scale: int) -> str:
    if old.precision <= INTEGER_DIGITS:
        negative, digits = f"{column} < 0", f"{_NOUGHTS} || ltrim(cast({column} as text), '-')"
    else:
        negative, plain = f"substr({column}, 1, 1) = '0'", f"substr({column}, 2)"
        digits = f"{_NOUGHTS} || case when {negative} then {_turned(plain)} else {plain} end"
    broken = f"substr(t, -{scale})" if scale else "''"
    return (
        f"select n, substr(t, 1, length(t) - {scale}) as w, {broken} as f "
        f"from (select {negative} as n, {digits} as t)"
    )


def _text_apart(column: str) -> str:
    unsigned = f"select {column} glob '-*' as n, substr({column}, 1 + ({column} glob '-*')) as u"
    point = f"select n, u, instr(u, '.') as p from ({unsigned})"
    return (
        f"select n, p, case when p then substr(u, 1, p - 1) else u end as w, "
        f"case when p then substr(u, p + 1) else '' end as f from ({point})"
    )


def _is_number(new: FieldType) -> str:
    """The patterns of `model.conversions`, of texts that were taken apart."""
    whole, scale = 18, 0
    if isinstance(new, DecimalType):
        whole, scale = max(1, new.precision - new.scale), new.scale
    conditions = [f"w not glob '*[^0-9]*' and length(w) between 1 and {whole}"]
    if scale:
        conditions.append(f"f not glob '*[^0-9]*' and length(f) between (p > 0) and {scale}")
    else:
        conditions.append("p = 0")
    return " and ".join(conditions)


def _written(old: FieldType, column: str) -> str:
    """A decimal as its plain form has it."""
    assert isinstance(old, DecimalType)  # noqa: S101
    whole = "case when ltrim(w, '0') = '' then '0' else ltrim(w, '0') end"
    broken = " || '.' || f" if old.scale else ""
    source = _decimal_apart(old, column, old.scale)
    return f"(select case when n then '-' else '' end || {whole}{broken} from ({source}))"
