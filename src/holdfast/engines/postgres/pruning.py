"""What is taken away when it is old enough: history behind the horizon, plans that no code has any more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

import asyncpg

from holdfast.engines.port import HistoryKey, Pruned
from holdfast.engines.postgres._names import plan_name
from holdfast.engines.postgres._plans import VERBS
from holdfast.model.schema import EntitySchema

# The history has no index by number, and needs none: it is gone through once, in the order of its key.
_PRUNE_HISTORY: Final = """with page as (
  select entity, row_id, number, field from holdfast.field_history
   where tenant_id = $1 and (entity, row_id, number, field) > ($2, $3, $4, $5)
   order by entity, row_id, number, field limit $6
), gone as (
  delete from holdfast.field_history h using page p, holdfast.tenant_heads t
   where h.tenant_id = $1 and t.tenant_id = $1 and p.number <= least($7, t.horizon)
     and (h.entity, h.row_id, h.number, h.field) = (p.entity, p.row_id, p.number, p.field)
  returning 1
)
select (select count(*) from gone) as removed, (select count(*) from page) as seen, l.*
  from (select) one left join lateral (
    select * from page order by entity desc, row_id desc, number desc, field desc limit 1) l on true"""

_FUNCTIONS: Final = """select n.nspname as schema, p.proname as name, pg_get_function_identity_arguments(p.oid) as arguments
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where p.proname ~ $1 order by 1, 2"""
_PLAN: Final = rf"^({'|'.join(VERBS)})_[a-z0-9_]+_[0-9a-f]{{8}}$"
_NAME: Final = re.compile(r'"[a-z][a-z0-9_]*"\."[a-z][a-z0-9_]*"')
_BEFORE_ALL: Final = HistoryKey("", UUID(int=0), 0, "")


async def prune_history(
    connection: asyncpg.Connection, tenant_id: UUID, upto: int, after: HistoryKey | None, limit: int
) -> Pruned:
    """See the port. Within a transaction of the maintenance role, in the tenant."""
    start = after or _BEFORE_ALL
    record = await connection.fetchrow(
        _PRUNE_HISTORY, tenant_id, start.entity, start.row_id, start.number, start.field, limit, upto
    )
    more = record["seen"] == limit
    last = HistoryKey(record["entity"], record["row_id"], record["number"], record["field"]) if more else None
    return Pruned(record["removed"], last)


async def stale_plans(connection: asyncpg.Connection, schemas: Iterable[EntitySchema]) -> list[str]:
    """See the port: in the schemas of the packs, functions that are called like plans and are no declared entity's."""
    declared = list(schemas)
    packs = {schema.pack for schema in declared}
    live = {plan_name(schema, verb) for schema in declared for verb in VERBS}
    found = [
        (record["schema"], f'"{record["schema"]}"."{record["name"]}"')
        for record in await connection.fetch(_FUNCTIONS, _PLAN)
    ]
    return [name for pack, name in found if pack in packs and name not in live]


async def drop_plans(connection: asyncpg.Connection, names: Sequence[str]) -> int:
    """See the port. As the owner."""
    wanted = {name for name in names if _NAME.fullmatch(name)}
    there = [
        f'"{record["schema"]}"."{record["name"]}"({record["arguments"]})'
        for record in await connection.fetch(_FUNCTIONS, _PLAN)
        if f'"{record["schema"]}"."{record["name"]}"' in wanted
    ]
    for signature in there:
        await connection.execute(f"drop function if exists {signature}")
    return len(there)
