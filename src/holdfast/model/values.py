"""What stands in a policy or a marker is checked against its own annotations: a typing mistake is found where it is made."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from holdfast.errors import DeclarationError


def check_values(said: Any, *, where: str) -> None:
    """Raises DeclarationError for a value that its policy or marker (a dataclass) does not know."""
    for name, wanted in _wanted(cast("Hashable", type(said))).items():
        value = getattr(said, name)
        if not _fits(value, wanted):
            allowed = [_spelled(option) for option in _options(wanted)]
            raise DeclarationError(
                f"{type(said).__name__} does not know {name}={value!r}"[:200],
                where=where,
                hint=_meant(value, wanted) + f"It takes {', '.join(allowed[:-1])}{' or ' * bool(allowed[1:])}"
                f"{allowed[-1]}.",
            )


@cache
def _wanted(kind: Hashable) -> dict[str, Any]:
    hints = get_type_hints(cast("Any", kind))
    return {field.name: hints[field.name] for field in fields(cast("Any", kind))}


def _options(wanted: Any) -> list[Any]:
    """Literal's values and the types of a union, one by one."""
    if get_origin(wanted) is Literal:
        return list(get_args(wanted))
    if get_origin(wanted) in (Union, UnionType):
        return [option for each in get_args(wanted) for option in _options(each)]
    return [wanted]


def _fits(value: Any, wanted: Any) -> bool:
    return any(_is(value, option) for option in _options(wanted))


def _is(value: Any, option: Any) -> bool:
    if get_origin(option) is tuple:
        return isinstance(value, tuple) and all(_fits(item, get_args(option)[0]) for item in value)
    if isinstance(option, type):
        return isinstance(value, option) and not (option is int and isinstance(value, bool))
    return bool(value == option) and type(value) is type(option)


def _spelled(option: Any) -> str:
    if option is type(None):
        return "None"
    if get_origin(option) is tuple:
        return f"names of type {get_args(option)[0].__name__}"
    return f"a value of type {option.__name__}" if isinstance(option, type) else repr(option)


def _meant(value: Any, wanted: Any) -> str:
    known = [option for option in _options(wanted) if isinstance(option, str)]
    close = get_close_matches(value, known, n=1) if isinstance(value, str) else []
    return f"Did you mean {close[0]!r}? " if close else ""
