"""The outermost part: every request comes in here, every answer goes out here.

It gives each request an id, sends data paths down the fast routes and all others to the framework, turns what went wrong
into problem documents, puts the headers of every answer on, and leaves a line in the access log that names the route,
never a path's or a query's values.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from holdfast.api.cors import Cors
from holdfast.api.data.routes import ROOT, DataRoutes, Match
from holdfast.api.errors import BodyTimeout
from holdfast.api.exchange import (
    REQUEST_ID,
    ClientGone,
    Header,
    Headers,
    Reply,
    Request,
    leaves_much_unread,
    read_headers,
    refuse_declared_length,
    too_large,
)
from holdfast.api.framework import REPORTED, BodyRefused
from holdfast.api.limits import AuthLimit
from holdfast.api.problems import incident_reply, problem_reply, report_incident
from holdfast.api.settings import ApiSettings
from holdfast.errors import HoldfastError

SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-security-policy", b"default-src 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"1; mode=block"),
)
_PRIVATE: Header = (b"cache-control", b"no-store")
_AUTH = ("/auth/", "/api/v1/auth/")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")

access_log = logging.getLogger("holdfast.access")


class Edge:
    """The ASGI application. `framework` serves every path that is no data path."""

    def __init__(self, data: DataRoutes, framework: ASGIApp, settings: ApiSettings) -> None:
        self._data = data
        self._framework = framework
        self._settings = settings
        self._cors = Cors(settings.cors_origins)
        self._auth_limit = AuthLimit(settings)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """One request, or another kind of connection, which the framework refuses or serves."""
        if scope["type"] != "http":
            await self._framework(scope, receive, send)
            return
        began = time.perf_counter()
        raw: list[Header] = scope["headers"]
        headers = dict(raw)
        given = headers.get(b"x-request-id")
        request_id = given if given is not None and _GIVEN_ID.match(given) else os.urandom(12).hex().encode()
        REQUEST_ID.set(request_id.decode("ascii"))
        always = (*SECURITY_HEADERS, (b"x-request-id", request_id), *self._cors.headers(headers))
        try:
            status, route = await self._serve(scope, receive, send, headers, always)
        except ClientGone:
            status, route = 499, "(client closed)"
        if self._settings.access_log and access_log.isEnabledFor(logging.INFO):
            _log_access(scope["method"], route, status, began)

    async def _serve(
        self, scope: AsgiScope, receive: Receive, send: Send, headers: Headers, always: tuple[Header, ...]
    ) -> tuple[int, str]:
        """Answer, and return the status and what logs call the route."""
        match = self._data.match(_path(scope))
        if self._cors.is_preflight(scope["method"], headers):
            reply, route = self._cors.preflight(), "(preflight)"
        elif match is not None and not _has_escapes(scope):
            reply, route = await self._answer(scope, receive, headers, match), match.template
        else:
            return await self._pass_on(scope, receive, send, headers, always)
        await _send_reply(send, reply, always, with_body=scope["method"] != "HEAD")
        return reply.status, route

    async def _answer(self, scope: AsgiScope, receive: Receive, headers: Headers, match: Match) -> Reply:
        request = Request(scope, receive, headers)
        try:
            if len(headers) != len(scope["headers"]):
                request.headers = read_headers(scope["headers"])
            reply = await self._data.answer(request, match)
        except HoldfastError as error:
            reply = problem_reply(error)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001
            reply = incident_reply(error)
        if request.unread and _http_1(scope) and leaves_much_unread(headers):
            reply.headers.append((b"connection", b"close"))
        return reply

    # -- the framework's paths ------------------------------------------------------------------------------------

    async def _pass_on(
        self, scope: AsgiScope, receive: Receive, send: Send, headers: Headers, always: tuple[Header, ...]
    ) -> tuple[int, str]:
        """Let the framework answer, within the limits of its paths and with the headers of every answer."""
        is_auth = _path(scope).startswith(_AUTH)
        limit = self._settings.auth_body if is_auth else self._settings.other_body
        try:
            refuse_declared_length(headers, limit)
            joined = read_headers(scope["headers"])
            if is_auth:
                self._auth_limit.admit(scope, joined)
        except HoldfastError as error:
            reply = problem_reply(error)
            if _http_1(scope) and leaves_much_unread(headers):
                reply.headers.append((b"connection", b"close"))
            await _send_reply(send, reply, always)
            return reply.status, "(refused)"
        incoming = _Incoming(receive, limit=limit, seconds=self._settings.body_seconds)
        outgoing = _Outgoing(send, always, incoming, may_close=_http_1(scope) and leaves_much_unread(headers))
        try:
            await self._framework(scope, incoming, outgoing)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001
            # The framework raises again what it has answered. An answer that breaks off is cut by the server.
            if outgoing.status == 0:
                await _send_reply(send, incident_reply(error), always)
                outgoing.status = 500
            elif REPORTED not in scope:
                report_incident(error)
        return outgoing.status, _route_of(scope)


class _Incoming:
    """The framework's `receive`: refuses a body that is too long, or too slow, while it comes in."""

    def __init__(self, receive: Receive, *, limit: int, seconds: float) -> None:
        self._receive = receive
        self._limit = limit
        self._seconds = seconds
        self._deadline: float | None = None
        self._size = 0
        self.complete = False

    async def __call__(self) -> Message:
        if self.complete:
            return await self._receive()  # waits for the client to go away, however long
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise BodyRefused(BodyTimeout()) from None
        self._size += len(message.get("body", b""))
        if self._size > self._limit:
            raise BodyRefused(too_large(self._limit))
        self.complete = not message.get("more_body", False)
        return message


class _Outgoing:
    """The framework's `send`: puts on the headers of every answer that the answer does not set itself."""

    def __init__(
        self, send: Send, always: tuple[Header, ...], incoming: _Incoming, *, may_close: bool
    ) -> None:
        self._send = send
        self._always = always
        self._incoming = incoming
        self._may_close = may_close
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._complete(list(message.get("headers", ())))}
        await self._send(message)

    def _complete(self, given: list[Header]) -> list[Header]:
        names = {name.lower() for name, _ in given}
        headers = [*given, *(header for header in (*self._always, _PRIVATE) if header[0] not in names)]
        if self._may_close and not self._incoming.complete:
            headers.append((b"connection", b"close"))
        return headers


async def _send_reply(
    send: Send, reply: Reply, always: tuple[Header, ...], *, with_body: bool = True
) -> None:
    headers = [*reply.headers, *always, _PRIVATE]
    if reply.status not in {204, 304}:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


def _path(scope: AsgiScope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path.removeprefix(root) if root else path


def _has_escapes(scope: AsgiScope) -> bool:
    """Whether the path was sent with %-escapes. Data paths need none, and `%2f` is no slash."""
    return b"%" in (scope.get("raw_path") or b"")


def _http_1(scope: AsgiScope) -> bool:
    return str(scope.get("http_version", "1.1")).startswith("1")


def _route_of(scope: AsgiScope) -> str:
    """The framework's route, by its path without values and, as every route in the log, without the version."""
    route: Any = scope.get("route")
    return str(getattr(route, "path", "(no route)")).removeprefix(ROOT)


def _log_access(method: str, route: str, status: int, began: float) -> None:
    access_log.info(
        "%s %s %d %.1f ms %s",
        method if method in _METHODS else "(other)",
        route,
        status,
        (time.perf_counter() - began) * 1e3,
        REQUEST_ID.get(),
        extra={"request_id": REQUEST_ID.get()},
    )
