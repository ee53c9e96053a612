"""What is sent, as JSON. Pure."""

from __future__ import annotations

import math
from typing import Any

import orjson

from holdfast.errors import InvalidInput


def encoded(value: Any, where: str | None = None) -> bytes:
    """The JSON of a value. Raises InvalidInput for what JSON cannot hold, without the value."""
    try:
        raw = orjson.dumps(value)
    except TypeError:  # its own error names the value
        raise InvalidInput(
            "this cannot be sent as JSON",
            where=where,
            hint="Whole numbers have 64 bits at most, names are text, and text is valid Unicode.",
        ) from None
    if b"null" in raw and not _is_finite(value):  # it writes null in the place of what is not finite
        raise InvalidInput("a number that is sent must be finite", where=where)
    return raw


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return not isinstance(value, list | tuple) or all(map(_is_finite, value))
