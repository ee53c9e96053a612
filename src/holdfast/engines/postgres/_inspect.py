"""What stands in the database against what was declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.engines.port import Inspection
from holdfast.engines.postgres._names import Roles
from holdfast.model.schema import EntitySchema


async def inspect_database(connection: Any, schemas: Sequence[EntitySchema], roles: Roles) -> Inspection:
    """Look at everything that the declaration asks for."""
    findings = []
    for schema in schemas:
        if await connection.fetchval("select to_regclass($1)", f'"{schema.pack}"."{schema.table}"') is None:
            findings.append(f"{schema.name}: the table is missing")
    return Inspection({"owner": roles.owner}, tuple(findings))
