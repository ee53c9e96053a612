"""What devices ask, read strictly where it must be and leniently where apps differ. Pure.

A mistake of the program that a retry cannot mend raises InvalidInput with status 400; what is wrong with one row is that
row's matter, and is settled in `incoming.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from holdfast.errors import InvalidInput, TooLarge

MAX_ROWS: Final = 1_000
MAX_PAGE: Final = 5_000
_FIRST: Final = frozenset({"", "null", "undefined", "0"})
_WHOLE: Final = re.compile(r"[0-9]{1,19}(\.0+)?\Z", re.ASCII)


class MalformedSync(InvalidInput):
    """A device's request cannot be read."""

    code = "malformed_sync"
    status = 400


@dataclass(frozen=True, slots=True)
class Migration:
    """What an app has come to know since it last synced: tables, and columns of tables that it knew."""

    tables: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull. `cursor` is None for a first one; `page` is the most changes of an answer that may be continued."""

    cursor: int | None
    migration: Migration | None = None
    page: int | None = None
    replacement: bool = False


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What a device pushes of one table, as it sent it."""

    created: list[dict[str, Any]]
    updated: list[dict[str, Any]]
    deleted: list[Any]


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A push. `size` is the bytes of its body, where they are known."""

    cursor: int | None
    tables: Mapping[str, TableChanges]
    key: str | None = None
    size: int = 0


def read_pull(parameters: Mapping[str, Any]) -> PullRequest:
    """The pull that query parameters, or the members of a JSON body, ask for."""
    limit = _either(parameters, "limit")
    page = None
    if _is_yes(_either(parameters, "paging")):
        page = 1_000 if limit in (None, "") else _within(limit, 1, MAX_PAGE, "limit")
    return PullRequest(
        cursor=read_cursor(_either(parameters, "last_pulled_at", "lastPulledAt")),
        migration=_migration(_either(parameters, "migration")),
        page=page,
        replacement=_is_yes(_either(parameters, "replacement")),
    )


def read_push(
    parameters: Mapping[str, Any],
    body: Any,
    *,
    key: str | None = None,
    size: int = 0,
    max_rows: int = MAX_ROWS,
) -> PushRequest:
    """The push of a body, bare or wrapped as the push callback receives it. Raises TooLarge above `max_rows` rows."""
    if not isinstance(body, dict):
        raise MalformedSync("the body of a push is an object", where="body")
    cursor, changes = _either(parameters, "last_pulled_at", "lastPulledAt"), body
    if _is_wrapped(body):
        changes = body["changes"]
        own = _either(body, "last_pulled_at", "lastPulledAt")
        cursor = cursor if own is None else own
    tables = {_name(name): _table(changes[name], name) for name in changes}
    rows = sum(len(t.created) + len(t.updated) + len(t.deleted) for t in tables.values())
    if rows > max_rows:
        raise TooLarge(f"a push has at most {max_rows} rows", where="body", hint="Push in several parts.")
    return PushRequest(read_cursor(cursor), tables, key, size)


def read_cursor(value: Any) -> int | None:
    """A cursor, None in every spelling that apps use for a first sync. Raises MalformedSync."""
    if value is None or (isinstance(value, str) and value.strip() in _FIRST):
        return None
    if isinstance(value, bool):
        raise MalformedSync("a cursor is a whole number", where="last_pulled_at")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _WHOLE.match(value):
        value = int(value.partition(".")[0])
    if not isinstance(value, int) or not 0 <= value < 2**53:
        raise MalformedSync("a cursor is a whole number", where="last_pulled_at")
    return value or None


def _is_wrapped(body: Mapping[str, Any]) -> bool:
    changes = body.get("changes")
    if not isinstance(changes, dict):
        return False
    extra = {"lastPulledAt", "last_pulled_at"} & set(body)
    return bool(extra) or not {"created", "updated", "deleted"} & set(changes)


def _name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise MalformedSync("a table's name is Unicode text", where="body") from None
    return name


def _table(value: Any, name: str) -> TableChanges:
    if not isinstance(value, dict):
        raise MalformedSync("the changes of a table are an object", where=name[:64])
    created, updated = (_rows(value.get(kind), name) for kind in ("created", "updated"))
    deleted = value.get("deleted") or []
    if not isinstance(deleted, list):
        raise MalformedSync("`deleted` is a list of ids", where=name[:64])
    return TableChanges(created, updated, deleted)


def _rows(value: Any, name: str) -> list[dict[str, Any]]:
    rows = value or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedSync("`created` and `updated` are lists of rows", where=name[:64])
    for row in rows:
        if not isinstance(row.get("id"), str):
            raise MalformedSync("a row's id is text", where=name[:64])
        try:
            row["id"].encode()
        except UnicodeEncodeError:
            raise MalformedSync("a row's id is Unicode text", where=name[:64]) from None
    return rows


def _migration(value: Any) -> Migration | None:
    if isinstance(value, str):
        if value.strip() in _FIRST:
            return None
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise MalformedSync("the migration is not JSON", where="migration") from None
    if value is None:
        return None
    if not isinstance(value, dict):
        raise MalformedSync("the migration is an object", where="migration")
    tables, columns = value.get("tables") or [], value.get("columns") or []
    if not isinstance(tables, list) or not isinstance(columns, list):
        raise MalformedSync("a migration lists tables and columns", where="migration")
    named: dict[str, tuple[str, ...]] = {}
    for item in columns:
        if not isinstance(item, dict) or not isinstance(item.get("columns"), list):
            raise MalformedSync("a migration lists the columns of each table", where="migration")
        named[str(item.get("table"))] = tuple(name for name in item["columns"] if isinstance(name, str))
    return Migration(tuple(name for name in tables if isinstance(name, str)), named)


def _either(members: Mapping[str, Any], *names: str) -> Any:
    return next((members[name] for name in names if name in members), None)


def _is_yes(value: Any) -> bool:
    return value is True or value in ("1", "true", 1)


def _within(value: Any, low: int, high: int, name: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if not low <= number <= high:
        raise MalformedSync(f"must lie between {low} and {high}", where=name)
    return number
