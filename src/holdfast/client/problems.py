"""What an answer refuses, as one of `holdfast.errors`: the class by the server's code, or by the status where it is unknown.

An answer without a code is not the server's: a proxy, a sign-in page of the network, a server that is only starting. It says
nothing of the session or the data, and may be another one in a moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

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

_NOT_OURS: Final = (
    "This is no answer of Holdfast: does a proxy or a sign-in page of the network stand in between?"
)
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
"""For codes of a later server."""
_BY_STATUS_ALONE: dict[int, type[HoldfastError]] = {413: TooLarge, 429: RateLimited}
"""For answers that are not the server's. A body that is too large for a proxy is so again."""


def problem_of(answer: httpx.Response) -> HoldfastError:
    """The error that an answer tells, from its problem document where it has one."""
    said = _document(answer)
    kind = _kind(answer.status_code, said)
    error = kind.__new__(kind)
    HoldfastError.__init__(
        error,
        _text(said, "detail") or _text(said, "title") or f"the server answered {answer.status_code}",
        where=_text(said, "where") or _text(said, "incident"),
        hint=_text(said, "hint") or (None if _text(said, "code") else _NOT_OURS),
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
    status, said = answer.status_code, _document(answer)
    if _text(said, "code") is None:
        return status != 413
    retry = said.get("retry")
    return retry if isinstance(retry, bool) else status in {409, 429} or (status >= 500 and status != 501)


def _document(answer: httpx.Response) -> dict[str, Any]:
    """What it says; nothing where a proxy's page stands in between."""
    try:
        said = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _kind(status: int, said: dict[str, Any]) -> type[HoldfastError]:
    code = _text(said, "code")
    if code is None:
        return _BY_STATUS_ALONE.get(status, Unavailable)
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
