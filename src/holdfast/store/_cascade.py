"""What a delete takes with it: the rows that refer to it, each with a change of its own.

The rows are looked for as the whole tenant, because who may delete a row may delete what hangs on it, whoever's it is. A
row that the scope cannot see takes nothing with it and tells nothing of what refers to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from holdfast.changes.change import Operation
from holdfast.changes.devices import returning
from holdfast.engines.port import PlannedWrite, Row, Transaction, Write
from holdfast.errors import Conflict, StillReferenced, TooLarge
from holdfast.model.catalog import Catalog, Referrer
from holdfast.model.query import Condition, Key, Op, Query
from holdfast.model.schema import EntitySchema
from holdfast.store.deciding import RowKey
from holdfast.tenancy.scope import Scope

_PAGE = 1_000
MAX_CASCADE = 100_000

Reference = tuple[Referrer, Row]


async def cascades(
    tx: Transaction, catalog: Catalog, writes: Sequence[PlannedWrite]
) -> tuple[list[PlannedWrite], list[PlannedWrite]]:
    """The writes that come before `writes` because they delete rows that others refer to, children first; and `writes`.

    A row that `writes` itself deletes, or points elsewhere, holds nothing back. One that it changes otherwise is emptied in
    the same write. Raises StillReferenced where a reference restricts, Conflict where `writes` changes a row that it also
    takes away, TooLarge above `MAX_CASCADE` rows.
    """
    search = _Search(tx, catalog, writes)
    for planned in writes:
        if planned.write.op is Operation.DELETE and catalog.referrers(planned.write.schema):
            await search.follow(planned)
    search.refuse_restricted()
    return list(search.found.values()), [search.emptied(planned) for planned in writes]


class _Search:
    """Goes from deleted rows to those that refer to them, depth first and without recursion: chains may be long."""

    def __init__(self, tx: Transaction, catalog: Catalog, writes: Sequence[PlannedWrite]) -> None:
        self.found: dict[RowKey, PlannedWrite] = {}
        self._tx = tx
        self._catalog = catalog
        self._own = {key_of(planned): planned.write for planned in writes}
        self._own_empty: dict[RowKey, dict[str, None]] = {}
        self._restricted: dict[RowKey, str] = {}

    async def follow(self, deleted: PlannedWrite) -> None:
        """Find what goes with a row that the session deletes, if its scope may."""
        if not await self._goes(deleted):
            return
        scope = replace(_returning(deleted.scope), whole_tenant=True, reason="cascade")
        root = replace(deleted, scope=scope)
        await self._tx.act_as(root.scope)
        path = [(root, await self._referring(root.write))]
        while path:
            parent, waiting = path[-1]
            if waiting:
                child = self._meet(*waiting.popleft(), parent)
                if child is not None:
                    path.append((child, await self._referring(child.write)))
            else:
                path.pop()
                self._finish(key_of(parent))

    async def _goes(self, deleted: PlannedWrite) -> bool:
        write = deleted.write
        await self._tx.act_as(deleted.scope)
        row = await self._tx.get(write.schema, write.row_id)
        return row is not None and write.if_version in (None, row["version"])

    def _meet(self, referrer: Referrer, row: Row, parent: PlannedWrite) -> PlannedWrite | None:
        """Enter a row that refers to one that goes; returns its own delete if that must be followed."""
        key = (referrer.schema.name, row["id"])
        if key in self._own:
            self._meet_own(referrer, key)
        elif referrer.on_delete == "restrict":
            self._restricted.setdefault(key, f"{referrer.schema.name}.{referrer.field.name}")
        elif referrer.on_delete == "set_null":
            self._empty(referrer, key, parent)
        elif key not in self.found or self.found[key].write.op is not Operation.DELETE:
            self.found.pop(key, None)
            return self._enter(Write(referrer.schema, Operation.DELETE, row["id"]), parent)
        return None

    def _meet_own(self, referrer: Referrer, key: RowKey) -> None:
        own, name = self._own[key], referrer.field.name
        if own.op is Operation.DELETE or name in own.values:
            return
        if referrer.on_delete == "restrict":
            self._restricted.setdefault(key, f"{referrer.schema.name}.{name}")
        elif referrer.on_delete == "set_null":
            self._own_empty.setdefault(key, {})[name] = None
        else:
            raise Conflict(
                "this session changes a row that one of its deletes takes with it",
                where=referrer.schema.name,
                hint="Point the row elsewhere, or leave it unchanged.",
            )

    def _empty(self, referrer: Referrer, key: RowKey, parent: PlannedWrite) -> None:
        there = self.found.get(key)
        if there is not None and there.write.op is Operation.DELETE:
            return
        values = {**(there.write.values if there else {}), referrer.field.name: None}
        self._enter(Write(referrer.schema, Operation.UPDATE, key[1], values), parent)

    def _enter(self, write: Write, parent: PlannedWrite) -> PlannedWrite:
        if len(self.found) >= MAX_CASCADE:
            raise TooLarge(f"deleting this row would take more than {MAX_CASCADE} others with it")
        entered = PlannedWrite(write, parent.scope, parent.at)
        self.found[key_of(entered)] = entered
        return entered

    def _finish(self, key: RowKey) -> None:
        """Everything below the row has been entered: it comes behind it."""
        if key in self.found:
            self.found[key] = self.found.pop(key)

    def refuse_restricted(self) -> None:
        """Raise StillReferenced for a row that restricts and stays."""
        for key, where in self._restricted.items():
            there = self.found.get(key)
            if there is None or there.write.op is not Operation.DELETE:
                raise StillReferenced(where=where)

    def emptied(self, planned: PlannedWrite) -> PlannedWrite:
        """The session's own write, with the references emptied that would point at nothing."""
        empty = self._own_empty.get(key_of(planned))
        if empty is None:
            return planned
        write = replace(planned.write, values={**planned.write.values, **empty})
        return replace(planned, write=write, scope=_returning(planned.scope))

    async def _referring(self, deleted: Write) -> deque[Reference]:
        found: deque[Reference] = deque()
        for referrer in self._catalog.referrers(deleted.schema):
            found.extend((referrer, row) for row in await self._rows(referrer, deleted.row_id))
        return found

    async def _rows(self, referrer: Referrer, row_id: UUID) -> list[Row]:
        rows: list[Row] = []
        after: Key | None = None
        while True:
            page = await self._tx.query(_rows_query(referrer.schema, referrer.field.name, row_id, after))
            rows.extend(page)
            if len(page) < _PAGE:
                return rows
            after = Key(None, page[-1]["id"])


def _rows_query(schema: EntitySchema, field: str, row_id: UUID, after: Key | None) -> Query:
    return Query(schema, (Condition(field, Op.EQ, row_id),), limit=_PAGE, after=after)


def _returning(scope: Scope) -> Scope:
    """For what a device did not send, though it follows from what it sent."""
    return replace(scope, device=returning(scope.device))


def key_of(planned: PlannedWrite) -> RowKey:
    """The entity and row that a write is of."""
    return planned.write.schema.name, planned.write.row_id
