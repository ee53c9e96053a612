"""What an answer refuses, as one of `holdfast.errors`: the class by the server's code, or by the status where it is unknown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import orjson

from holdfast.errors import (
    Conflict,
    CursorExpired,
    Forbidden,
    HoldfastError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotSupported,
    RateLimited,
    StaleVersion,
    TooLarge,
    Unavailable,
)

if TYPE_CHECKING:
    import httpx

_BY_STATUS: dict[int, type[HoldfastError]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: CursorExpired,
    412: StaleVersion,
    413: TooLarge,
    429: RateLimited,
    501: NotSupported,
}


def problem_of(answer: httpx.Response) -> HoldfastError:
    """The error that an answer tells, from its problem document where it has one."""
    said = _document(answer)
    kind = _kind(answer.status_code, said)
    error = kind.__new__(kind)
    HoldfastError.__init__(
        error,
        _text(said, "detail") or _text(said, "title") or f"the server answered {answer.status_code}",
        where=_text(said, "where") or _text(said, "incident"),
        hint=_text(said, "hint"),
        retry_after=_delay(answer.headers.get("retry-after")),
    )
    if isinstance(error, InvalidInput):
        error.fields = said["fields"] if isinstance(said.get("fields"), dict) else {}
    vars(error)["code"] = (
        _text(said, "code") or f"http_{answer.status_code}"
    )  # the server may know more codes
    return error


def is_passing(answer: httpx.Response) -> bool:
    """Whether the same request may succeed later: as the server says, else by the status."""
    status, said = answer.status_code, _document(answer).get("retry")
    return said if isinstance(said, bool) else status in {409, 429} or (status >= 500 and status != 501)


def _document(answer: httpx.Response) -> dict[str, Any]:
    """What it says; nothing where a proxy's page stands in between."""
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _kind(status: int, said: dict[str, Any]) -> type[HoldfastError]:
    code = said.get("code")
    known = next((kind for kind in _descendants(HoldfastError) if kind.code == code), None)
    if known is not None:
        return known
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Unavailable if status >= 500 else InvalidInput


def _descendants(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    """Those of the tree itself; where a server runs in the same process, it has some of its own."""
    for child in kind.__subclasses__():
        if child.__module__ == kind.__module__:
            yield child
            yield from _descendants(child)


def _text(said: dict[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and value else None


def _delay(value: str | None) -> float | None:
    """Seconds of a Retry-After, which holds seconds or a date."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
