"""SQLite's errors as ours, by result code; a message is looked into for the names of tables and columns alone, and is never
passed on.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.engines.sqlite._names import bare_name, entity_of
from holdfast.errors import (
    AlreadyExists,
    Busy,
    Duplicate,
    HoldfastError,
    InvalidInput,
    MigrationsPending,
    ReferenceMissing,
    SchemaError,
    TooLarge,
    Unavailable,
)
from holdfast.model.schema import EntitySchema

_UNIQUE = re.compile(r"^UNIQUE constraint failed: (.+)$")
_NAMED = re.compile(r"^(?:CHECK|NOT NULL) constraint failed: ([a-z0-9_.]+)")
_RESTORE = "Bring back a copy: a copy of a file that was in use is made by SQLite's own backup, never by cp."
_ROOM = "Make room on the disk of DATABASE_URL. What was committed is there; nothing of this write was kept."
_WRITABLE = "The file of DATABASE_URL and its folder must be writable for the user that Holdfast runs as."


class OutsideFlush(HoldfastError):
    """A journaled table was written by another way than a flush."""

    code = "outside_flush"


@contextmanager
def translated(schema: EntitySchema | None = None) -> Iterator[None]:
    """Raise the library's error for any of the driver's that leaves the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, schema) from bare(error)
    except (OverflowError, UnicodeError) as error:
        where = schema.name if schema else None
        raise InvalidInput("the database cannot hold one of the values", where=where) from bare(error)


def bare(error: BaseException) -> BaseException:
    """The error's kind without its text: a traceback that shows the cause shows no value."""
    name = getattr(error, "sqlite_errorname", None)
    return RuntimeError(f"{type(error).__name__} {name or ''}".strip())


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds what was asked for."""
    return isinstance(error, sqlite3.OperationalError) and _primary(error) in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }


def translate(error: sqlite3.Error, schema: EntitySchema | None) -> HoldfastError:
    """The library's error for one of SQLite's."""
    where = schema.name if schema else None
    code = _primary(error)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return _constraint(error, schema)
    if code == sqlite3.SQLITE_ERROR:
        return _statement(str(error), where)
    if isinstance(error, sqlite3.ProgrammingError) and code is None:
        return Unavailable("the database was closed", where=where)
    found = _BY_CODE.get(code or -1)
    if found is None:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        return HoldfastError(f"the database refused the statement ({name})", where=where)
    kind, message, hint = found
    return Busy(message, where=where) if kind is Busy else kind(message, where=where, hint=hint or None)


def _primary(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _constraint(error: sqlite3.Error, schema: EntitySchema | None) -> HoldfastError:
    where = schema.name if schema else None
    match error.sqlite_errorname:
        case "SQLITE_CONSTRAINT_PRIMARYKEY":
            return AlreadyExists(where=where)
        case "SQLITE_CONSTRAINT_UNIQUE":
            return _unique(str(error), schema)
        case "SQLITE_CONSTRAINT_FOREIGNKEY":
            return ReferenceMissing(where=where)
        case "SQLITE_CONSTRAINT_TRIGGER":
            named = _NAMED.match(str(error))
            if named:  # said by what keeps two columns in step
                return _broken(named, schema)
            return OutsideFlush("journaled rows are written by a flush alone", where=where)
        case _:
            named = _NAMED.match(str(error))
            return _broken(named, schema)


def _broken(named: re.Match[str] | None, schema: EntitySchema | None) -> HoldfastError:
    where = schema.name if schema else None
    if schema is not None and named is not None:
        table, _, column = named[1].rpartition(".")
        where = (
            f"{schema.name}: {schema.current_name(column) if table in ('', bare_name(schema)) else named[1]}"
        )
    return InvalidInput("a rule of the table is broken", where=where)


def _unique(message: str, schema: EntitySchema | None) -> HoldfastError:
    found = _UNIQUE.match(message)
    columns = [column.partition(".")[2] for column in found[1].split(", ")] if found else []
    if schema is None:
        return AlreadyExists()
    fields = tuple(
        schema.current_name(column)
        for column in columns
        if column != "tenant_id" or column in schema.by_column
    )
    if fields == ("id",):
        return AlreadyExists(where=schema.name)
    if found is not None and not found[1].startswith(f"{bare_name(schema)}."):
        return HoldfastError("a key of another table is taken", where=entity_of(found[1].partition(".")[0]))
    return Duplicate("another row holds the same " + ", ".join(fields), where=schema.name)


_RESTART = "Restart with the code that fits the file; `holdfast migrate status` shows how the two stand."


def _statement(message: str, where: str | None) -> HoldfastError:
    """An error in a statement: the file is not as the statement thinks, since statements are ours."""
    if message.startswith("no such table: "):
        table = message.removeprefix("no such table: ").removeprefix("main.")
        return MigrationsPending("the file lacks a table of this version", where=where or entity_of(table))
    if "no such column" in message or "has no column" in message:
        return SchemaError("the file's table has other columns", where=where, hint=_RESTART)
    if message.startswith("too many SQL variables"):
        return TooLarge("the filter names too many values", where=where)
    return HoldfastError("the database refused the statement (SQLITE_ERROR)", where=where)


_BY_CODE: dict[int, tuple[type[HoldfastError], str, str]] = {
    sqlite3.SQLITE_BUSY: (Busy, "another connection writes for too long", ""),
    sqlite3.SQLITE_LOCKED: (Busy, "another connection writes for too long", ""),
    sqlite3.SQLITE_INTERRUPT: (Unavailable, "the statement was stopped", ""),
    sqlite3.SQLITE_READONLY: (Unavailable, "the file cannot be written to", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: (Unavailable, "the file cannot be opened", _WRITABLE),
    sqlite3.SQLITE_PERM: (Unavailable, "the file cannot be opened", _WRITABLE),
    sqlite3.SQLITE_FULL: (Unavailable, "the disk is full, or the file is as large as it may be", _ROOM),
    sqlite3.SQLITE_IOERR: (Unavailable, "the disk failed", ""),
    sqlite3.SQLITE_NOMEM: (Unavailable, "there is no memory left", ""),
    sqlite3.SQLITE_PROTOCOL: (Busy, "another connection writes for too long", ""),
    sqlite3.SQLITE_TOOBIG: (TooLarge, "the database's own limit was reached", ""),
    sqlite3.SQLITE_RANGE: (TooLarge, "the database's own limit was reached", ""),
    sqlite3.SQLITE_CORRUPT: (SchemaError, "the file is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: (
        SchemaError,
        "this file is no SQLite database",
        "Holdfast wants a file of its own: name one that does not exist yet.",
    ),
}
