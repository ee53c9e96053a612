"""Field types: what a value may be, its plain form, and how a plain form is read back.

The *plain* form is what JSON can hold, exactly: decimals and 64-bit ids as text, instants as RFC 3339 in UTC with
microseconds. It is the REST form, the form that is hashed, and the form of old values in the history.
`normalise` takes a Python value to the one form that every engine stores; `encode` takes that to plain; `decode` reads
plain. All raise ValueError with a reason that never quotes the value.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any, Literal
from uuid import UUID

from holdfast.model.ids import parse_id

Plain = None | bool | int | float | str | list[Any] | dict[str, Any]

_MAX_DEPTH = 64
_JSON_LOW, _JSON_HIGH = -(2**63), 2**64
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6}0*)?([Zz]|[+-]\d\d:\d\d)\Z",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?\Z", re.ASCII)
# Of our own: the default context has 28 digits and belongs to the application, which may change it.
_EXACT = Context(prec=120)


def check_text(value: Any) -> str:
    """A string that every engine can hold: no NUL, no lone surrogate."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    if "\x00" in value:
        raise ValueError("must not contain a NUL character")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text") from None
    return value


@dataclass(frozen=True, slots=True)
class TextType:
    """Unicode text of at most `max_length` characters."""

    max_length: int | None = None
    kind: Literal["text"] = "text"

    def normalise(self, value: Any) -> str:
        text = check_text(value)
        if self.max_length is not None and len(text) > self.max_length:
            raise ValueError(f"must have at most {self.max_length} characters")
        return text

    def encode(self, value: Any) -> Plain:
        return str(value)

    def decode(self, plain: Any) -> str:
        return self.normalise(plain)


@dataclass(frozen=True, slots=True)
class ChoiceType:
    """One of a few texts."""

    values: tuple[str, ...]
    kind: Literal["choice"] = "choice"

    def normalise(self, value: Any) -> str:
        if value not in self.values:
            raise ValueError("must be one of: " + ", ".join(self.values))
        return str(value)

    def encode(self, value: Any) -> Plain:
        return str(value)

    def decode(self, plain: Any) -> str:
        return self.normalise(plain) if isinstance(plain, str) else self.normalise("")


@dataclass(frozen=True, slots=True)
class BooleanType:
    """True or false."""

    kind: Literal["boolean"] = "boolean"

    def normalise(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    def encode(self, value: Any) -> Plain:
        return bool(value)

    def decode(self, plain: Any) -> bool:
        return self.normalise(plain)


@dataclass(frozen=True, slots=True)
class IntegerType:
    """A whole number of 64 bits, within [minimum, maximum]."""

    minimum: int = -(2**63)
    maximum: int = 2**63 - 1
    kind: Literal["integer"] = "integer"

    def normalise(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number")
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"must lie between {self.minimum} and {self.maximum}")
        return value

    def encode(self, value: Any) -> Plain:
        return int(value)

    def decode(self, plain: Any) -> int:
        return self.normalise(plain)


@dataclass(frozen=True, slots=True)
class FloatType:
    """A finite IEEE 754 double; zero has no sign, because not every engine keeps it."""

    kind: Literal["float"] = "float"

    def normalise(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("must be a number")
        try:
            number = float(value)
        except OverflowError:
            raise ValueError("must be finite") from None
        if not math.isfinite(number):
            raise ValueError("must be finite")
        return number + 0.0

    def encode(self, value: Any) -> Plain:
        return float(value)

    def decode(self, plain: Any) -> float:
        return self.normalise(float(plain) if isinstance(plain, Decimal) else plain)


# Of our own: the default context has 28 digits and belongs to the application, which may change it.
_EXACT = Context(prec=120)


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact decimal of at most `precision` digits, `scale` of them behind the point. Never a float."""

    precision: int
    scale: int
    kind: Literal["decimal"] = "decimal"

    def normalise(self, value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError("must be a decimal number, as text or exact; a float is not exact")
        number = Decimal(value)
        if not number.is_finite():
            raise ValueError("must be finite")
        if number and not -60 <= number.adjusted() <= 60:
            raise ValueError(self._shape())
        try:
            fixed = number.quantize(_quantum(self.scale), context=_EXACT)
        except InvalidOperation:
            raise ValueError(self._shape()) from None
        if fixed != number or (fixed and fixed.adjusted() >= self.precision - self.scale):
            raise ValueError(self._shape())
        if number.same_quantum(fixed):
            fixed = number
        return fixed if fixed or not fixed.is_signed() else fixed.copy_abs()

    def _shape(self) -> str:
        return (
            f"must have at most {self.precision - self.scale} digits before and {self.scale} behind the point"
        )

    def encode(self, value: Any) -> Plain:
        return format(value, "f")

    def decode(self, plain: Any) -> Decimal:
        if isinstance(plain, str):
            if not _NUMBER.match(plain):
                raise ValueError("must be a decimal number such as 12.50")
            return self.normalise(Decimal(plain))
        return self.normalise(plain)


@dataclass(frozen=True, slots=True)
class DateType:
    """A day of the calendar."""

    kind: Literal["date"] = "date"

    def normalise(self, value: Any) -> date:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise ValueError("must be a date")
        return value

    def encode(self, value: Any) -> Plain:
        return str(value.isoformat())

    def decode(self, plain: Any) -> date:
        if isinstance(plain, str) and _DATE.match(plain):
            try:
                return date.fromisoformat(plain)
            except ValueError:
                pass
        raise ValueError("must be a date such as 2026-01-31")


@dataclass(frozen=True, slots=True)
class InstantType:
    """A moment, to the microsecond, kept in UTC."""

    kind: Literal["instant"] = "instant"

    def normalise(self, value: Any) -> datetime:
        if not isinstance(value, datetime):
            raise ValueError("must be a date and time")
        if value.utcoffset() is None:
            raise ValueError("must name its offset from UTC")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise ValueError("must lie between the years 1 and 9999") from None

    def encode(self, value: Any) -> Plain:
        return format_instant(value)

    def decode(self, plain: Any) -> datetime:
        if isinstance(plain, str) and _INSTANT.match(plain):
            try:
                return self.normalise(datetime.fromisoformat(plain.upper()))
            except ValueError:
                pass
        raise ValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")


@dataclass(frozen=True, slots=True)
class UuidType:
    """A UUID."""

    kind: Literal["uuid"] = "uuid"

    def normalise(self, value: Any) -> UUID:
        if not isinstance(value, UUID):
            raise ValueError("must be a UUID")
        return value

    def encode(self, value: Any) -> Plain:
        return str(value)

    def decode(self, plain: Any) -> UUID:
        if not isinstance(plain, str):
            raise ValueError("must be a UUID")
        return parse_id(plain)


@dataclass(frozen=True, slots=True)
class JsonType:
    """Any JSON value: finite numbers, text keys, at most 64 levels deep. Key order is not kept."""

    kind: Literal["json"] = "json"

    def normalise(self, value: Any) -> Plain:
        return _json(value, _MAX_DEPTH)

    def encode(self, value: Any) -> Plain:
        plain: Plain = value
        return plain

    def decode(self, plain: Any) -> Plain:
        return self.normalise(plain)


@dataclass(frozen=True, slots=True)
class BytesType:
    """Raw bytes, at most `max_length`; base64 in the plain form."""

    max_length: int | None = None
    kind: Literal["bytes"] = "bytes"

    def normalise(self, value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise ValueError("must be bytes")
        raw = bytes(value)
        if self.max_length is not None and len(raw) > self.max_length:
            raise ValueError(f"must have at most {self.max_length} bytes")
        return raw

    def encode(self, value: Any) -> Plain:
        return base64.b64encode(value).decode()

    def decode(self, plain: Any) -> bytes:
        if not isinstance(plain, str):
            raise ValueError("must be base64 text")
        try:
            raw = base64.b64decode(plain, validate=True)
        except ValueError:
            raise ValueError("must be base64 text") from None
        return self.normalise(raw)


FieldType = (
    TextType
    | ChoiceType
    | BooleanType
    | IntegerType
    | FloatType
    | DecimalType
    | DateType
    | InstantType
    | UuidType
    | JsonType
    | BytesType
)


@cache
def _quantum(scale: int) -> Decimal:
    return Decimal((0, (1,), -scale))


def format_instant(moment: datetime) -> str:
    """RFC 3339, UTC, always six digits behind the second: text order is time order."""
    return _format_utc(moment if moment.tzinfo is UTC else moment.astimezone(UTC))


# A flush writes the same moment many times. Only those in UTC: two of an hour that comes twice are equal elsewhere.
@lru_cache(maxsize=1_024)
def _format_utc(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def _json(value: Any, depth: int) -> Plain:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text(value)
    if isinstance(value, int):
        if not _JSON_LOW <= value < _JSON_HIGH:
            raise ValueError("whole numbers in JSON must fit 64 bits")
        return value
    if isinstance(value, float | Decimal):
        return _json_number(float(value))
    return _container(value, depth)


def _json_number(number: float) -> int | float:
    """One spelling a number: 1.0 is 1, so that engines which keep no float beside an integer agree, as far as readers
    of JSON read integers: 2^64 and above comes back as a float anyway.
    """
    if not math.isfinite(number):
        raise ValueError("numbers in JSON must be finite")
    return int(number) if number.is_integer() and _JSON_LOW <= number < _JSON_HIGH else number


def _container(value: Any, depth: int) -> Plain:
    if depth == 0:
        raise ValueError(f"must be at most {_MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return {check_text(key): _json(value[key], depth - 1) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_json(item, depth - 1) for item in value]
    raise ValueError("must be a JSON value")
