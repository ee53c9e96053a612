"""Reads what stands in the database, table by table, as PostgreSQL's catalogs tell it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.engines.postgres.inspection.named_sql import block
from holdfast.engines.postgres.inspection.shape import Table

FILE = "catalogs.sql"
Records = list[Any]

_CONCERNS = ("columns", "checks", "foreign_keys", "indexes", "policies", "grants", "guards")


@dataclass(slots=True)
class Standing:
    """One table as it stands: the record of its class, and those of each concern."""

    oid: int
    relation: Any
    columns: Records = field(default_factory=list)
    checks: Records = field(default_factory=list)
    foreign_keys: Records = field(default_factory=list)
    indexes: Records = field(default_factory=list)
    policies: Records = field(default_factory=list)
    grants: Records = field(default_factory=list)
    guards: Records = field(default_factory=list)


async def read_standing(connection: Any, tables: Sequence[Table]) -> dict[str, Standing]:
    """The tables of `tables` that are there, by full name."""
    records = await _fetch(connection, "oids", [table.full_name for table in tables])
    standing = await read_tables(connection, [record["oid"] for record in records])
    return {record["name"]: standing[record["oid"]] for record in records}


async def read_tables(connection: Any, oids: Iterable[int]) -> dict[int, Standing]:
    """The tables with these oids."""
    wanted = list(oids)
    found = {
        record["oid"]: Standing(record["oid"], record)
        for record in await _fetch(connection, "tables", wanted)
    }
    for concern in _CONCERNS:
        for record in await _fetch(connection, concern, wanted):
            getattr(found[record["oid"]], concern).append(record)
    return found


async def read_schema_grants(connection: Any, schemas: Sequence[str]) -> set[tuple[str, str, str]]:
    """Schema, role and privilege of every grant on these schemas, the owner's left out."""
    return {tuple(record) for record in await _fetch(connection, "schema_grants", list(schemas))}


async def read_functions(connection: Any, signatures: Sequence[str]) -> dict[str, Any]:
    """The functions of these signatures, those that are there: schema, name and argument types, unquoted."""
    return {r["signature"]: r for r in await _fetch(connection, "functions", list(signatures))}


async def _fetch(connection: Any, name: str, argument: list[Any]) -> Records:
    return list(await connection.fetch(block(FILE, name).text, argument))
