"""Rows in wire form for a pull: as the medium makes them, or, on an engine that cannot, page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.changes.change import Change
from holdfast.engines.port import Capability, Engine, Piece, Row, Selection, Since, Transaction
from holdfast.model.query import Key, Query
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import encode_wire_row

_PAGE: Final = 500


def selected(engine: Engine, tx: Transaction, selection: Selection) -> AsyncGenerator[Piece, None]:
    """The selected rows by id, in pieces that are never empty."""
    return tx.stream(selection) if Capability.STREAM in engine.capabilities else _paged(tx, selection)


def piece_of(schema: EntitySchema, rows: Iterable[Row]) -> Piece | None:
    """Rows as one piece; None of no rows."""
    found = list(rows)
    if not found:
        return None
    texts = [orjson.dumps(encode_wire_row(schema, row)) for row in found]
    return Piece(b",".join(texts), len(found), found[-1]["id"])


async def _paged(tx: Transaction, selection: Selection) -> AsyncGenerator[Piece, None]:
    schema, after = selection.schema, selection.start
    last = await _last_changes(tx, schema, selection)
    while True:
        key = None if after is None else Key(None, after)
        page = await tx.query(Query(schema, limit=_PAGE, after=key))
        piece = piece_of(schema, (row for row in page if _is_selected(selection, row, last.get(row["id"]))))
        if piece is not None:
            yield piece
        if len(page) < _PAGE:
            return
        after = page[-1]["id"]


async def _last_changes(tx: Transaction, schema: EntitySchema, selection: Selection) -> dict[UUID, Change]:
    """The last change of each row, as far as the selection asks for it."""
    since = [selection.since.after] if selection.since is not None else []
    bounds = since + ([selection.standing] if selection.standing is not None else [])
    last: dict[UUID, Change] = {}
    after = min(bounds, default=None)
    while after is not None:
        changes = await tx.read_changes(after, limit=_PAGE)
        last.update({change.row_id: change for change in changes if change.entity == schema.stable_name})
        after = changes[-1].number if len(changes) == _PAGE else None
    return last


def _is_selected(selection: Selection, row: Row, last: Change | None) -> bool:
    if selection.standing is not None and last is not None and last.number > selection.standing:
        return False
    if selection.since is None and not selection.differing:
        return True
    changed = selection.since is not None and last is not None and _is_in(selection.since, last)
    return changed or any(not _is_empty(row[name]) for name in selection.differing)


def _is_in(since: Since, last: Change) -> bool:
    return since.after < last.number <= since.upto and (since.device is None or last.device != since.device)


def _is_empty(value: Any) -> bool:
    return value is None or value in (0, "", False)
