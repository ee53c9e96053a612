"""The conditions of a declaration as PostgreSQL itself spells them.

A policy's text is parsed when it is made and printed from the parsed form, so that ours and the catalog's never agree
letter by letter. The same policies, checks and predicates are therefore made on temporary tables, and read back. The
caller undoes the transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.engines.postgres._names import quoted
from holdfast.engines.postgres.inspection.catalogs import Standing, read_tables
from holdfast.engines.postgres.inspection.shape import Column, Index, Policy, Table


@dataclass(frozen=True, slots=True)
class Deparsed:
    """A table's conditions: of policies by name, of checks by their declared text, of partial indexes by name."""

    policies: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    predicates: dict[str, str] = field(default_factory=dict)


async def why_not(connection: Any) -> str | None:
    """Why this connection cannot have conditions spelled; None where it can."""
    if await connection.fetchval("select pg_is_in_recovery()"):
        return "the server is a replica"
    text = "select has_database_privilege(current_database(), 'TEMPORARY')"
    if not await connection.fetchval(text):
        return "this login may make no temporary table"
    return None


async def deparse(connection: Any, tables: Sequence[Table]) -> dict[str, Deparsed]:
    """The conditions of each table, by its full name. Leaves temporary tables behind: undo the transaction."""
    oids = {}
    for number, table in enumerate(tables):
        name = f"holdfast_inspected_{number}"
        await connection.execute(";\n".join(_twin(f"pg_temp.{name}", table)))
        oids[table.full_name] = await connection.fetchval(
            "select to_regclass($1)::oid::bigint", f"pg_temp.{name}"
        )
    twins = await read_tables(connection, oids.values())
    return {table.full_name: _deparsed(table, twins[oids[table.full_name]]) for table in tables}


def _twin(name: str, table: Table) -> list[str]:
    """A temporary table with the same columns and conditions, its checks named by number."""
    lines = [_column(column) for column in table.columns]
    lines += [f"constraint c{n} check ({check.expression})" for n, check in enumerate(table.checks)]
    made = [f"create temporary table {name.removeprefix('pg_temp.')} ({', '.join(lines)})"]
    made += [_policy(name, policy) for policy in table.policies]
    made += [_index(name, index) for index in table.indexes if index.where is not None]
    return made


def _column(column: Column) -> str:
    collation = f" collate {quoted(column.collation)}" if column.collation else ""
    return f"{quoted(column.name)} {column.type}{collation}"


def _policy(name: str, policy: Policy) -> str:
    return f"create policy {quoted(policy.name)} on {name} using ({policy.condition})"


def _index(name: str, index: Index) -> str:
    columns = ", ".join(map(quoted, index.columns))
    return f"create index {quoted(index.name)} on {name} ({columns}) where {index.where}"


def _deparsed(table: Table, twin: Standing) -> Deparsed:
    spelled = {record["name"]: record["expression"] for record in twin.checks}
    return Deparsed(
        policies={record["name"]: record["reading"] for record in twin.policies},
        checks={check.expression: spelled[f"c{n}"] for n, check in enumerate(table.checks)},
        predicates={record["name"]: record["predicate"] for record in twin.indexes},
    )
