"""What FastAPI's routes raise, told as problem documents: the framework's own words never leave this API."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from holdfast.api.data.json_body import is_json
from holdfast.api.errors import Malformed, MethodNotAllowed, NoSuchPath, UnsupportedMediaType
from holdfast.api.exchange import Reply, read_headers
from holdfast.api.problems import incident_reply, plain_reply, problem_reply
from holdfast.errors import HoldfastError, InvalidInput

REPORTED: Final = "holdfast.reported"
"""In the scope of a request whose unforeseen error stands in the log already."""


class BodyRefused(HTTPException):
    """A body that is not read to its end, in the one form that the framework's own reading of bodies lets pass."""

    def __init__(self, problem: HoldfastError) -> None:
        """`problem` says why."""
        super().__init__(problem.status)
        self.problem = problem


def add_error_handlers(app: FastAPI) -> None:
    """Answer everything that a framework route raises as the fast routes do."""
    app.add_exception_handler(HoldfastError, answer_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_model)
    app.add_exception_handler(Exception, _on_unforeseen)


def _response(reply: Reply) -> Response:
    response = Response(reply.body, status_code=reply.status)
    response.raw_headers.extend(reply.headers)
    return response


async def answer_problem(_: Request, error: Exception) -> Response:
    """The problem document of a `HoldfastError`: `FastAPI(exception_handlers={HoldfastError: answer_problem})`."""
    assert isinstance(error, HoldfastError)  # noqa: S101
    return _response(problem_reply(error))


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    ours = _translated(error)
    return _response(plain_reply(error.status_code) if ours is None else problem_reply(ours))


def _translated(error: HTTPException) -> HoldfastError | None:
    """The framework's own exceptions as ours; None for what a route raised itself."""
    if isinstance(error, BodyRefused):
        return error.problem
    match error.status_code:
        case 400:
            return Malformed("the body cannot be read")
        case 404:
            return NoSuchPath()
        case 405:
            allowed = (error.headers or {}).get("Allow", "")
            return MethodNotAllowed(sorted(name.strip() for name in allowed.split(",") if name.strip()))
        case _:
            return None


_PLAIN_PROBLEMS = {
    "missing": "is required",
    "extra_forbidden": "is not a field here",
    "string_type": "must be text",
    "string_too_long": "is too long",
    "string_too_short": "is too short",
    "too_long": "is too long",
    "too_short": "is too short",
}


async def _on_invalid_model(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return _response(problem_reply(_refused(request, list(error.errors()))))


def _refused(request: Request, problems: list[dict[str, Any]]) -> InvalidInput:
    """Why a route's model refuses a request. Only our own words: the framework's may quote what was sent."""
    if any(each["type"] == "json_invalid" for each in problems):
        return Malformed("the body is not JSON")
    if any(each["loc"] == ("body",) for each in problems) and not is_json(_content_type(request)):
        return UnsupportedMediaType()
    fields: dict[str, str] = {}
    for each in problems:
        fields.setdefault(_field_name(each["loc"]), _PLAIN_PROBLEMS.get(each["type"], "is not valid"))
    named = "; ".join(f"{name} {problem}" for name, problem in sorted(fields.items()))
    return InvalidInput(f"some fields are not valid: {named}"[:1000], fields=fields)


def _content_type(request: Request) -> bytes | None:
    return read_headers(request.scope["headers"]).get(b"content-type")


def _field_name(location: tuple[Any, ...]) -> str:
    parts = [str(part) for part in location[1:]] or ["body"]
    return "".join(c if c.isprintable() else "?" for c in ".".join(parts)[:64])


async def _on_unforeseen(request: Request, error: Exception) -> Response:
    request.scope[REPORTED] = True
    return _response(incident_reply(error))
