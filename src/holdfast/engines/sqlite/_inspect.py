"""What stands in the file against what was declared: the declaration is made anew in memory, and the two are compared."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.engines.port import Inspection
from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._links import LINK
from holdfast.engines.sqlite._names import ASIDE, OWN, bare_name, entity_of, quoted
from holdfast.model.schema import EntitySchema

Raw = sqlite3.Connection
_BLANKS = re.compile(r"\s+")
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_CHECK = re.compile(rf"{_QUOTED.pattern}|\bcheck \(", re.IGNORECASE)
_MIGRATE = "run `holdfast migrate up`"


@dataclass(frozen=True, slots=True)
class Table:
    """All that SQLite knows of a table. What is compared by name is kept by name."""

    kind: tuple[Any, ...]
    columns: dict[str, tuple[Any, ...]]
    checks: frozenset[str]
    references: frozenset[tuple[Any, ...]]
    made: dict[str, str] = field(default_factory=dict)
    """Index or trigger → the statement that makes it."""
    indexes: dict[str, tuple[Any, ...]] = field(default_factory=dict)


def inspect_file(schemas: Sequence[EntitySchema], raw: Raw) -> Inspection:
    """Compare, count orphans, and have SQLite look at its own pages. From one snapshot, and nothing is changed."""
    raw.execute("begin")
    try:
        return _inspect(schemas, raw)
    finally:
        raw.execute("rollback")


def _inspect(schemas: Sequence[EntitySchema], raw: Raw) -> Inspection:
    damage = _damage(raw)
    facts: dict[str, Any] = {"server": f"SQLite {sqlite3.sqlite_version}", "damage": damage}
    if damage:  # what cannot be read cannot be compared
        facts |= {"conditions": "not compared: damage", "orphans": "not counted: damage"}
        line = f"the file is damaged in {damage} places or more. Fix: bring back a copy"
        return Inspection(facts, (line,))
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        wanted = _declared(schemas, model)
        findings = [line for name in wanted for line in _compare(name, raw, model)]
    orphans = list(_orphans(raw))
    findings += [*_undeclared(raw, wanted), *(line for _, line in orphans)]
    facts |= {"tables": len(wanted), "conditions": "compared", "orphans": sum(count for count, _ in orphans)}
    return Inspection(facts, tuple(findings))


def _damage(raw: Raw) -> int:
    """How many places SQLite finds damaged, at most twenty; one where it cannot go on."""
    try:
        return sum(text != "ok" for (text,) in raw.execute("pragma quick_check(20)").fetchall())
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return 1


def _orphans(raw: Raw) -> Iterator[tuple[int, str]]:
    """How many rows refer to nothing, from where to where, and how that reads."""
    text = 'select "table", parent, count(*) from pragma_foreign_key_check group by 1, 2'
    for table, parent, count in raw.execute(text).fetchall():
        what = f"{entity_of(table)}: {count} rows refer to rows of {entity_of(parent)} that do not exist"
        yield count, f"{what}. Fix: bring the rows back, or remove those that refer to them"


def _declared(schemas: Sequence[EntitySchema], model: Raw) -> list[str]:
    """Make all that is declared in `model`; the names of its tables."""
    texts = [*_ddl.medium(), *_ddl.log(), *_ddl.tombstones()]
    for statement in (*texts, *(text for schema in schemas for text in _ddl.entity(schema))):
        model.execute(statement)
    own = model.execute(f"select name from sqlite_schema where type = 'table' and name glob '{OWN}*'")
    return [*(name for (name,) in own), *map(bare_name, schemas)]


def _undeclared(raw: Raw, wanted: Sequence[str]) -> Iterator[str]:
    """Triggers and views that nobody has declared: they may change or show rows behind the store."""
    found = raw.execute("select type, name, tbl_name from sqlite_schema where type in ('trigger', 'view')")
    for kind, name, table in found.fetchall():
        if kind == "view" or table not in wanted:
            yield f"{entity_of(table)}: {kind} {name} is not declared. Fix: drop {kind} {quoted(name)}"


def _compare(name: str, raw: Raw, model: Raw) -> Iterator[str]:
    place = entity_of(name)
    there, wanted = _read(raw, name), _read(model, name)
    if wanted is None:
        return
    if there is None:
        yield f"{place}: the table is missing. Fix: {_MIGRATE}"
        return
    if there.kind != wanted.kind:
        yield f"{place}: it is not strict, not without rowid, or has another key. Fix: make it anew"
    yield from _columns(place, there, wanted)
    for check in sorted(wanted.checks - there.checks):
        yield f"{place}: the check {check} is missing. Fix: make the table anew"
    for check in sorted(there.checks - wanted.checks):
        if check.removeprefix("length(").startswith(f'"{ASIDE}'):
            continue  # of a column that was set aside
        yield f"{place}: the check {check} is not declared. Fix: make the table anew"
    for key in sorted(wanted.references - there.references):
        yield f"{place}: the reference {_spelled(key)} is missing. Fix: make the table anew"
    for key in sorted(there.references - wanted.references):
        yield f"{place}: the reference {_spelled(key)} is not declared. Fix: make the table anew"
    yield from _made(place, there, wanted)


def _columns(place: str, there: Table, wanted: Table) -> Iterator[str]:
    for column in wanted.columns:
        if column not in there.columns:
            yield f"{place}: column {column} is missing. Fix: {_MIGRATE}"
        elif not _same_column(there.columns[column], wanted.columns[column]):
            yield f"{place}: column {column} is of another type, or may be absent. Fix: make the table anew"
    for column, (_, required, *_) in there.columns.items():
        if column.startswith(ASIDE) and not required:
            continue  # set aside by a revision
        if column not in wanted.columns:
            fix = f"alter table {quoted(place.replace('.', '__'))} drop column {quoted(column)}"
            yield f"{place}: column {column} is not declared. Fix: {fix}"


def _same_column(there: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """The same but for a default where none is declared: a revision leaves one for code that does not know the column."""
    kind, required, _default, *rest = there
    return wanted in (there, (kind, required, None, *rest))


def _made(place: str, there: Table, wanted: Table) -> Iterator[str]:
    """Indexes by what they are, triggers by their text."""
    for name, text in wanted.made.items():
        kind = "index" if name in wanted.indexes else "trigger"
        if name not in there.made:
            yield f"{place}: {kind} {name} is missing. Fix: {text}"
        elif there.indexes.get(name) != wanted.indexes.get(name) or (
            kind == "trigger" and there.made[name] != text
        ):
            yield f"{place}: {kind} {name} is another than declared. Fix: drop {kind} {quoted(name)}; {text}"
    for name in there.made:
        if name not in wanted.made and LINK not in name:
            kind = "index" if name in there.indexes else "trigger"
            yield f"{place}: {kind} {name} is not declared. Fix: drop {kind} {quoted(name)}"


def _read(raw: Raw, name: str) -> Table | None:
    found = raw.execute("select sql from sqlite_schema where type = 'table' and name = ?", [name]).fetchone()
    if found is None:
        return None
    (kind,) = raw.execute("select type, wr, strict from pragma_table_list(?) where schema = 'main'", [name])
    columns = raw.execute(
        'select name, type, "notnull", dflt_value, pk, hidden from pragma_table_xinfo(?)', [name]
    )
    keys = raw.execute(
        """select group_concat("from", ', '), "table", group_concat("to", ', '), on_update, on_delete
           from (select * from pragma_foreign_key_list(?) order by id, seq) group by id""",
        [name],
    )
    made = raw.execute(
        "select name, sql from sqlite_schema where tbl_name = ? and type <> 'table' and sql is not null",
        [name],
    )
    text = _BLANKS.sub(" ", found[0])
    deferred = _QUOTED.sub("", text).lower().count("deferrable initially deferred")
    return Table(
        kind=(*kind, deferred),
        columns={column: tuple(rest) for column, *rest in columns},
        checks=frozenset(_checks(text)),
        references=frozenset(keys),
        made={key: _normal(sql) for key, sql in made},
        indexes=_indexes(raw, name),
    )


def _indexes(raw: Raw, table: str) -> dict[str, tuple[Any, ...]]:
    """Each index that was made by a statement: unique, of which rows, of which columns in which order."""
    found: dict[str, tuple[Any, ...]] = {}
    listed = raw.execute(
        "select name, \"unique\", partial from pragma_index_list(?) where origin = 'c'", [table]
    ).fetchall()
    for name, unique, partial in listed:
        columns = raw.execute(
            'select name, "desc", coll from pragma_index_xinfo(?) where key = 1 order by seqno', [name]
        ).fetchall()
        (sql,) = raw.execute("select sql from sqlite_schema where name = ?", [name]).fetchone()
        where = _normal(sql).partition(" where ")[2] if partial else ""
        found[name] = (unique, where, *columns)
    return found


def _normal(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()


def _checks(text: str) -> Iterator[str]:
    """What stands behind each `check` of a CREATE TABLE, up to the bracket that closes it. What is quoted is no check."""
    for found in _CHECK.finditer(text):
        if found[0][0] in "'\"":
            continue
        depth, at, quote = 1, found.end(), ""
        while depth and at < len(text):
            sign = text[at]
            if quote:
                quote = "" if sign == quote else quote
            elif sign in "'\"":
                quote = sign
            else:
                depth += (sign == "(") - (sign == ")")
            at += 1
        yield text[found.end() : at - 1]


def _spelled(key: tuple[Any, ...]) -> str:
    own, table, other, *_ = key
    return f"({own}) → {entity_of(table)} ({other or 'its key'})"
