"""PostgreSQL's errors as ours, by SQLSTATE and constraint name; message and DETAIL hold values and are never passed on."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from holdfast.engines.postgres._ddl import constraint_name, unique_name
from holdfast.engines.postgres._names import GUARD_STATE
from holdfast.errors import (
    AlreadyExists,
    Busy,
    ConfigurationError,
    Duplicate,
    Forbidden,
    HoldfastError,
    InvalidInput,
    MigrationsPending,
    NotSupported,
    ReferenceMissing,
    SchemaError,
    TooLarge,
    Unavailable,
)
from holdfast.model.schema import EntitySchema

RESTART = "Restart with the code that fits the database; `holdfast migrate status` shows how the two stand."


class ContextMissing(HoldfastError):
    """A statement reached a tenant's rows without naming the tenant."""

    code = "tenant_context_missing"


class OutsideFlush(HoldfastError):
    """A journaled table was written by another way than a flush."""

    code = "outside_flush"


@contextmanager
def translated(schema: EntitySchema | None = None) -> Iterator[None]:
    """Raise the library's error for any of the driver's that leaves the block."""
    try:
        yield
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError("the database's URL cannot be used") from _kind(error)
    except asyncpg.InternalClientError as error:
        raise Unavailable("the driver and the database do not understand one another") from _kind(error)
    except asyncpg.PostgresError as error:
        raise translate(error, schema) from bare(error)
    except asyncpg.InterfaceError as error:
        raise Unavailable("the connection to the database was lost") from bare(error)
    except TimeoutError as error:
        raise Busy("the database did not answer in time") from bare(error)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise Unavailable(f"the database cannot be reached{_why(error)}") from bare(error)


def _why(error: BaseException) -> str:
    """The kind of it, in words; the driver's own text may name anything."""
    if isinstance(error, ConnectionRefusedError):
        return ": the connection is refused"
    if isinstance(error, socket.gaierror):
        return ": the host is unknown"
    if isinstance(error, ConnectionError | asyncio.IncompleteReadError):
        return ": the connection was cut"
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH}:
        return ": timed out" if number == errno.ETIMEDOUT else ": there is no way to the host"
    # Of several addresses, where the driver counts up what became of each.
    return (
        ": the connection is refused"
        if "Connection refused" in str(error) or "Connect call failed" in str(error)
        else ""
    )


def bare(error: BaseException) -> BaseException:
    """The error's kind without its text: a traceback that shows the cause shows no value."""
    state = getattr(error, "sqlstate", None)
    return RuntimeError(f"{type(error).__name__} {state or ''}".strip())


def _kind(error: BaseException) -> BaseException:
    """What kind of error it was; its text may quote a value or a URL."""
    return RuntimeError(type(error).__name__)


def translate(error: asyncpg.PostgresError, schema: EntitySchema | None) -> HoldfastError:
    """The library's error for one of PostgreSQL's."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return Unavailable("the schema has changed under a prepared statement")
    state = str(error.sqlstate or "")
    where = schema.name if schema else None
    exact = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if state == "23505":
        return _unique(error, schema)
    if state in {"23503", "23502", "23514"}:
        if state == "23503":
            return ReferenceMissing(where=_referring_field(error, schema))
        return InvalidInput(where=_with_constraint(error, where))
    if exact is None:
        return HoldfastError(f"the database refused the statement (SQLSTATE {state})", where=where)
    kind, message = exact
    if state in _HINTS:
        return kind(message, where=where, hint=_HINTS[state])
    return kind(message, where=where)


def _unique(error: asyncpg.PostgresError, schema: EntitySchema | None) -> HoldfastError:
    name = getattr(error, "constraint_name", None) or ""
    if schema is None:
        return AlreadyExists()
    if name == f"{schema.relation}_pkey":
        return AlreadyExists(where=schema.name)
    if getattr(error, "schema_name", None) != schema.pack:
        return HoldfastError("a key of another table is taken", where=name or None)
    for rule in schema.uniques:
        if unique_name(schema, rule) == name:
            return Duplicate("another row holds the same " + ", ".join(rule.fields), where=schema.name)
    return Duplicate(where=schema.name)


def _referring_field(error: asyncpg.PostgresError, schema: EntitySchema | None) -> str | None:
    """The field whose reference leads nowhere, by the name of its constraint. A commit knows no schema: then it is the
    table and the column, by their stable names.
    """
    name, table = getattr(error, "constraint_name", None), getattr(error, "table_name", None)
    for field in schema.referring_fields if schema else ():
        if schema and name == constraint_name(schema.relation, (field.column,), "fkey"):
            return f"{schema.name}.{field.name}"
    if name and table and name.startswith(f"{table[:30]}_") and name.endswith("_fkey"):
        column = name.removeprefix(f"{table[:30]}_").removesuffix("_fkey")
        return f"{getattr(error, 'schema_name', None)}.{table}.{column}"
    return _with_constraint(error, schema.name if schema else None)


def _with_constraint(error: asyncpg.PostgresError, where: str | None) -> str | None:
    name = getattr(error, "constraint_name", None) or getattr(error, "column_name", None)
    return f"{where}: {name}" if where and name else where or name


_HINTS = {
    "42703": RESTART,
    "53100": "Make room on the database's disk. What was committed is there; nothing of this was kept.",
}
_BY_STATE: dict[str, tuple[type[HoldfastError], str]] = {
    "28P01": (Unavailable, "the database refuses the password"),
    "42501": (Forbidden, "the database refuses this to the role or the scope"),
    "22P02": (ContextMissing, "a statement named no tenant"),
    "42704": (ContextMissing, "a statement named no tenant"),
    "42883": (MigrationsPending, "the database lacks the functions of this version"),
    "42P01": (MigrationsPending, "the database lacks a table of this version"),
    "3D000": (SchemaError, "there is no database of this name on the server"),
    "3F000": (MigrationsPending, "the database lacks a schema of this version"),
    "42703": (SchemaError, "the database's table has other columns"),
    "55P03": (Busy, "this tenant's counter is held too long"),
    "57014": (Busy, "the statement took too long and was stopped"),
    "40P01": (Busy, "two transactions waited for one another"),
    "40001": (Busy, "the transaction met another one"),
    "53100": (Unavailable, "the database's disk is full"),
    "53300": (Busy, "the database has no connection to spare"),
    "54000": (TooLarge, "the database's own limit was reached"),
    "0A000": (NotSupported, "the database does not support this"),
    "25006": (Unavailable, "the database takes no writes now"),
    "26000": (Unavailable, "the connection has lost its prepared statements"),
    "42P05": (Unavailable, "the connection holds another's prepared statements"),
    GUARD_STATE: (OutsideFlush, "journaled rows are written by a flush alone"),
}
_BY_CLASS: dict[str, tuple[type[HoldfastError], str]] = {
    "08": (Unavailable, "the connection to the database was lost"),
    "22": (InvalidInput, "the database cannot hold one of the values"),
    "23": (InvalidInput, "a rule of the table is broken"),
    "25": (Unavailable, "the transaction has ended"),
    "28": (Unavailable, "the database refuses the login"),
    "53": (Unavailable, "the database is out of a resource"),
    "54": (TooLarge, "the database's own limit was reached"),
    "57": (Unavailable, "the database is starting or stopping"),
    "58": (Unavailable, "the database's machine failed"),
}
