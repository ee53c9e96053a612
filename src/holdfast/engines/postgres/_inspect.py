"""What stands in the database against what was declared, and whatever else would let a login past the wall.

Nothing is changed: all of it happens in one transaction that is undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from holdfast.engines.port import Inspection
from holdfast.engines.postgres._names import Roles, quoted
from holdfast.engines.postgres.inspection.audit import audit, audit_blocks
from holdfast.engines.postgres.inspection.catalogs import (
    Standing,
    read_functions,
    read_schema_grants,
    read_standing,
)
from holdfast.engines.postgres.inspection.counts import count_rows
from holdfast.engines.postgres.inspection.deparse import Deparsed, deparse, why_not
from holdfast.engines.postgres.inspection.differences import Comparison
from holdfast.engines.postgres.inspection.findings import finding
from holdfast.engines.postgres.inspection.functions import function_findings, functions_of
from holdfast.engines.postgres.inspection.shape import Table, log_tables, table_of
from holdfast.model.schema import EntitySchema

Facts = dict[str, Any]


async def inspect_database(connection: Any, schemas: Sequence[EntitySchema], roles: Roles) -> Inspection:
    """Look at everything that the declaration asks for, and at what the audit asks of any database.

    What `connection` may not look at is said in the facts: `conditions` and `orphans` tell "compared" and a count, or
    why not.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("set local search_path = pg_catalog, pg_temp")
        return await _inspect(connection, schemas, roles)
    finally:
        await transaction.rollback()


async def _inspect(connection: Any, schemas: Sequence[EntitySchema], roles: Roles) -> Inspection:
    tables = [*log_tables(roles), *(table_of(schema, roles) for schema in schemas)]
    facts, version = await _server_facts(connection, roles)
    standing = await read_standing(connection, tables)
    there = [table for table in tables if table.full_name in standing]
    findings = list(_missing(tables, standing))
    spelled = await _spelled(connection, there, facts)
    for table in there:
        conditions = spelled.get(table.full_name)
        findings += Comparison(table, standing[table.full_name], conditions, roles).findings()
    findings += await _schema_findings(connection, tables)
    functions = functions_of(schemas, roles)
    records = await read_functions(connection, [function.signature for function in functions])
    findings += function_findings(functions, records, roles)
    findings += await audit(connection, roles, version)
    findings += await _counted(connection, there, facts)
    facts |= {
        "tables": len(there),
        "policies": sum(len(standing[table.full_name].policies) for table in there),
        "functions": len(records),
        "audit_queries": len(audit_blocks(version)),
    }
    return Inspection(facts, tuple(dict.fromkeys(findings)))


async def _server_facts(connection: Any, roles: Roles) -> tuple[Facts, int]:
    text = """select current_setting('server_version') as name, current_setting('server_version_num')::integer as number,
      current_user as inspected_as, (select count(*) from pg_publication) as publications"""
    record = await connection.fetchrow(text)
    facts = {
        "server": f"PostgreSQL {record['name']}",
        "owner": roles.owner,
        "inspected_as": record["inspected_as"],
        "publications": record["publications"],
    }
    return facts, record["number"]


def _missing(tables: Sequence[Table], standing: dict[str, Standing]) -> Iterator[str]:
    for table in tables:
        if table.full_name not in standing:
            yield finding(f"{table.full_name}: the table is missing", "run `holdfast migrate up`")


async def _spelled(connection: Any, tables: Sequence[Table], facts: Facts) -> dict[str, Deparsed]:
    reason = await why_not(connection)
    facts["conditions"] = "compared" if reason is None else f"not compared: {reason}"
    return await deparse(connection, tables) if reason is None else {}


async def _schema_findings(connection: Any, tables: Sequence[Table]) -> list[str]:
    """USAGE for whoever has a grant on one of the schema's tables, and nothing else."""
    wanted = {(table.pack, role, "USAGE") for table in tables for role, _ in table.grants}
    standing = await read_schema_grants(connection, sorted({table.pack for table in tables}))
    lines = []
    for pack, role, privilege in sorted(wanted - standing):
        fix = f"grant {privilege} on schema {quoted(pack)} to {quoted(role)}"
        lines.append(finding(f"schema {pack}: {role} lacks {privilege}", fix))
    for pack, role, privilege in sorted(standing - wanted):
        to = "public" if role == "PUBLIC" else quoted(role)
        fix = f"revoke {privilege} on schema {quoted(pack)} from {to}"
        lines.append(finding(f"schema {pack}: {role} holds {privilege}, which is not declared", fix))
    return lines


async def _counted(connection: Any, tables: Sequence[Table], facts: Facts) -> list[str]:
    """The findings of the counts; in the facts, how many orphans there are or why they were not counted."""
    counted = await count_rows(connection, tables)
    reasons = sorted({count.why for count in counted if count.why})
    facts["orphans"] = (
        f"not counted: {'; '.join(reasons)}" if reasons else sum(count.count for count in counted)
    )
    return [count.finding for count in counted if count.count]
