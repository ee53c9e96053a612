"""The statements of the general path: a list's SELECT, and one INSERT, UPDATE or DELETE for a run of rows.

Rows go down as one JSON parameter, read by `jsonb_to_recordset` into typed columns: one trip however many they are. What is
owned is asked for by its owner, beside the policy: until a revision that changes the owner is finished, the policy is the old
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from holdfast.engines.port import Row, RowWrite
from holdfast.engines.postgres._names import quoted, record_type, sql_type, table_name
from holdfast.model.query import Op, Query
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import BytesType, DateType, DecimalType, InstantType, JsonType, TextType

_IF_VERSION = "if__version"
"""The version that a write replaces, beside the fields in its JSON: no field has two _ in a row."""
_SIGNS = {Op.EQ: "=", Op.GT: ">", Op.GE: ">=", Op.LT: "<", Op.LE: "<="}


class Texts:
    """The fixed statements of one schema."""

    def __init__(self, schema: EntitySchema) -> None:
        realm = schema.visibility == "realm"
        self.schema = schema
        self.table = table_name(schema)
        self.columns = ", ".join(selected(field, "r") for field in schema.by_name.values())
        self._salt = ", r.commit_salt" if schema.journaled else ""
        self._mine = "" if realm else " and r.tenant_id = $2"
        if schema.owner is not None:
            self._mine += f" and ($3::uuid is null or r.{quoted(schema.by_name[schema.owner].column)} = $3)"
        self._tenant = ("", "") if realm else ("tenant_id, ", "$2, ")

    @property
    def get(self) -> str:
        """One row by id ($1); the tenant is $2 except in the realm, and the owner, where there is one, $3 or NULL for all."""
        return f"select {self.columns} from {self.table} r where r.id = $1{self._mine}"

    @property
    def batch_get(self) -> str:
        """Rows by ids ($1), with their salts."""
        return (
            f"select {self.columns}{self._salt} from {self.table} r where r.id = any($1::uuid[]){self._mine}"
        )

    @property
    def insert(self) -> str:
        """New rows from JSON ($1)."""
        names = [*self.schema.by_column, *(["commit_salt"] if self.schema.journaled else [])]
        into = ", ".join(map(quoted, names))
        values = ", ".join(f"w.{quoted(name)}" for name in names)
        return (
            f"insert into {self.table} ({self._tenant[0]}{into}) select {self._tenant[1]}{values} "
            f"from jsonb_to_recordset($1::jsonb) as w({self._record()})"
        )

    @property
    def update(self) -> str:
        """Whole rows from JSON ($1), each only at the version that `if_version` names."""
        assign = ", ".join(
            f"{quoted(name)} = w.{quoted(name)}"
            for name in self.schema.by_column
            if name not in {"id", "created_at"}
        )
        return (
            f"update {self.table} r set {assign} from jsonb_to_recordset($1::jsonb) as w({self._record()}) "
            f"where r.id = w.id and r.version = w.{_IF_VERSION}{self._mine}"
        )

    @property
    def delete(self) -> str:
        """Rows by id and version from JSON ($1)."""
        return (
            f"delete from {self.table} r using jsonb_to_recordset($1::jsonb) as w(id uuid, {_IF_VERSION} bigint) "
            f"where r.id = w.id and r.version = w.{_IF_VERSION}{self._mine}"
        )

    def _record(self) -> str:
        columns = [
            f"{quoted(name)} {record_type(field.type)}" for name, field in self.schema.by_column.items()
        ]
        return ", ".join([*columns, "commit_salt bytea", f"{_IF_VERSION} bigint"])


def selected(field: FieldSchema, alias: str) -> str:
    """A field in a SELECT list, under its name. Without the column's length or precision: a statement that is prepared
    outlives their widening.
    """
    column = f"{alias}.{quoted(field.column)}"
    match field.type:
        case TextType(max_length=int()):
            column += "::text"
        case DecimalType():
            column = f"(+{column})"
    return f"{column} as {quoted(field.name)}"


def texts_of(schema: EntitySchema, cache: dict[str, Texts]) -> Texts:
    """The texts of `schema`, made once."""
    found = cache.get(schema.name)
    if found is None or found.schema is not schema:
        found = cache[schema.name] = Texts(schema)
    return found


def select_together(schemas: Sequence[EntitySchema]) -> str:
    """One row of each of these realm tables by id ($1, $2 …), side by side; NULLs where there is none."""
    columns = [
        selected(field, f"r{n}") for n, schema in enumerate(schemas) for field in schema.by_name.values()
    ]
    joins = [f"left join {table_name(schema)} r{n} on r{n}.id = ${n + 1}" for n, schema in enumerate(schemas)]
    return f"select {', '.join(columns)} from (values (1)) one {' '.join(joins)}"


def split_together(schemas: Sequence[EntitySchema], record: Sequence[Any]) -> list[Row | None]:
    """The rows that stand side by side in a record."""
    rows: list[Row | None] = []
    start = 0
    for schema in schemas:
        names = tuple(schema.by_name)
        values = record[start : start + len(names)]
        start += len(names)
        rows.append(None if values[0] is None else read_row(schema, dict(zip(names, values, strict=True))))
    return rows


def select(query: Query, tenant: Any, owner: Any = None) -> tuple[str, list[Any]]:
    """The SELECT of a list with its parameters, in keyset form: absent values first, ties by id. Of what is owned, `owner`'s
    rows; None stands for all.
    """
    schema = query.schema
    arguments: list[Any] = []

    def bind(name: str, value: Any, suffix: str = "") -> str:
        kind = schema.by_name[name].type
        cast = sql_type(kind).removesuffix(' collate "C"').split("(")[0]
        if isinstance(kind, DateType | InstantType):
            # As text: the driver sends the first and the last day that Python knows as the infinities.
            value = [kind.encode(item) for item in value] if suffix else kind.encode(value)
            cast = f"text{suffix}::{cast}"
        arguments.append(value)
        return f"${len(arguments)}::{cast}{suffix}"

    clauses = [] if schema.visibility == "realm" else [f"r.tenant_id = {bind('id', tenant)}"]
    if schema.owner is not None and owner is not None:
        column = f"r.{quoted(schema.by_name[schema.owner].column)}"
        clauses.append(f"{column} = {bind(schema.owner, owner)}")
    for condition in query.where:
        column = f"r.{quoted(schema.by_name[condition.field].column)}"
        if condition.op is Op.IN:
            clauses.append(f"{column} = any({bind(condition.field, list(condition.value), '[]')})")
        elif condition.value is None:
            clauses.append(f"{column} is null")
        else:
            clauses.append(f"{column} {_SIGNS[condition.op]} {bind(condition.field, condition.value)}")
    if query.after is not None:
        clauses.append(_after(query, bind))
    where = " and ".join(clauses) or "true"
    columns = ", ".join(selected(field, "r") for field in schema.by_name.values())
    return (
        f"select {columns} from {table_name(schema)} r where {where} {_order(query)} limit {query.limit}",
        arguments,
    )


def _order(query: Query) -> str:
    way, nulls = ("desc", "last") if query.descending else ("asc", "first")
    if query.sort == "id":
        return f"order by r.id {way}"
    field = query.schema.by_name[query.sort]
    placed = f" nulls {nulls}" if field.nullable else ""
    return f"order by r.{quoted(field.column)} {way}{placed}, r.id {way}"


def _after(query: Query, bind: Any) -> str:
    key, sign = query.after, "<" if query.descending else ">"
    assert key is not None  # noqa: S101
    row_id = bind("id", key.row_id)
    if query.sort == "id":
        return f"r.id {sign} {row_id}"
    column = f"r.{quoted(query.schema.by_name[query.sort].column)}"
    if key.value is None:
        tie = f"({column} is null and r.id {sign} {row_id})"
        return tie if query.descending else f"({column} is not null or {tie})"
    value = bind(query.sort, key.value)
    absent = f" or {column} is null" if query.descending and query.schema.by_name[query.sort].nullable else ""
    return f"({column} {sign} {value} or ({column} = {value} and r.id {sign} {row_id}){absent})"


def rows_json(writes: Sequence[RowWrite]) -> str:
    """The JSON parameter of a run of writes."""
    return orjson.dumps([_row_json(write) for write in writes]).decode()


def _row_json(write: RowWrite) -> dict[str, Any]:
    head: dict[str, Any] = {"id": str(write.row_id), _IF_VERSION: write.if_version}
    if write.row is None:
        return head
    plain = write.plain
    if plain is None or not write.schema.stores_plain:
        plain = fields_json(write.schema, write.row)
    return {**plain, **head, "commit_salt": "\\x" + write.salt.hex()}


def fields_json(schema: EntitySchema, values: Row | dict[str, Any]) -> dict[str, Any]:
    """Values as PostgreSQL reads them out of JSON, by column: their plain form, except that bytes are in its hexadecimal."""
    fields = schema.by_name
    return {
        fields[name].column: None
        if value is None
        else "\\x" + value.hex()
        if isinstance(fields[name].type, BytesType)
        else fields[name].type.encode(value)
        for name, value in values.items()
    }


def read_row(schema: EntitySchema, record: Any) -> Row:
    """A record of the driver as a row."""
    row: Row = {}
    for name, field in schema.by_name.items():
        value = record[name]
        if isinstance(field.type, JsonType) and value is not None:
            value = orjson.loads(value)
        row[name] = value
    return row
