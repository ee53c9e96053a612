"""The conflict inbox: what met, both sides of it and the base, and what a person decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

import orjson

from holdfast.changes.change import Operation
from holdfast.engines.port import Outcome, PlannedWrite, Stored, Transaction, Write
from holdfast.errors import Conflict as ConflictError
from holdfast.errors import HoldfastError, InvalidInput, NotFound
from holdfast.model.plain import decode_fields
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import spell_id
from holdfast.store.deciding import Decided, RowKey
from holdfast.store.store import Store
from holdfast.sync.base import MISSING, Past, base_of, plain_at, plain_value, pushed_values
from holdfast.sync.entities import Conflict, ConflictResolution
from holdfast.tenancy.scope import Scope

Take = Literal["mine", "theirs", "value"]
State = Literal["open", "settled", "resolved", "all"]
STATES: Final[tuple[State, ...]] = ("open", "settled", "resolved", "all")
MAX_BULK: Final = 100


class Inbox:
    """Conflicts of a user, as they are listed and resolved."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._schema = store.catalog.schema(Conflict)

    async def listed(
        self, scope: Scope, *, state: State = "open", limit: int = 100, after: str | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Conflicts with their values, and the cursor of what follows."""
        where = {} if state == "all" else {"state": state}
        async with self._store.session(scope) as session:
            page = await session.select(Conflict, where, limit=limit, after=after)
        return [await self._told(scope, conflict) for conflict in page.items], page.next

    async def _told(self, scope: Scope, conflict: Conflict) -> dict[str, Any]:
        schema = self._store.catalog.logged(conflict.entity)
        row, past = None, Past()
        if self._store.reads(scope, schema):  # a role may have been taken away since
            row, past = await self._read(scope, schema, conflict)
        return {
            "id": str(conflict.id),
            "table": schema.table,
            "row": spell_id(conflict.row_id),
            "reason": conflict.reason,
            "state": conflict.state,
            "rules": {schema.current_name(column): rule for column, rule in conflict.rules.items()},
            "at": conflict.created_at,
            "resolution": conflict.resolution,
            "fields": _sides(schema, conflict, row, past),
            "deleted": row is None,
        }

    async def _read(
        self, scope: Scope, schema: EntitySchema, conflict: Conflict
    ) -> tuple[dict[str, Any] | None, Past]:
        async with self._store.engine.begin(scope, read_only=True) as tx:
            row = await tx.get(schema, conflict.row_id)
            after = min(conflict.base, max(0, conflict.number - 1))
            changes = await tx.read_row_changes([conflict.row_id], after)
            return row, Past(changes, await tx.read_history_since(schema, [conflict.row_id], after))

    async def resolve(
        self, scope: Scope, conflict_id: UUID, take: Take, values: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Settle an open conflict: with what the device sent, with what stands here, or with other values (in plain form).

        Raises NotFound, InvalidInput, and Conflict for one that is no longer open.
        """
        if (take == "value") != (values is not None):
            raise InvalidInput(
                "values come with `take: value`, and with nothing else", fields={"values": "misplaced"}
            )
        decider = _Resolution(self._store, scope, conflict_id, take, values)
        await self._store.flusher.submit_decided(scope, decider)
        return {"id": str(conflict_id), "state": "resolved", "resolution": take}

    async def resolve_many(self, scope: Scope, ids: Sequence[UUID], take: Take) -> list[dict[str, Any]]:
        """Settle several, each for itself: of one that cannot be settled the code says why."""
        if take == "value" or not 1 <= len(ids) <= MAX_BULK:
            raise InvalidInput(f"1 to {MAX_BULK} conflicts are settled together, with `mine` or `theirs`")
        told: list[dict[str, Any]] = []
        for conflict_id in ids:
            try:
                told.append(dict(await self.resolve(scope, conflict_id, take)))
            except HoldfastError as error:
                told.append({"id": str(conflict_id), "code": error.code})
        return told


def _sides(
    schema: EntitySchema, conflict: Conflict, row: Mapping[str, Any] | None, past: Past
) -> dict[str, dict[str, Any]]:
    """Field → mine, theirs and base, in plain form, of the fields that met."""
    base = _base(schema, conflict, row, past)
    theirs = plain_at(schema, row, past, max(0, conflict.number - 1)) or {}
    after = plain_at(schema, row, past, conflict.number) or {}
    kept = kept_values(schema, conflict.number, past)
    met = {schema.current_name(column) for column in conflict.rules}
    sides: dict[str, dict[str, Any]] = {}
    for name in (met | set(kept)) & set(schema.by_name):
        sides[name] = {
            "mine": kept[name] if name in kept else after.get(name),
            "theirs": theirs.get(name),
            "base": base.get(name),
        }
    return sides


def _base(
    schema: EntitySchema, conflict: Conflict, row: Mapping[str, Any] | None, past: Past
) -> dict[str, Any]:
    """What the device had, as far as is known, in plain form."""
    if conflict.device_id is None:
        return plain_at(schema, row, past, conflict.base) or {}
    device, number = conflict.device_id, conflict.number
    base = base_of(schema, row, past, device=device, seen=conflict.base, before=number)
    known = {declared.name: base.of(declared.name) for declared in schema.fields}
    return {
        **{name: plain_value(schema, name, value) for name, value in known.items() if value is not MISSING},
        **{name: orjson.loads(value) for name, value in base.lapsed.items()},
    }


def kept_values(schema: EntitySchema, number: int, past: Past) -> dict[str, Any]:
    """What was pushed with a change and not taken, in plain form."""
    return {name: orjson.loads(value) for name, value in pushed_values(schema, past, number).items()}


class _Resolution:
    """Decides, under the counter, what a person's decision writes. See `holdfast.store.deciding.Decider`."""

    def __init__(
        self, store: Store, scope: Scope, conflict_id: UUID, take: Take, values: Mapping[str, Any] | None
    ) -> None:
        self._store, self._scope, self._id = store, scope, conflict_id
        self._take, self._values = take, values
        self._conflict: Conflict | None = None
        self._at = store.clock()

    async def decide(self, tx: Transaction, head: int, refused: Mapping[RowKey, HoldfastError]) -> Decided:
        found = await tx.get(self._store.catalog.schema(Conflict), self._id)
        if found is None:
            raise NotFound(where="conflict")
        conflict = self._conflict = Conflict.stored(found)
        if conflict.state != "open":
            raise ConflictError("this conflict is settled already", where="conflict")
        schema = self._store.catalog.logged(conflict.entity)
        (stored,) = await tx.batch_get(schema, [conflict.row_id])
        wanted = await self._wanted(tx, schema, conflict)
        write = self._write(schema, conflict, stored, wanted) if wanted else None
        rows = {(schema.name, conflict.row_id): stored} if stored is not None else {}
        return Decided([] if write is None else [PlannedWrite(write, self._scope, self._at)], rows)

    async def _wanted(self, tx: Transaction, schema: EntitySchema, conflict: Conflict) -> dict[str, Any]:
        """The values that the decision asks for, as the field types hold them."""
        if self._take == "theirs":
            return {}
        if self._values is not None:
            return decode_fields(schema, dict(self._values))
        old = await tx.read_history_since(schema, [conflict.row_id], conflict.number - 1)
        kept = kept_values(schema, conflict.number, Past((), old))
        return decode_fields(
            schema, {n: v for n, v in kept.items() if n in {f.name for f in schema.pushed_fields}}
        )

    def _write(
        self, schema: EntitySchema, conflict: Conflict, stored: Stored | None, wanted: dict[str, Any]
    ) -> Write:
        op = Operation.CREATE if stored is None else Operation.UPDATE
        if not self._store.writes(self._scope, schema, op):
            raise InvalidInput("this role may not change rows of this entity", where=schema.name)
        entity = self._store.catalog.entity(schema)
        if stored is not None:
            return self._store.patch_write(self._scope, entity, conflict.row_id, wanted)
        return self._store.create_write(self._scope, entity, {"id": conflict.row_id, **wanted})

    def record(self, outcomes: Sequence[Outcome]) -> list[PlannedWrite]:
        """See `Decider`."""
        conflict = self._conflict
        assert conflict is not None  # noqa: S101 (it has decided)
        catalog = self._store.catalog
        settled = {
            "state": "resolved",
            "resolution": self._take,
            "resolved_by": self._scope.user_id,
            "resolved_at": self._at,
        }
        history = ConflictResolution(
            user_id=conflict.user_id,
            conflict_id=conflict.id,
            resolution_type=self._take,
            resolution_data={"number": outcomes[0].number if outcomes else None},
            auto_resolved=False,
            timestamp=self._at,
        )
        schema = catalog.schema(ConflictResolution)
        values = {field.name: getattr(history, field.name) for field in schema.fields}
        writes = (
            Write(catalog.schema(Conflict), Operation.UPDATE, conflict.id, settled),
            Write(schema, Operation.CREATE, history.id, values, if_version=0),
        )
        return [PlannedWrite(write, self._scope, self._at) for write in writes]
