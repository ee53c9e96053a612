"""The statements of one schema, with the scope's conditions in them, and the SELECT of a list."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, Final

from holdfast.engines.port import RowWrite
from holdfast.engines.sqlite._names import is_realm, quoted, table_name
from holdfast.engines.sqlite._values import Codec, store
from holdfast.errors import Forbidden
from holdfast.model.query import Op, Query
from holdfast.model.schema import EntitySchema
from holdfast.tenancy.scope import Scope

Statement = tuple[str, list[Any]]
_SIGNS = {Op.EQ: "=", Op.GT: ">", Op.GE: ">=", Op.LT: "<", Op.LE: "<="}
_MOST_AT_ONCE: Final = 512
"""Ids in one statement."""


class Texts:
    """The fixed statements of one schema. What a scope adds comes first among the parameters."""

    def __init__(self, schema: EntitySchema) -> None:
        self.schema = schema
        self.codec = Codec(schema)
        self.table = table_name(schema)
        self.columns = ", ".join(map(quoted, schema.by_column))
        self.journaled = schema.journaled
        self._tenant = "" if is_realm(schema) else "tenant_id = ? and "

    def mine(self, scope: Scope, alias: str = "") -> Statement:
        """The condition that a row is this scope's to see, ending in `and`, and its parameters."""
        schema = self.schema
        if is_realm(schema) != scope.is_realm:
            raise Forbidden(
                "the realm is reached in its own scope, and a tenant in its own", where=schema.name
            )
        if scope.is_realm:
            return "", []
        if schema.owner is None or scope.whole_tenant:
            return f"{alias}{self._tenant}", [scope.tenant_id.bytes]
        owner = scope.user_id.bytes if scope.user_id else None
        owned = quoted(schema.by_name[schema.owner].column)
        text = f"{alias}{self._tenant}{alias}{owned} = ? and "
        return text, [scope.tenant_id.bytes, owner]

    def get(self, scope: Scope) -> Statement:
        """One row by id, the last parameter."""
        mine, given = self.mine(scope)
        return f"select {self.columns} from {self.table} where {mine}id = ?", given

    def batch_get(self, scope: Scope, count: int) -> Statement:
        """Rows by ids, with their salts."""
        mine, given = self.mine(scope)
        salt = ", commit_salt" if self.journaled else ""
        return (
            f"select {self.columns}{salt} from {self.table} where {mine}id in ({places(count)})",
            given,
        )

    @cached_property
    def insert(self) -> str:
        """A new row: the tenant, the fields, the salt."""
        names = ["tenant_id"] if self._tenant else []
        names += self.schema.by_column
        names += ["commit_salt"] if self.journaled else []
        columns = ", ".join(map(quoted, names))
        return f"insert into {self.table} ({columns}) values ({places(len(names))})"

    def update(self, scope: Scope) -> Statement:
        """A whole row, if it has the version: its fields, then these parameters, its id and the version."""
        mine, given = self.mine(scope)
        assign = ", ".join(f"{quoted(name)} = ?" for name in self.schema.columns(self.updated))
        return f"update {self.table} set {assign} where {mine}id = ? and version = ?", given

    @cached_property
    def updated(self) -> tuple[str, ...]:
        """The fields that an update sets."""
        return tuple(name for name in self.schema.by_name if name not in {"id", "created_at"})

    def delete(self, scope: Scope) -> Statement:
        """A row by id, if it has the version."""
        mine, given = self.mine(scope)
        return f"delete from {self.table} where {mine}id = ? and version = ?", given

    def inserted(self, scope: Scope, write: RowWrite) -> list[Any]:
        """The parameters of `insert`."""
        tenant = [scope.tenant_id.bytes] if self._tenant else []
        salt = [write.salt] if self.journaled else []
        return [*tenant, *self.codec.write(write.row or {}), *salt]

    def replaced(self, given: list[Any], write: RowWrite) -> list[Any]:
        """The parameters of `update`."""
        values = dict(zip(self.codec.names, self.codec.write(write.row or {}), strict=True))
        fields = [values[name] for name in self.updated]
        return [*fields, *given, write.row_id.bytes, write.if_version]


class Library:
    """The texts of the schemas in use, each made once."""

    def __init__(self) -> None:
        self._texts: dict[str, Texts] = {}

    def of(self, schema: EntitySchema) -> Texts:
        """The texts of `schema`."""
        found = self._texts.get(schema.name)
        if found is None or found.schema is not schema:
            found = self._texts[schema.name] = Texts(schema)
        return found


def places(count: int) -> str:
    """Places for so many parameters."""
    return ", ".join("?" * count)


def in_portions(keys: Sequence[bytes]) -> list[list[bytes]]:
    """The keys in portions of few sizes, so that few statements are compiled: the last key fills a portion up."""
    portions = []
    for start in range(0, len(keys), _MOST_AT_ONCE):
        portion = list(keys[start : start + _MOST_AT_ONCE])
        size = 1 << (len(portion) - 1).bit_length()
        portions.append(portion + portion[-1:] * (size - len(portion)))
    return portions


def verb_of(write: RowWrite) -> str:
    """What a planned write does."""
    if write.row is None:
        return "delete"
    return "update" if write.if_version else "insert"


def runs(writes: Sequence[RowWrite]) -> list[tuple[EntitySchema, str, list[RowWrite]]]:
    """Consecutive writes of one kind to one table together."""
    grouped = groupby(writes, key=lambda write: (write.schema.name, verb_of(write)))
    return [(run[0].schema, verb, run) for (_, verb), items in grouped for run in (list(items),)]


def select(query: Query, texts: Texts, scope: Scope) -> Statement:
    """The SELECT of a list with its parameters, in keyset form: absent values first, ties by id."""
    mine, given = texts.mine(scope)
    clauses = [mine.removesuffix(" and ")] if mine else []
    for condition in query.where:
        column = quoted(query.schema.by_name[condition.field].column)
        kind = query.schema.by_name[condition.field].type
        if condition.op is Op.IN:
            clauses.append(f"{column} in ({places(len(condition.value))})")
            given += [store(kind, value) for value in condition.value]
        elif condition.value is None:
            clauses.append(f"{column} is null" if condition.op is Op.EQ else "false")
        else:
            clauses.append(f"{column} {_SIGNS[condition.op]} ?")
            given.append(store(kind, condition.value))
    if query.after is not None:
        text, values = _after(query)
        clauses.append(text)
        given += values
    where = " and ".join(clauses) or "true"
    text = f"select {texts.columns} from {texts.table} where {where} {_order(query)} limit {query.limit:d}"
    return text, given


def _order(query: Query) -> str:
    """NULL comes before all else in SQLite, which is what is asked for."""
    way = "desc" if query.descending else "asc"
    column = quoted(query.schema.by_name[query.sort].column)
    return f"order by id {way}" if query.sort == "id" else f"order by {column} {way}, id {way}"


def _after(query: Query) -> Statement:
    key, sign = query.after, "<" if query.descending else ">"
    assert key is not None  # noqa: S101
    row_id = key.row_id.bytes
    if query.sort == "id":
        return f"id {sign} ?", [row_id]
    field = query.schema.by_name[query.sort]
    column = quoted(field.column)
    if key.value is None:
        tie = f"({column} is null and id {sign} ?)"
        return (tie if query.descending else f"({column} is not null or {tie})"), [row_id]
    absent = f" or {column} is null" if query.descending and field.nullable else ""
    return f"(({column}, id) {sign} (?, ?){absent})", [store(field.type, key.value), row_id]
