"""JSON read strictly: exact numbers, no member twice, UTF-8, nothing that JSON does not have."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

from holdfast.api.errors import Malformed

_JSON = b"application/json"


def is_json(content_type: bytes | None) -> bool:
    """Whether a body says of itself that it is JSON, and no other character set than UTF-8."""
    if content_type == _JSON:
        return True
    kind, *parameters = (content_type or b"").lower().split(b";")
    charsets = [p.strip() for p in parameters if p.strip().startswith(b"charset=")]
    return kind.strip() == _JSON and all(c in {b"charset=utf-8", b'charset="utf-8"'} for c in charsets)


def read_json(body: bytes) -> Any:
    """The JSON value that `body` holds; numbers with a point or an exponent come as Decimal. Raises Malformed."""
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except (ArithmeticError, ValueError):
        # A whole number of thousands of digits, or an exponent beyond what Decimal holds.
        raise Malformed("the body holds a number that is too large") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("an object of the body has a member twice")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_object)
