"""What only the rows tell: references that point at nothing, and counters that do not agree with their log.

A foreign key that is added or validated under FORCE row security looks at no row and passes, so that a valid constraint
proves nothing; these counts run with row security off, which a login that may not read past it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from holdfast.engines.postgres._names import quoted
from holdfast.engines.postgres.inspection.findings import finding
from holdfast.engines.postgres.inspection.shape import ForeignKey, Table

_TIMEOUT = "120s"
_NOT_COUNTED = {
    "42501": "this login may not read past row security",
    "42P01": "a table that is referred to is missing",
    "57014": f"it took more than {_TIMEOUT}",
}
_HEADS = """select count(*) from holdfast.tenant_heads h,
  lateral (select max(c.number) as number from holdfast.changes c where c.tenant_id = h.tenant_id) l
 where l.number <> h.head"""
_HORIZONS = "select count(*) from holdfast.tenant_heads h where h.horizon not between 0 and h.head"


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows are wrong, and what to say of them; or why they could not be counted."""

    count: int = 0
    finding: str = ""
    why: str = ""


async def count_rows(connection: Any, tables: Iterable[Table]) -> list[Counted]:
    """The orphans of each declared reference of `tables`, whether its constraint stands or not, and the counters."""
    return [
        await _count(connection, text, what, fix) for table in tables for text, what, fix in _counts_of(table)
    ]


def _counts_of(table: Table) -> Iterator[tuple[str, str, str]]:
    """Query, what it counts, and what to do about it."""
    for key in table.foreign_keys:
        what = (
            f"{table.full_name}: {{count}} rows refer by {', '.join(key.columns)} to no row of {key.target}"
        )
        yield orphans_sql(table, key), what, "delete them, or restore what they refer to"
    if table.full_name == "holdfast.tenant_heads":
        what = "{count} tenants' counters do not agree with the last number of their log"
        yield _HEADS, what, "restore from a backup: changes were lost or forged"
        what = "{count} tenants' horizons lie beyond their log, and devices are told to start afresh"
        yield _HORIZONS, what, "update holdfast.tenant_heads set horizon = head where horizon > head"


def orphans_sql(table: Table, key: ForeignKey) -> str:
    """Counts the rows whose reference is complete and points at nothing."""
    pack, name = key.target.split(".")
    present = " and ".join(f"c.{quoted(own)} is not null" for own in key.columns)
    pairs = zip(key.columns, key.target_columns, strict=True)
    match = " and ".join(f"p.{quoted(other)} = c.{quoted(own)}" for own, other in pairs)
    return (
        f"select count(*) from {table.sql_name} c where {present} "
        f"and not exists (select from {quoted(pack)}.{quoted(name)} p where {match})"
    )


async def _count(connection: Any, text: str, what: str, fix: str) -> Counted:
    try:
        async with connection.transaction():
            await connection.execute(
                f"set local row_security = off; set local statement_timeout = '{_TIMEOUT}'"
            )
            count = int(await connection.fetchval(text))
    except asyncpg.PostgresError as error:
        state = str(error.sqlstate or "")
        return Counted(why=_NOT_COUNTED.get(state, f"SQLSTATE {state}"))
    return Counted(count, finding(what.format(count=count), fix))
