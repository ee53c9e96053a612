"""A push under the tenant's counter: read what its rows meet, judge each, and say what to write.

What can be thought about before the counter is held is done before, in `changeset.py`. `Push.decide` reads, lets
`verdict.py` judge, and looks once more at rows that rest on one another; `Push.record` writes down conflicts and the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Operation, Tombstone
from holdfast.engines.port import Outcome, PlannedWrite, Stored, Transaction, Write
from holdfast.errors import CursorExpired, HoldfastError
from holdfast.model.catalog import Catalog
from holdfast.model.ids import new_id
from holdfast.model.policies import Unique
from holdfast.model.query import Condition, Op, Query
from holdfast.model.schema import MEMBERS, EntitySchema
from holdfast.store.deciding import Decided, RowKey
from holdfast.store.store import Store
from holdfast.sync.answers import answer_of, rules_by_column
from holdfast.sync.base import NOTHING_PAST, Past
from holdfast.sync.caller import Caller
from holdfast.sync.changeset import Changes
from holdfast.sync.entities import Conflict, ConflictResolution, Device, PushReceipt
from holdfast.sync.incoming import Incoming
from holdfast.sync.verdict import Ground, Pusher, Verdict, judge_delete, judge_row
from holdfast.tenancy.scope import Scope

_PASSES: Final = 8


@dataclass(slots=True)
class Met:
    """What the rows of a push meet, as it was read under the counter."""

    device: Device | None
    stored: dict[RowKey, Stored] = field(default_factory=dict)
    foreign: set[RowKey] = field(default_factory=set)
    tombstones: dict[RowKey, Tombstone] = field(default_factory=dict)
    changes: dict[RowKey, list[Change]] = field(default_factory=dict)
    old_values: dict[RowKey, list[OldValue]] = field(default_factory=dict)
    targets: dict[RowKey, str] = field(default_factory=dict)
    """Rows that are referred to and not pushed: `there`, `gone` or `missing`."""

    def past(self, key: RowKey) -> Past:
        """What is known of a row's recent past."""
        if key not in self.changes:
            return NOTHING_PAST
        return Past(self.changes.get(key, ()), self.old_values.get(key, ()))


class Push:
    """One push of one device; see `holdfast.store.deciding.Decider`.

    `careful` looks for duplicates before the engine does: 1 lets rows of this push hand values on to one another, 2 does not.
    """

    def __init__(
        self,
        store: Store,
        caller: Caller,
        changes: Changes,
        *,
        pulled: int,
        members: frozenset[UUID],
        receipt: PushReceipt | None = None,
        careful: int = 0,
    ) -> None:
        self.changes = changes
        self.verdicts: list[Verdict] = []
        self.conflict_ids: dict[RowKey, UUID] = {}
        self._store = store
        self._catalog: Catalog = store.catalog
        self._caller = caller
        self._pulled = pulled
        self._members = members
        self._receipt = receipt
        self._careful = careful
        self._met: Met | None = None
        self._bars: dict[RowKey, dict[str, str]] = {}
        self._rights: dict[tuple[str, Operation], tuple[bool, bool]] = {}
        self._lost: set[RowKey] = set()
        """Rows of this push that are refused for good: what refers to them waits for nothing."""
        self._device_schema = store.catalog.schema(Device)
        self._at = store.clock()

    @property
    def opening_scope(self) -> Scope:
        """As what its transaction begins: for the whole tenant, until it is known whose the rows are."""
        return replace(self._caller.scope, whole_tenant=True, reason="what a push meets")

    # -- deciding -------------------------------------------------------------------------------------------------

    async def decide(self, tx: Transaction, head: int, refused: Mapping[RowKey, HoldfastError]) -> Decided:
        """See `Decider`."""
        if self._met is None or not refused:  # asked anew, and not once more: the flush was tried again
            self._met = await self._meet(tx, head)
        met = self._met
        if self._is_late(met):
            self.verdicts = self._all_later()
            return Decided([])
        pusher = self._pusher(met)
        order = self.changes.rows
        fallen: set[RowKey] = set()
        self._lost = set()
        for _ in range(_PASSES):
            verdicts = self._judge(pusher, met, order, refused, fallen)
            if self._careful:
                await self._hold_unique(tx, pusher, met, verdicts)
            down = {(v.schema.name, v.row_id) for v in verdicts if not v.stands}
            self._lost = {(v.schema.name, v.row_id) for v in verdicts if not v.stands and not v.later}
            if down <= fallen:
                break
            fallen |= down
        self.verdicts = verdicts
        return Decided([v.write for v in verdicts if v.write is not None], met.stored)

    def _is_late(self, met: Met) -> bool:
        """Whether the device has been given a later cursor already. Nobody waits for this push: what still holds comes again."""
        return self._caller.named and met.device is not None and self._pulled < met.device.issued

    def _all_later(self) -> list[Verdict]:
        """Nothing is taken, and whoever should be waiting after all keeps it for its next push."""
        keys = [*((row.schema, row.row_id) for row in self.changes.rows), *self.changes.deletes]
        return [Verdict(schema, row_id, reason="late", rejected=True, later=True) for schema, row_id in keys]

    def _pusher(self, met: Met) -> Pusher:
        caller, device = self._caller, met.device
        # One that showed no cursor had nothing before this pull.
        seen = device.seen if device is not None and device.seen else self._pulled
        return Pusher(
            caller.scope, caller.device_id, caller.named, self._pulled, min(seen, self._pulled), self._at
        )

    def _judge(
        self,
        pusher: Pusher,
        met: Met,
        order: Sequence[Incoming],
        refused: Mapping[RowKey, HoldfastError],
        fallen: set[RowKey],
    ) -> list[Verdict]:
        verdicts: list[Verdict] = []
        going = {(schema.name, row_id) for schema, row_id in self.changes.deletes} - set(refused)
        for schema, row_id in self.changes.deletes:
            key = (schema.name, row_id)
            barred = {"": refused[key].code} if key in refused else {}
            verdict = judge_delete(
                pusher, schema, row_id, self._ground(met, key, schema, Operation.DELETE, barred)
            )
            if verdict.write is None or verdict.write.write.op is not Operation.DELETE:
                going.discard(key)
            verdicts.append(verdict)
        coming = {(row.schema.name, row.row_id) for row in order} - fallen
        for row in order:
            key = (row.schema.name, row.row_id)
            op = Operation.UPDATE if key in met.stored else Operation.CREATE
            barred = self._bars[key] = self._barred(row, met, coming, going)
            verdicts.append(judge_row(pusher, row, self._ground(met, key, row.schema, op, barred)))
        return verdicts

    def _ground(
        self, met: Met, key: RowKey, schema: EntitySchema, op: Operation, barred: Mapping[str, str]
    ) -> Ground:
        readable, writable = self._may(schema, op)
        return Ground(
            met.stored.get(key),
            met.past(key),
            met.tombstones.get(key),
            key in met.foreign,
            barred,
            writable,
            readable,
        )

    def _may(self, schema: EntitySchema, op: Operation) -> tuple[bool, bool]:
        """Whether the role reads rows of the entity, and may do this to them."""
        known = self._rights.get((schema.name, op))
        if known is None:
            scope = self._caller.scope
            readable = self._store.reads(scope, schema)
            known = readable, readable and self._store.writes(scope, schema, op)
            self._rights[schema.name, op] = known
        return known

    def _barred(self, row: Incoming, met: Met, coming: set[RowKey], going: set[RowKey]) -> dict[str, str]:
        """The references of a row that point at nothing."""
        barred: dict[str, str] = {}
        for declared in row.schema.referring_fields:
            target = row.values.get(declared.name)
            if declared.reference is None or target is None:
                continue
            if declared.reference.table == MEMBERS:
                if target not in self._members:
                    barred[declared.name] = "no_such_member"
                continue
            key = (self._catalog.logged(declared.reference.table).name, target)
            state = (
                "gone"
                if key in going or key in self._lost
                else "there"
                if key in coming or key in met.stored
                else None
            )
            state = state or met.targets.get(key, "missing")
            if state != "there":
                barred[declared.name] = f"reference_{state}"
        return barred

    # -- reading --------------------------------------------------------------------------------------------------

    async def _meet(self, tx: Transaction, head: int) -> Met:
        """Rows are read for the whole tenant at first: whether an id is another person's shows in the row itself."""
        await tx.act_as(self.opening_scope)
        (known,) = await tx.batch_get(self._device_schema, [self._caller.device_id])
        met = Met(None if known is None else Device.stored(known.row))
        if known is not None:
            met.stored[self._device_schema.name, self._caller.device_id] = known
        marks = await tx.marks()
        refuse_expired(self._pulled, marks.head, marks.horizon, met.device)
        keys = self._keys()
        for schema, ids in keys.values():
            for row_id, stored in zip(ids, await tx.batch_get(schema, ids), strict=True):
                if stored is None:
                    continue
                if self._is_mine(schema, stored):
                    met.stored[schema.name, row_id] = stored
                else:
                    met.foreign.add((schema.name, row_id))
        await self._meet_absent(tx, met, keys)
        await tx.act_as(self._caller.scope)
        await self._meet_past(tx, met, keys, head)
        await self._meet_targets(tx, met)
        return met

    def _is_mine(self, schema: EntitySchema, stored: Stored) -> bool:
        return schema.owner is None or stored.row[schema.owner] == self._caller.user_id

    def _keys(self) -> dict[str, tuple[EntitySchema, list[UUID]]]:
        keys: dict[str, tuple[EntitySchema, list[UUID]]] = {}
        for schema, row_id in (
            *((row.schema, row.row_id) for row in self.changes.rows),
            *self.changes.deletes,
        ):
            keys.setdefault(schema.name, (schema, []))[1].append(row_id)
        return keys

    async def _meet_absent(
        self, tx: Transaction, met: Met, keys: Mapping[str, tuple[EntitySchema, list[UUID]]]
    ) -> None:
        """Of rows that are not there: were they deleted? An id under which another person's row was deleted stays theirs, or
        a new row under it would hide from their devices that it is gone.
        """
        here = met.stored.keys() | met.foreign
        absent = [(s, [i for i in ids if (s.name, i) not in here]) for s, ids in keys.values()]
        for schema, ids in absent:
            for tombstone in await tx.find_tombstones(schema, ids) if ids else ():
                key = (schema.name, tombstone.row_id)
                if tombstone.owner in (None, self._caller.user_id):
                    met.tombstones[key] = tombstone
                else:
                    met.foreign.add(key)

    async def _meet_past(
        self, tx: Transaction, met: Met, keys: Mapping[str, tuple[EntitySchema, list[UUID]]], head: int
    ) -> None:
        """What has happened to the rows since the device had them. Most pushes come right after a pull, and ask nothing; nor
        is anything asked of a row that neither stands nor has a tombstone: what it left is behind the device.
        """
        after = self._pusher(met).seen
        known = met.stored.keys() | met.tombstones.keys()
        ids = [i for schema, ids in keys.values() for i in ids if (schema.name, i) in known]
        if after >= head or not ids:
            return
        moved: dict[str, set[UUID]] = {}
        names = {schema.stable_name: schema.name for schema, _ in keys.values()}
        for change in await tx.read_row_changes(ids, after):
            name = names.get(change.entity, change.entity)
            met.changes.setdefault((name, change.row_id), []).append(change)
            moved.setdefault(name, set()).add(change.row_id)
        for schema, _ in keys.values():
            if schema.name in moved:
                for old in await tx.read_history_since(schema, list(moved[schema.name]), after):
                    met.old_values.setdefault((schema.name, old.row_id), []).append(old)

    async def _meet_targets(self, tx: Transaction, met: Met) -> None:
        pushed = {(row.schema.name, row.row_id) for row in self.changes.rows}
        wanted: dict[str, set[UUID]] = {}
        for row in self.changes.rows:
            for declared, reference in row.schema.references:
                target = row.values.get(declared.name)
                table = self._catalog.logged(reference.table).name
                key = (table, target)
                if target is not None and key not in pushed and key not in met.stored:
                    wanted.setdefault(table, set()).add(target)
        for table, ids in wanted.items():
            schema = self._catalog.schema(table)
            asked = sorted(ids)
            found = await tx.batch_get(schema, asked)
            missing = [row_id for row_id, stored in zip(asked, found, strict=True) if stored is None]
            met.targets.update({(table, row_id): "there" for row_id in asked if row_id not in missing})
            gone = {t.row_id for t in await tx.find_tombstones(schema, missing)} if missing else set()
            met.targets.update({(table, row_id): "gone" for row_id in gone})

    # -- unique rules ---------------------------------------------------------------------------------------------

    async def _hold_unique(self, tx: Transaction, pusher: Pusher, met: Met, verdicts: list[Verdict]) -> None:
        """Judge again, without the values that another row has, those rows that would break a unique rule."""
        rows = {(row.schema.name, row.row_id): row for row in self.changes.rows}
        final = {
            (v.schema.name, v.row_id): _final(v, met.stored.get((v.schema.name, v.row_id)))
            for v in verdicts
            if v.write is not None and v.write.write.op is not Operation.DELETE
        }
        going = {(v.schema.name, v.row_id) for v in verdicts if v.write is not None} - set(final)
        taken: set[tuple[str, tuple[str, ...], tuple[Any, ...]]] = set()
        behind: dict[RowKey, set[RowKey]] = {}
        await tx.act_as(replace(pusher.scope, whole_tenant=True, reason="is the value another row's?"))
        for place, verdict in enumerate(verdicts):
            key = (verdict.schema.name, verdict.row_id)
            if key not in final or key not in rows:
                continue
            barred: dict[str, str] = {}
            for rule in verdict.schema.uniques:
                values = _unique_values(rule, final[key])
                if values is None:
                    continue
                mark = (verdict.schema.name, rule.fields, values)
                holder = await self._holder(tx, verdict, rule, values)
                hands_on = self._careful < 2 and holder in final and holder not in behind.get(key, ())
                if holder is not None and hands_on and _unique_values(rule, final[holder]) != values:
                    behind.setdefault(key, set()).add(holder)
                    holder = None
                if mark in taken or (holder is not None and holder not in going):
                    barred.update(dict.fromkeys((rule.when,) if rule.when else rule.fields, "duplicate"))
                else:
                    taken.add(mark)
            if barred:
                op = Operation.UPDATE if key in met.stored else Operation.CREATE
                ground = self._ground(met, key, verdict.schema, op, {**self._bars.get(key, {}), **barred})
                verdicts[place] = judge_row(pusher, rows[key], ground)
        await tx.act_as(pusher.scope)
        verdicts[:] = _in_turn(verdicts, behind)

    async def _holder(
        self, tx: Transaction, verdict: Verdict, rule: Unique, values: tuple[Any, ...]
    ) -> RowKey | None:
        """The row that holds these values now, where it is another."""
        where = [Condition(name, Op.EQ, value) for name, value in zip(rule.fields, values, strict=True)]
        if rule.when is not None:
            where.append(Condition(rule.when, Op.EQ, True))
        found = await tx.query(Query(verdict.schema, tuple(where), limit=2))
        others = [row["id"] for row in found if row["id"] != verdict.row_id]
        return (verdict.schema.name, others[0]) if others else None

    def answer(self) -> dict[str, Any]:
        """What the device is told."""
        return answer_of(self.changes, self.verdicts, self.conflict_ids)

    # -- writing down ---------------------------------------------------------------------------------------------

    def record(self, outcomes: Sequence[Outcome]) -> list[PlannedWrite]:
        """See `Decider`."""
        numbers = [outcome.number or 0 for outcome in outcomes]
        waiting = iter(numbers)
        rows: list[Conflict | ConflictResolution | PushReceipt | Device] = []
        for verdict in self.verdicts:
            number = next(waiting) if verdict.write is not None else verdict.number
            if verdict.reason is not None and not verdict.later:
                rows.extend(self._conflict(verdict, number))
        rows.sort(key=lambda row: type(row).__name__)  # those of one table go in one statement
        if self._receipt is not None:
            rows.append(replace_answer(self._receipt, self.answer()))
        writes = [self._creation(row) for row in rows]
        if numbers:
            writes.append(self._device_write(max(numbers)))
        return writes

    def _conflict(self, verdict: Verdict, number: int) -> Iterable[Conflict | ConflictResolution]:
        user = self._caller.user_id
        conflict = Conflict(
            user_id=user,
            entity=verdict.schema.stable_name,
            row_id=verdict.row_id,
            device_id=self._caller.device_id,
            number=number,
            base=self._base_of(verdict),
            reason=verdict.reason or "",
            rules=rules_by_column(verdict),
            state="open" if verdict.is_open else "settled",
        )
        self.conflict_ids[verdict.schema.name, verdict.row_id] = conflict.id
        yield conflict
        if not verdict.is_open:
            yield ConflictResolution(
                user_id=user,
                conflict_id=conflict.id,
                resolution_type=",".join(sorted(set(verdict.rules.values())))[:50],
                resolution_data={"rules": rules_by_column(verdict), "number": number},
                auto_resolved=True,
                timestamp=self._at,
            )

    def _base_of(self, verdict: Verdict) -> int:
        if self._met is None:
            return self._pulled
        past = self._met.past((verdict.schema.name, verdict.row_id))
        return self._pusher(self._met).known_from(past)

    def _creation(self, row: Conflict | ConflictResolution | PushReceipt | Device) -> PlannedWrite:
        schema = self._catalog.schema(type(row))
        values = {f.name: _normal(f.type, getattr(row, f.name)) for f in schema.fields}
        write = Write(schema, Operation.CREATE, row.id, values, if_version=0)
        return PlannedWrite(write, self._caller.scope, self._at)

    def _device_write(self, number: int) -> PlannedWrite:
        met, caller = self._met, self._caller
        if met is None or met.device is None:
            device = Device(
                id=caller.device_id,
                user_id=caller.user_id,
                name=caller.device_name,
                named=caller.named,
                seen=self._pulled,
                issued=self._pulled,
                pushed=number,
                last_seen=self._at,
            )
            return self._creation(device)
        values = {"pushed": number, "last_seen": self._at}
        write = Write(self._device_schema, Operation.UPDATE, caller.device_id, values)
        return PlannedWrite(write, caller.scope, self._at)


def refuse_expired(number: int, head: int, horizon: int, device: Device | None) -> None:
    """Raise CursorExpired for a number that this store cannot go on from."""
    if number > head:
        raise CursorExpired("this cursor lies beyond what the store holds")
    # A device that is known holds the horizon back, unless its first pull comes in pages and is not through yet.
    is_paging = device is not None and device.seen < horizon and device.seen <= number
    if 0 < number < horizon and not is_paging:
        raise CursorExpired("this cursor lies behind what has been collected")
    if device is not None and number > max(device.issued, device.seen):
        raise CursorExpired("this cursor was never given to this device")


def replace_answer(receipt: PushReceipt, answer: dict[str, Any]) -> PushReceipt:
    """The receipt with its answer."""
    return receipt.model_copy(update={"answer": answer, "id": receipt.id or new_id()})


def _final(verdict: Verdict, stored: Stored | None) -> dict[str, Any]:
    written = dict(verdict.write.write.values) if verdict.write is not None else {}
    return {**(stored.row if stored is not None else {}), **written}


def _unique_values(rule: Unique, row: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if rule.when is not None and not row.get(rule.when):
        return None
    values = tuple(row.get(name) for name in rule.fields)
    return None if None in values else values


def _in_turn(verdicts: Sequence[Verdict], behind: Mapping[RowKey, set[RowKey]]) -> list[Verdict]:
    """The verdicts, each behind those that give up what it takes. Of such as wait for one another, the order stays."""
    turn: list[Verdict] = []
    done: set[RowKey] = set()
    waiting = list(verdicts)
    while waiting:
        ready = [v for v in waiting if behind.get((v.schema.name, v.row_id), set()) <= done] or waiting
        turn += ready
        done |= {(v.schema.name, v.row_id) for v in ready}
        waiting = [v for v in waiting if (v.schema.name, v.row_id) not in done]
    return turn


def _normal(kind: Any, value: Any) -> Any:
    return None if value is None else kind.normalise(value)
