"""Errors that exist only in HTTP, beside the tree of `holdfast.errors`: each is a problem document like the others."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.errors import HoldfastError, InvalidInput, NotFound, Unavailable


class Malformed(InvalidInput):
    """The request cannot be read."""

    code = "malformed_request"
    status = 400


class UnsupportedMediaType(InvalidInput):
    """The body is not of a type that is read here."""

    code = "unsupported_media_type"
    status = 415
    default_hint = "Send JSON, with the header `Content-Type: application/json`."


class BodyTimeout(Unavailable):
    """The body took too long to arrive."""

    code = "body_timeout"
    status = 408


class NoSuchPath(NotFound):
    """There is nothing at this path."""

    code = "no_such_path"
    default_hint = "The paths are described at /docs and in /openapi.json."


class MethodNotAllowed(HoldfastError):
    """This path does not take that method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: Iterable[str]) -> None:
        """`allowed` are the methods that it takes."""
        self.allowed = ", ".join(allowed)
        super().__init__(hint=f"It takes {self.allowed}." if self.allowed else None)
