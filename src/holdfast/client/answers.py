"""What a server's answers must have. Whatever lacks it, a proxy's page for instance, is Unavailable: the server's word is to come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.client.changes import Page, TableChanges
from holdfast.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Grant:
    """What a sign-in, a refresh or another tenant brings."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: float


def read_grant(answer: Any) -> Grant:
    """New tokens. Raises Unavailable."""
    said: dict[str, Any] = answer if isinstance(answer, dict) else {}
    access, refresh, seconds = (
        said.get("access_token", ""),
        said.get("refresh_token"),
        said.get("expires_in", ""),
    )
    if _is_token(access) and (not refresh or isinstance(refresh, str)) and _is_span(seconds):
        return Grant(access, refresh or None, float(seconds))
    raise _lacking("for tokens")


def read_page(answer: Any, cursor: int | None) -> Page:
    """A page of a pull that was asked for from `cursor`. Raises Unavailable."""
    said: dict[str, Any] = answer if isinstance(answer, dict) else {}
    changes, timestamp, more = (
        said.get("changes"),
        said.get("timestamp"),
        bool(said.get("experimentalHasMore")),
    )
    if (
        isinstance(changes, dict)
        and all(map(_is_table, changes.values()))
        and type(timestamp) is int
        and not (more and timestamp == cursor)
    ):
        tables: dict[str, TableChanges] = changes
        return Page(tables, timestamp, more, said.get("experimentalStrategy") == "replacement")
    raise _lacking("to a pull")


def read_push(answer: Any) -> Mapping[str, Any]:
    """What became of a part of a push. Raises Unavailable."""
    said: dict[str, Any] = answer if isinstance(answer, dict) else {}
    unsent = said.get("experimentalRejectedIds") or {}
    if (
        isinstance(answer, dict)
        and isinstance(unsent, dict)
        and all(_is_list(ids, str) for ids in unsent.values())
        and all(_is_list(said.get(name) or [], dict) for name in ("rejected", "conflicts"))
    ):
        return said
    raise _lacking("to a push")


def _is_token(value: Any) -> bool:
    """Whether a header can hold it."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _is_span(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and (
        all(
            _is_list(rows, dict) and all(isinstance(row.get("id"), str) for row in rows)
            for rows in (value.get("created") or [], value.get("updated") or [])
        )
        and _is_list(value.get("deleted") or [], str)
    )


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _lacking(of: str) -> Unavailable:
    return Unavailable(
        f"the answer {of} lacks what it must have",
        hint="Does a proxy or a sign-in page of the network stand in between?",
    )
