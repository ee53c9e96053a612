"""One HTTP request and what is answered to it, with no framework between: what the fast routes and the edge speak.

A body is read here, within a size and a time, and nowhere else on the fast routes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.types import Message, Receive
from starlette.types import Scope as AsgiScope

from holdfast.api.errors import BodyTimeout, Malformed
from holdfast.errors import TooLarge

Header = tuple[bytes, bytes]
Headers = dict[bytes, bytes]

REQUEST_ID: ContextVar[str] = ContextVar("holdfast_request_id", default="")
"""The id of the request that is being answered; log lines carry it."""

# Which of two would count is a question that proxies and servers answer differently, so two are refused.
_SINGLE = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"origin",
        b"x-holdfast-device",
        b"x-holdfast-reason",
        b"x-holdfast-scope",
        b"x-request-id",
    }
)
_DRAINED = 65_536


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(slots=True)
class Reply:
    """An answer. The edge adds the headers that every answer carries."""

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)


class Request:
    """What a fast route sees of a request."""

    __slots__ = ("_receive", "_scope", "headers", "method", "unread")

    def __init__(self, scope: AsgiScope, receive: Receive, headers: Headers) -> None:
        self._scope = scope
        self._receive = receive
        self.headers = headers
        self.method: str = scope["method"]
        self.unread = True
        """Whether the body, if there is one, still waits in the connection."""

    @property
    def query_string(self) -> bytes:
        """What stands behind the question mark, as it was sent."""
        query: bytes = self._scope["query_string"]
        return query

    async def body(self, *, limit: int, seconds: float) -> bytes:
        """The whole body. Raises TooLarge as soon as it is known to be longer than `limit`, BodyTimeout, ClientGone."""
        refuse_declared_length(self.headers, limit)
        message = await self._receive()
        chunk: bytes = self._checked(message).get("body", b"")
        if message.get("more_body"):
            chunk = await self._rest(chunk, limit=limit, seconds=seconds)
        elif len(chunk) > limit:
            raise too_large(limit)
        self.unread = False
        return chunk

    async def _rest(self, first: bytes, *, limit: int, seconds: float) -> bytes:
        parts, size, more = [first], len(first), True
        try:
            async with asyncio.timeout(seconds):
                while more:
                    if size > limit:
                        raise too_large(limit)
                    message = self._checked(await self._receive())
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
        except TimeoutError:
            raise BodyTimeout from None
        if size > limit:
            raise too_large(limit)
        return b"".join(parts)

    @staticmethod
    def _checked(message: Message) -> Message:
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message


def read_headers(raw: Iterable[Header]) -> Headers:
    """Headers by name. Raises Malformed where one that may stand only once stands twice; others are joined by commas."""
    pairs = list(raw)
    headers = dict(pairs)
    return headers if len(headers) == len(pairs) else _joined(pairs)


def _joined(pairs: list[Header]) -> Headers:
    headers: Headers = {}
    for name, value in pairs:
        if name not in headers:
            headers[name] = value
        elif name in _SINGLE:
            raise Malformed("a header that may be sent once was sent twice", where=name.decode("latin-1"))
        else:
            headers[name] += b", " + value
    return headers


def refuse_declared_length(headers: Headers, limit: int) -> None:
    """Raise TooLarge where the body says of itself that it is longer than `limit`."""
    declared = headers.get(b"content-length")
    if declared is not None and (len(declared) > 12 or (declared.isdigit() and int(declared) > limit)):
        raise too_large(limit)


def too_large(limit: int) -> TooLarge:
    """The error of a body that is longer than `limit`."""
    return TooLarge(f"the body has more than {limit} bytes")


def leaves_much_unread(headers: Headers) -> bool:
    """Whether so much of the body may still be coming that closing is cheaper than reading it."""
    if b"transfer-encoding" in headers:
        return True
    declared = headers.get(b"content-length", b"0")
    return not declared.isdigit() or len(declared) > 12 or int(declared) > _DRAINED
