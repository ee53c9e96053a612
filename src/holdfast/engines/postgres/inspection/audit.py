"""The audit of `sql/audit.sql`: every block that this server's version knows, its offenders as findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.engines.postgres._names import Roles, literal
from holdfast.engines.postgres.inspection.findings import finding
from holdfast.engines.postgres.inspection.named_sql import Block, blocks_of

FILE = "audit.sql"
# The first minor releases whose planner statistics no longer tell what row security hides (CVE-2025-8713).
FLOORS = {15: 150_014, 16: 160_010, 17: 170_006}

_EXTENDED = "(select objid from pg_depend where classid = '{catalog}'::regclass and deptype = 'e')"


async def audit(connection: Any, roles: Roles, version: int) -> list[str]:
    """The findings of all blocks; `version` is the server's `server_version_num`."""
    values = placeholders(roles)
    findings = list(_old_server(version))
    for block in audit_blocks(version):
        for record in await connection.fetch(block.with_values(values)):
            findings.append(_line(block, dict(record)))
    return findings


def audit_blocks(version: int) -> list[Block]:
    """The blocks for a server of this version."""
    return [block for block in blocks_of(FILE) if _is_for(block, version)]


def placeholders(roles: Roles) -> dict[str, str]:
    """What the blocks call the roles and the schemas."""
    names = {name: literal(getattr(roles, name)) for name in Roles.__slots__}
    logins = ", ".join(names[name] for name in ("runtime", "realm", "maintenance"))
    own = "(select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')"
    return {
        **names,
        "logins": f"({logins})",
        "schemas": own,
        "extension_tables": _EXTENDED.format(catalog="pg_class"),
        "extension_functions": _EXTENDED.format(catalog="pg_proc"),
    }


def _is_for(block: Block, version: int) -> bool:
    since, before = int(block.facts.get("since", 0)), int(block.facts.get("before", 10**9))
    return since <= version < before


def _line(block: Block, record: dict[str, Any]) -> str:
    return finding(block.facts["finding"].format_map(record), block.facts["fix"].format_map(record))


def _old_server(version: int) -> Iterator[str]:
    floor = FLOORS.get(version // 10_000, 0)
    if version < floor:
        yield finding(
            f"the server is PostgreSQL {version // 10_000}.{version % 10_000}, with known ways around row security",
            f"update it to {floor // 10_000}.{floor % 10_000} or newer",
        )
