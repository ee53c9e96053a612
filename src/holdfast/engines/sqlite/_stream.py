"""Rows as they come: the SELECT of a selection, and its pieces."""

from __future__ import annotations

import sqlite3
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.engines.port import Piece, Selection, Since
from holdfast.engines.sqlite._names import CHANGES
from holdfast.engines.sqlite._statements import Statement, Texts
from holdfast.engines.sqlite._wire import WireRows, differs
from holdfast.tenancy.scope import Scope

_FIRST_ROWS: Final = 64
_PIECE_BYTES: Final = 64 * 1024
_MOST_ROWS: Final = 4_096


class Pieces:
    """The pieces of one selection. All of it is for the connection's own thread."""

    def __init__(self, raw: sqlite3.Connection, statement: Statement, wire: WireRows) -> None:
        self._cursor = raw.execute(*statement)
        self._wire = wire
        self._rows = _FIRST_ROWS

    def next(self) -> Piece | None:
        """The next piece, None at the end: the first one is small and comes at once, the others have about one size."""
        records = self._cursor.fetchmany(self._rows)
        if not records:
            return None
        text = orjson.dumps([self._wire.read(record) for record in records])[1:-1]
        self._rows = max(1, min(_MOST_ROWS, _PIECE_BYTES * len(records) // len(text)))
        return Piece(text, len(records), UUID(bytes=records[-1][0]))

    def close(self) -> None:
        """Let go of what was not read."""
        self._cursor.close()


def select_wire(texts: Texts, wire: WireRows, scope: Scope, selection: Selection) -> Statement:
    """The SELECT of a selection, by id."""
    schema, since = selection.schema, selection.since
    source, order, given = f"{texts.table} r", "r.id", list[Any]()
    where, mine = [], texts.mine(scope, "r.")
    spanned = since is not None and not selection.differing
    if spanned and since is not None:
        # The changes of a span are few: they are sorted, and each row is looked up.
        last, values = _last_changes(scope, schema.stable_name, since)
        source, order = f"({last}) l cross join {source}", "l.row_id"
        given += values
    where.append(mine[0].removesuffix(" and "))
    given += mine[1]
    if spanned:
        where.append("r.id = l.row_id and r.version = l.version")
    if selection.start is not None:
        where.append("r.id > ?")
        given.append(selection.start.bytes)
    if selection.differing:
        text, values = _either(scope, selection)
        where.append(text)
        given += values
    if selection.standing is not None:
        where.append(f"r.id not in (select row_id from {CHANGES} where {_LOGGED} and number > ?)")
        given += [scope.tenant_id.bytes, schema.stable_name, selection.standing]
    text = f"select {wire.columns} from {source} where {' and '.join(where)} order by {order}"
    return text, given


_LOGGED = "tenant_id = ? and entity = ?"


def _last_changes(scope: Scope, entity: str, since: Since) -> Statement:
    """Each row's last change within the span. It is the row's last of all if it made the version that stands.

    The other columns come from the line that has the maximum: SQLite says so.
    """
    text = f"""select row_id, version, device, max(number) from {CHANGES}
      where {_LOGGED} and op <> 'd' and number > ? and number <= ? group by row_id"""
    given: list[Any] = [scope.tenant_id.bytes, entity, since.after, since.upto]
    if since.device is not None:
        text = f"select row_id, version from ({text}) where device is not ?"
        given.append(since.device)
    return f"{text} order by row_id", given


def _either(scope: Scope, selection: Selection) -> Statement:
    """Changed, or holding something in a field that the device has just learnt of: no index serves that, so all are read."""
    fields = selection.schema.by_name
    conditions, given = [differs(fields[name], "r") for name in selection.differing], list[Any]()
    if selection.since is not None:
        last, given = _last_changes(scope, selection.schema.stable_name, selection.since)
        conditions.append(f"(r.id, r.version) in (select row_id, version from ({last}))")
    return f"({' or '.join(conditions)})", given
