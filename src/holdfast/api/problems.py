"""Errors as problem documents (RFC 9457), and the log of those that nobody foresaw.

A problem says what is wrong with the request and never repeats a value of it. What nobody foresaw answers with an
incident's number alone; its kind and its place in the code stand in the log `holdfast.api` under that number, without
the exception's message, which may hold anything.
"""

from __future__ import annotations

import logging
import math
import secrets
import traceback
from http.client import responses
from itertools import islice
from typing import Any, Final

import orjson

from holdfast.api.errors import MethodNotAllowed
from holdfast.api.exchange import REQUEST_ID, Header, Reply
from holdfast.errors import HoldfastError, InvalidInput, NotAuthenticated

PROBLEM: Final = b"application/problem+json"
_TYPE = "urn:holdfast:error:"
_FRAMES = 30
_MOST_FIELDS = 64
_log = logging.getLogger("holdfast.api")


def problem_reply(error: HoldfastError) -> Reply:
    """The problem document of a foreseen error; a fault of the server's own is an incident."""
    if error.status >= 500 and not error.retry and error.status not in {501, 503}:
        return incident_reply(error)
    return Reply(error.status, orjson.dumps(describe_error(error)), _headers(error))


def describe_error(error: HoldfastError) -> dict[str, Any]:
    """The members of the problem document; empty ones are left away."""
    document = {
        "type": _TYPE + error.code,
        "title": _title(type(error)),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "hint": error.hint,
        "where": error.where,
        "fields": dict(islice(error.fields.items(), _MOST_FIELDS))
        if isinstance(error, InvalidInput)
        else None,
        "retry": error.retry,
    }
    return {name: value for name, value in document.items() if value not in (None, "", {})}


def _title(kind: type[HoldfastError]) -> str:
    return (kind.__doc__ or kind.__name__).strip().splitlines()[0]


def _headers(error: HoldfastError) -> list[Header]:
    headers: list[Header] = [(b"content-type", PROBLEM)]
    if error.retry:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after or 1.0))))
    if isinstance(error, NotAuthenticated):
        headers.append((b"www-authenticate", _challenge(error)))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.allowed.encode("latin-1")))
    return headers


def _challenge(error: NotAuthenticated) -> bytes:
    """RFC 6750: the error is named where a token was sent, and not where none was."""
    return b'Bearer realm="holdfast"' + (b"" if error.where == NO_CREDENTIAL else b', error="invalid_token"')


NO_CREDENTIAL: Final = "Authorization"
"""Where the error stands when no credential was sent at all."""


def plain_reply(status: int) -> Reply:
    """The problem document of a status that a route chose itself, with nothing more to say about it."""
    document = {
        "type": "about:blank",
        "title": responses.get(status, "Error"),
        "status": status,
        "code": f"http_{status}",
    }
    return Reply(status, orjson.dumps(document), [(b"content-type", PROBLEM)])


def incident_reply(error: BaseException) -> Reply:
    """The answer to what nobody foresaw: a number, under which the log says more."""
    incident = report_incident(error)
    document = {
        "type": _TYPE + "internal_error",
        "title": "Something went wrong here.",
        "status": 500,
        "code": "internal_error",
        "incident": incident,
    }
    return Reply(500, orjson.dumps(document), [(b"content-type", PROBLEM)])


def report_incident(error: BaseException) -> str:
    """Log the error's kind and frames, without its message, and return the incident's number."""
    incident = secrets.token_hex(8)
    _log.error("incident %s: %s", incident, _kinds_and_frames(error), extra={"request_id": REQUEST_ID.get()})
    return incident


def _kinds_and_frames(error: BaseException) -> str:
    told: list[str] = []
    link: BaseException | None = error
    while link is not None and len(told) < 5:
        told.append(f"{_kind(link)} at {_frames(link)}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "; from ".join(told)


def _kind(error: BaseException) -> str:
    code = f" [{error.code}]" if isinstance(error, HoldfastError) else ""
    inner = ""
    if isinstance(error, BaseExceptionGroup):
        inner = " of " + ", ".join(_kind(each) for each in error.exceptions[:5])
    return f"{type(error).__module__}.{type(error).__qualname__}{code}{inner}"


def _frames(error: BaseException) -> str:
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return " > ".join(frames[-_FRAMES:]) or "nowhere"
