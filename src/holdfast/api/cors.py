"""Which web pages may call the API: those of the origins that are listed, and none by default.

Credentials never travel by cookie here, so no answer allows them.
"""

from __future__ import annotations

from typing import Final

from holdfast.api.exchange import Header, Headers, Reply

_METHODS: Final = b"GET, HEAD, POST, PATCH, DELETE"
_ACCEPTED: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Holdfast-Device, X-Holdfast-Reason, "
    b"X-Holdfast-Scope, X-Request-Id"
)
_EXPOSED: Final = b"ETag, Location, Retry-After, X-Request-Id"
_SECONDS: Final = b"600"
_VARY: Header = (b"vary", b"Origin")


class Cors:
    """The allow-list, and the headers that follow from it."""

    __slots__ = ("_origins",)

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def headers(self, headers: Headers) -> tuple[Header, ...]:
        """What an answer to this request says about origins."""
        if not self._origins:
            return ()
        origin = headers.get(b"origin")
        if origin not in self._origins:
            return (_VARY,)
        return (
            _VARY,
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        )

    def is_preflight(self, method: str, headers: Headers) -> bool:
        """Whether a browser asks, for a listed origin, what it may send."""
        return (
            method == "OPTIONS"
            and b"access-control-request-method" in headers
            and headers.get(b"origin") in self._origins
        )

    def preflight(self) -> Reply:
        """What it may send."""
        return Reply(
            204,
            headers=[
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ACCEPTED),
                (b"access-control-max-age", _SECONDS),
            ],
        )
