"""How a table that stands is declared otherwise: other checks, defaults, references, or what may be absent.

SQLite's ALTER TABLE knows none of that. What is stored stays as it is, so that the table's text alone is exchanged, as SQLite's
own pages describe it for such changes; rows are looked at before, where the new text asks for more. Where SQLite keeps its
schema from being written to, the table is made anew beside the old one and takes its place.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._names import quoted
from holdfast.errors import SchemaError

Raw = sqlite3.Connection
_BLANKS = re.compile(r"\s+")
_NAME = re.compile(r'"((?:[^"]|"")*)"|([A-Za-z_][A-Za-z0-9_]*)')
_QUOTED = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""")
_KEYS = frozenset({"primary", "foreign", "check", "unique", "constraint"})
_ANEW = "__anew"
KEPT: Final = ""
"""Of a default or a check: as it was."""


def is_there(raw: Raw, table: str) -> bool:
    """Whether a table stands."""
    text = "select 1 from sqlite_schema where type = 'table' and name = ?"
    return raw.execute(text, [table]).fetchone() is not None


def can_edit(raw: Raw) -> bool:
    """Whether the texts of tables may be exchanged: some builds of SQLite keep everybody from it."""
    try:
        raw.execute("pragma writable_schema = on")
        raw.execute("update sqlite_schema set sql = sql where false")
    except sqlite3.OperationalError:
        return False
    finally:
        raw.execute("pragma writable_schema = off")
    return True


class Standing:
    """A table as it stands, and what is to be changed of it; `settle` changes it."""

    def __init__(self, raw: Raw, table: str) -> None:
        found = raw.execute("select sql from sqlite_schema where type = 'table' and name = ?", [table])
        record = found.fetchone()
        if record is None:
            raise SchemaError("a table that is to be changed is missing", where=table.replace("__", ".", 1))
        self.raw, self.table = raw, table
        self.lines = list(_lines(record[0]))
        self._stood = list(self.lines)
        rows = raw.execute('select name, type, "notnull", dflt_value from pragma_table_xinfo(?)', [table])
        self._columns = {name: (kind, bool(required), default) for name, kind, required, default in rows}

    def __contains__(self, column: object) -> bool:
        return column in self._columns

    def is_required(self, column: str) -> bool:
        """Whether it may not be absent."""
        return self._columns[column][1]

    def has_default(self, column: str) -> bool:
        """Whether rows may be made without it."""
        return self._columns[column][2] is not None

    def declare(
        self,
        column: str,
        *,
        required: bool | None = None,
        default: str | None = KEPT,
        check: str | None = KEPT,
    ) -> None:
        """A column anew. What is not said of it stays; no check or no default is None."""
        place = self._place(column)
        kind, was_required, held = self._columns[column]
        required = was_required if required is None else required
        check = _check_of(self.lines[place]) if check == KEPT else check
        default = held if default == KEPT else default
        self.lines[place] = _ddl.spelled_column(column, kind, required=required, default=default, check=check)
        self._columns[column] = (kind, required, default)

    def refer(self, line: str) -> None:
        """Have a foreign key, in the place of another one of its columns."""
        self.part(line)
        self.lines.append(line)

    def part(self, line: str) -> None:
        """Have no foreign key of these columns."""
        own = line.partition(" references ")[0]
        self.lines = [other for other in self.lines if other.partition(" references ")[0] != own]

    def part_all(self) -> None:
        """Have no foreign key."""
        self.lines = [line for line in self.lines if not line.startswith("foreign key ")]

    def _place(self, column: str) -> int:
        return next(at for at, line in enumerate(self.lines) if _column_of(line) == column)

    def settle(self, *, stricter: bool = False) -> None:
        """Carry out what was asked for; nothing happens where all was so already. `stricter`: rows are looked at again."""
        if self.lines == self._stood:
            return
        if can_edit(self.raw):
            self._exchange()
        else:
            self._make_anew()
        if stricter:
            _prove(self.raw, f"pragma quick_check({quoted(self.table)})", self.table)
        if any(line.startswith("foreign key ") and line not in self._stood for line in self.lines):
            _prove(self.raw, f"pragma foreign_key_check({quoted(self.table)})", self.table)
        self._stood = list(self.lines)

    def _exchange(self) -> None:
        raw = self.raw
        text = f"create table {quoted(self.table)} {_ddl.shape(self.lines)}"
        (version,) = raw.execute("pragma schema_version").fetchone()
        raw.execute("pragma writable_schema = on")
        try:
            raw.execute(
                "update sqlite_schema set sql = ? where type = 'table' and name = ?", [text, self.table]
            )
            raw.execute(f"pragma schema_version = {version + 1}")
        finally:
            raw.execute("pragma writable_schema = off")
        raw.execute(f"select 1 from {quoted(self.table)} limit 0")  # the text is read again, and is one

    def _make_anew(self) -> None:
        """With the same columns in the same order, and everything that stands on the table. Foreign keys must be off."""
        raw, name, anew = self.raw, quoted(self.table), quoted(self.table + _ANEW)
        beside = raw.execute(
            "select sql from sqlite_schema where tbl_name = ? and type <> 'table' and sql is not null",
            [self.table],
        ).fetchall()
        names = ", ".join(quoted(column) for column in self._columns)
        raw.execute(f"create table {anew} {_ddl.shape(self.lines)}")
        raw.execute(f"insert into {anew} ({names}) select {names} from {name}")
        raw.execute(f"drop table {name}")
        raw.execute(f"alter table {anew} rename to {name}")
        for (text,) in beside:
            raw.execute(text)


def _prove(raw: Raw, text: str, table: str) -> None:
    rows = [row for row in raw.execute(text).fetchall() if row != ("ok",)]
    if rows:
        raise SchemaError(
            f"{len(rows)} or more rows do not meet what the table is to be", where=table.replace("__", ".", 1)
        )


def _lines(text: str) -> Iterator[str]:
    """The columns and keys of a CREATE TABLE, blanks made one."""
    depth, quote, line = 0, "", ""
    for sign in text[text.index("(") :]:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"`":
            quote = sign
        elif sign == "(":
            depth += 1
            if depth == 1:
                continue
        elif sign == ")":
            depth -= 1
        if depth == 0 or (depth == 1 and sign == "," and not quote):
            yield _squeezed(line)
            line = ""
            if depth == 0:
                return
        else:
            line += sign


def _squeezed(line: str) -> str:
    """One blank for many, outside of quotes."""
    parts = _QUOTED.split(line)
    return "".join(part if at % 2 else _BLANKS.sub(" ", part) for at, part in enumerate(parts)).strip()


def _check_of(line: str) -> str | None:
    """What stands behind the `check` with which a column ends."""
    parts = _QUOTED.split(line)
    for at in range(0, len(parts), 2):
        _, found, after = parts[at].partition(" check (")
        if found:
            return (after + "".join(parts[at + 1 :])).removesuffix(")")
    return None


def _column_of(line: str) -> str | None:
    """The column that a line declares; None for a key."""
    found = _NAME.match(line)
    if found is None or (found[2] and found[2].lower() in _KEYS):
        return None
    return found[1].replace('""', '"') if found[1] is not None else found[2]


def is_of_tenants(raw: Raw, table: str) -> bool:
    """Whether the tenant leads the key."""
    text = "select 1 from pragma_table_info(?) where name = 'tenant_id' and pk > 0"
    return raw.execute(text, [table]).fetchone() is not None


def columns_of(raw: Raw, table: str) -> frozenset[str]:
    """The columns that stand."""
    rows: list[Any] = raw.execute("select name from pragma_table_xinfo(?)", [table]).fetchall()
    return frozenset(name for (name,) in rows)
