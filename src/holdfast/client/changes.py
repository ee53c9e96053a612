"""What is pulled and pushed, as values; how pages join and how a push is divided. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from holdfast.client.encoding import encoded
from holdfast.errors import InvalidInput

MOST_ROWS: Final = 1_000
"""What a server takes in one push."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""A body has room for so many bytes of rows, and for what stands around them: a server takes 10 MiB."""
_KINDS: Final[tuple[Literal["created", "updated", "deleted"], ...]] = ("created", "updated", "deleted")


class TableChanges(TypedDict, total=False):
    """Rows of one table as the wire has them, and the ids of deleted ones. The server puts all its rows into `updated`."""

    created: list[dict[str, Any]]
    updated: list[dict[str, Any]]
    deleted: list[str]


Changes = Mapping[str, TableChanges]
"""Table → its changes."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a pull. Keep its rows and its cursor together: the next pull may go on from there."""

    changes: dict[str, TableChanges]
    cursor: int
    more: bool
    replacement: bool = False
    """Whether this is everything there is: what the device has besides and has not sent is gone on the server."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """All pages of a pull, joined: an id stands once in a table, and what came last holds."""

    changes: dict[str, TableChanges]
    cursor: int
    replacement: bool = False


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push. Whatever is in none of these lists is stored as it was sent."""

    unsent: dict[str, list[str]]
    """Table → ids of rows that must stay unsent, and go again with the next push."""
    rejected: list[dict[str, Any]]
    """Rows that were refused, each with `table`, `id` and `code`; the next pull brings what stands instead."""
    conflicts: list[dict[str, Any]]
    """What the server settled otherwise than it was sent: `table`, `id`, `fields`, `rule`."""


def join_pages(pages: list[Page]) -> Pulled:
    """The pages as one; there is at least one."""
    tables: dict[str, dict[str, tuple[str, Any]]] = {}
    for page in pages:
        for table, kind, item in entries(page.changes):
            known = tables.setdefault(table, {})
            row_id = item if kind == "deleted" else item["id"]
            known.pop(row_id, None)
            known[row_id] = kind, item
    changes = {table: _of_entries(known) for table, known in tables.items()}
    return Pulled(changes, pages[-1].cursor, pages[0].replacement)


def _of_entries(known: Mapping[str, tuple[str, Any]]) -> TableChanges:
    items: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    for kind, item in known.values():
        items[kind].append(item)
    return TableChanges(created=items["created"], updated=items["updated"], deleted=items["deleted"])


def divide(
    changes: Changes, most: int = MOST_ROWS, most_bytes: int = MOST_BYTES
) -> list[dict[str, TableChanges]]:
    """Parts of at most `most` rows and `most_bytes` as JSON: what is created goes first, in the order of the tables, deletions
    last. A row that is larger goes alone. Raises InvalidInput for what JSON cannot hold.
    """
    ordered = sorted(entries(changes), key=lambda entry: _KINDS.index(entry[1]))
    parts: list[dict[str, TableChanges]] = []
    rows = size = 0
    for table, kind, item in ordered:
        own = _size(table, item)
        if not parts or rows >= most or size + own > most_bytes:
            parts.append({})
            rows = size = 0
        arrays = parts[-1].setdefault(table, TableChanges(created=[], updated=[], deleted=[]))
        arrays[kind].append(item)
        rows, size = rows + 1, size + own
    return parts


def _size(table: str, item: Any) -> int:
    try:
        return len(encoded(item, table)) + 1
    except InvalidInput:
        for name, value in item.items() if isinstance(item, dict) else ():
            encoded(value, f"{table}.{name}")
        raise


def join_answers(answers: list[Mapping[str, Any]]) -> Pushed:
    """What the server said to the parts of a push."""
    unsent: dict[str, list[str]] = {}
    for answer in answers:
        for table, ids in (answer.get("experimentalRejectedIds") or {}).items():
            unsent[table] = list(dict.fromkeys([*unsent.get(table, []), *ids]))
    rejected = [row for answer in answers for row in answer.get("rejected") or []]
    conflicts = [row for answer in answers for row in answer.get("conflicts") or []]
    return Pushed(unsent, rejected, conflicts)


def entries(
    changes: Changes,
) -> Iterator[tuple[str, Literal["created", "updated", "deleted"], Any]]:
    """Table, kind and row (or id) of each change."""
    for table, arrays in changes.items():
        for kind in _KINDS:
            for item in arrays.get(kind) or []:
                yield table, kind, item
