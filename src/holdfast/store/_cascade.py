"""What a delete takes with it: the rows that refer to it, each with a change of its own.

The rows are looked for as the whole tenant, because who may delete a row may delete what hangs on it, whoever's it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from holdfast.changes.change import Operation
from holdfast.engines.port import PlannedWrite, Row, Transaction, Write
from holdfast.errors import StillReferenced, TooLarge
from holdfast.model.catalog import Catalog, Referrer
from holdfast.model.query import Condition, Key, Op, Query
from holdfast.tenancy.scope import Scope

_PAGE = 1_000
MAX_CASCADE = 100_000


async def cascades(tx: Transaction, catalog: Catalog, writes: Sequence[PlannedWrite]) -> list[PlannedWrite]:
    """The writes that come before `writes` because they delete rows that others refer to, children first.

    Raises StillReferenced where a reference restricts, TooLarge above `MAX_CASCADE` rows.
    """
    found: dict[tuple[str, UUID], PlannedWrite] = {}
    for planned in writes:
        if planned.write.op is Operation.DELETE and catalog.referrers(planned.write.schema):
            everyone = replace(planned.scope, whole_tenant=True, reason="cascade")
            await tx.act_as(everyone)
            await _collect(tx, catalog, planned, everyone, found)
    own = {(item.write.schema.name, item.write.row_id) for item in writes}
    return [planned for key, planned in found.items() if key not in own]


async def _collect(
    tx: Transaction,
    catalog: Catalog,
    deleted: PlannedWrite,
    everyone: Scope,
    found: dict[tuple[str, UUID], PlannedWrite],
) -> None:
    for referrer in catalog.referrers(deleted.write.schema):
        for row in await _referring(tx, referrer, deleted.write.row_id):
            key = (referrer.schema.name, row["id"])
            if key in found:
                continue
            if referrer.on_delete == "restrict":
                raise StillReferenced(where=f"{referrer.schema.name}.{referrer.field.name}")
            if len(found) >= MAX_CASCADE:
                raise TooLarge(f"deleting this row would take more than {MAX_CASCADE} others with it")
            child = PlannedWrite(_write(referrer, row), everyone, deleted.at)
            if child.write.op is Operation.DELETE:
                found[key] = child  # marked before descending, so that a row that refers to itself ends
                await _collect(tx, catalog, child, everyone, found)
                found[key] = found.pop(key)  # children first
            else:
                found[key] = child


def _write(referrer: Referrer, row: Row) -> Write:
    if referrer.on_delete == "set_null":
        return Write(referrer.schema, Operation.UPDATE, row["id"], {referrer.field.name: None})
    return Write(referrer.schema, Operation.DELETE, row["id"])


async def _referring(tx: Transaction, referrer: Referrer, row_id: UUID) -> list[Row]:
    rows: list[Row] = []
    after: Key | None = None
    while True:
        condition = Condition(referrer.field.name, Op.EQ, row_id)
        page = await tx.query(Query(referrer.schema, (condition,), limit=_PAGE, after=after))
        rows.extend(page)
        if len(page) < _PAGE:
            return rows
        after = Key(None, page[-1]["id"])
