"""Two columns kept in step while code writes the one or the other, by triggers that follow each write.

A trigger of SQLite does not change the row that is about to be written: it writes the other column afterwards. That is a write
itself, and so asks first whether the two are in step already, in either direction; with that, no value goes to and fro.
"""

from __future__ import annotations

import sqlite3

from holdfast.engines.sqlite._casts import converted
from holdfast.engines.sqlite._names import literal, quoted
from holdfast.model.schema import FieldSchema

LINK = "__link_"
_KINDS = ("insert", "old", "new")


def link_statements(table: str, old: FieldSchema, new: FieldSchema, *, realm: bool) -> list[str]:
    """What keeps `old` and `new` in step."""
    a, b = quoted(old.column), quoted(new.column)
    there, back = converted(old.type, new.type, f"new.{a}"), converted(new.type, old.type, f"new.{b}")
    row = "id = new.id" if realm else "tenant_id = new.tenant_id and id = new.id"
    lack = f"select raise(abort, {literal(f'NOT NULL constraint failed: {table}.{old.column}')}) where "
    refuse = "" if old.nullable else f"{lack}{back} is null; "
    apart = f"not ({there} is new.{b} or {back} is new.{a})"
    named = {kind: quoted(_name(table, old.column, new.column, kind)) for kind in _KINDS}
    on = f"on {quoted(table)}"
    insert = f"update {quoted(table)} set {b} = {there} where {row} and {b} is null and {a} is not null; "
    insert_back = f"update {quoted(table)} set {a} = {back} where {row} and {a} is null and {b} is not null; "
    lacking = "" if old.nullable else f"{lack}new.{a} is null and {back} is null; "
    return [
        (
            f"create trigger {named['insert']} after insert {on} when new.{a} is null or new.{b} is null "
            f"begin {lacking}{insert}{insert_back}end"
        ),
        (
            f"create trigger {named['old']} after update of {a} {on} when new.{a} is not old.{a} and {apart} "
            f"begin update {quoted(table)} set {b} = {there} where {row}; end"
        ),
        (
            f"create trigger {named['new']} after update of {b} {on} when new.{b} is not old.{b} and {apart} "
            f"begin {refuse}update {quoted(table)} set {a} = {back} where {row}; end"
        ),
    ]


def _name(table: str, old: str, new: str, kind: str) -> str:
    return f"{table}__{old}__{new}" + LINK + kind


def drop_links(raw: sqlite3.Connection, table: str, one: str, other: str) -> None:
    """Keep them in step no longer, whichever of them came first."""
    for old, new in ((one, other), (other, one)):
        for kind in _KINDS:
            raw.execute(f"drop trigger if exists {quoted(_name(table, old, new, kind))}")


def may_be_filled(raw: sqlite3.Connection, table: str, column: str) -> bool:
    """Whether a column of a new row may be filled after the row was made: it is the older one of two that are in step."""
    stem = f"{table}__{column}__"
    rows = raw.execute(
        "select name from sqlite_schema where type = 'trigger' and tbl_name = ?", [table]
    ).fetchall()
    return any(name.startswith(stem) and LINK in name for (name,) in rows)
