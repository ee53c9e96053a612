"""What a write does to a row that stands there: the new row, the change, the old values, the tombstone. Pure, but for the
salt of a row that never was.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from holdfast.changes.change import (
    PUSHED,
    SALT_FIELD,
    Change,
    OldValue,
    Operation,
    Tombstone,
    canonical,
    commitment_of,
    new_salt,
    value_hash,
)
from holdfast.engines.port import Outcome, PlannedWrite, Row, RowWrite, Stored, Write
from holdfast.errors import NotFound, StaleVersion
from holdfast.model.plain import encode_fields
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.types import format_instant
from holdfast.tenancy.scope import Scope

_TICK = timedelta(microseconds=1)

Mark = tuple[int, int, int, int]


@dataclass(slots=True)
class FlushPlan:
    """What a flush will write, growing as its write sets are planned. `head` is the number given out last."""

    head: int
    writes: list[tuple[Scope, RowWrite]] = field(default_factory=list)
    changes: list[Callable[[int], Change]] = field(default_factory=list)
    """Each waits for the last number of the flush."""
    old_values: list[OldValue] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)

    def mark(self) -> Mark:
        """The plan as it stands, to go back to."""
        return self.head, len(self.changes), len(self.old_values), len(self.tombstones)

    def back_to(self, mark: Mark) -> None:
        """Forget what was planned since `mark`."""
        self.head, changes, old_values, tombstones = mark
        del self.changes[changes:], self.old_values[old_values:], self.tombstones[tombstones:]
        self.writes.clear()

    def log(self) -> list[Change]:
        """The changes, now that it is known where the flush ends."""
        return [make(self.head) for make in self.changes]

    def take_writes(self) -> list[tuple[Scope, list[RowWrite]]]:
        """The row writes planned since the last call, in order, those together that see the same rows: from which device
        each comes stands in its change alone.
        """
        taken: list[tuple[Scope, list[RowWrite]]] = []
        for _, pairs in groupby(self.writes, key=lambda pair: _sight(pair[0])):
            run = list(pairs)
            taken.append((run[0][0], [write for _, write in run]))
        self.writes.clear()
        return taken


def _sight(scope: Scope) -> tuple[UUID, UUID | None, bool]:
    return scope.tenant_id, scope.user_id, scope.whole_tenant


def plan_write(
    plan: FlushPlan | None, planned: PlannedWrite, stored: Stored | None
) -> tuple[RowWrite | None, Outcome]:
    """Plan one write on the row as it stands, entering it in `plan` (None: there is no log to enter it in).

    Raises NotFound or StaleVersion. A change that changes nothing writes nothing and has no number, unless the write is a
    touch or has values to keep. A row of an entity that is not journaled is entered without a change.
    """
    write = planned.write
    if write.op is Operation.CREATE:
        return _record(plan, planned, None, _created(write, planned.at), write.salt, _created_plain(planned))
    if stored is None:
        if plan is not None and _is_touch_of_nothing(write):
            return None, _journal(plan, planned, None, None, write.salt or new_salt())
        raise NotFound(where=write.schema.name)
    if write.if_version is not None and stored.row["version"] != write.if_version:
        raise StaleVersion(where=write.schema.name)
    if write.op is Operation.DELETE:
        return _record(plan, planned, stored.row, None, stored.salt)
    fields = write.schema.by_name
    changed = {n: value for n, value in write.values.items() if _differ(fields[n], stored.row[n], value)}
    if not (changed or write.touch or write.kept):
        return None, Outcome(stored.row["version"], None, row=stored.row)
    return _record(plan, planned, stored.row, _updated(stored.row, changed, planned.at), stored.salt)


def _created(write: Write, at: datetime) -> Row:
    return {"id": write.row_id, "version": 1, "created_at": at, "updated_at": at, **write.values}


def _created_plain(planned: PlannedWrite) -> Mapping[str, Any]:
    write, at = planned.write, format_instant(planned.at)
    values = encode_fields(write.schema, write.values) if write.plain is None else write.plain
    return {"id": str(write.row_id), "version": 1, "created_at": at, "updated_at": at, **values}


def _updated(row: Row, changed: dict[str, Any], at: datetime) -> Row:
    later = max(row["updated_at"] + _TICK, at)
    return {**row, **changed, "version": row["version"] + 1, "updated_at": later}


def _record(
    plan: FlushPlan | None,
    planned: PlannedWrite,
    old: Row | None,
    new: Row | None,
    salt: bytes,
    plain: Mapping[str, Any] | None = None,
) -> tuple[RowWrite, Outcome]:
    write = planned.write
    replaced = 0 if old is None else old["version"]
    version = replaced + 1
    physical = RowWrite(write.schema, write.row_id, new, replaced, salt, plain)
    if plan is not None:
        plan.writes.append((planned.scope, physical))
    if plan is None or not write.schema.journaled:
        return physical, Outcome(version, None, row=new)
    return physical, _journal(plan, planned, old, new, salt, plain)


def _is_touch_of_nothing(write: Write) -> bool:
    """Whether a row that is not there is deleted all the same."""
    deletes = write.op is Operation.DELETE and write.touch and write.schema.journaled
    return deletes and write.if_version in (None, 0)


def _journal(
    plan: FlushPlan,
    planned: PlannedWrite,
    old: Row | None,
    new: Row | None,
    salt: bytes,
    plain: Mapping[str, Any] | None = None,
) -> Outcome:
    """Enter a write's change, its old and its kept values and its tombstone, under the next number."""
    write = planned.write
    version = 1 if old is None else old["version"] + 1
    owner = _owner(planned, old, new)
    plan.head += 1
    changed = changed_fields(write.schema, old, new)
    if plain is None:
        plain = {} if new is None else encode_fields(write.schema, {f.name: new[f.name] for f in changed})
    hashes = b"".join([value_hash(plain[declared.name]) for declared in changed])
    commitment = commitment_of(salt, version, hashes)
    plan.changes.append(partial(_change, plan.head, planned, changed, version, commitment))
    if old is not None:
        plan.old_values.extend(_old_values(plan.head, write.schema, old, changed, gone=new is None))
    if new is None:
        plan.old_values.append(_last_salt(plan.head, write, salt, owner))
        plan.tombstones.append(
            Tombstone(write.schema.stable_name, write.row_id, plan.head, owner, planned.scope.device)
        )
    if write.kept:
        plan.old_values.extend(
            OldValue(write.schema.stable_name, write.row_id, plan.head, column + PUSHED, value, owner)
            for column, value in sorted(
                (_column(write.schema, name), value) for name, value in write.kept.items()
            )
        )
    return Outcome(version, plan.head, row=new)


def _owner(planned: PlannedWrite, old: Row | None, new: Row | None) -> UUID | None:
    """Whose the row is; of one that never was, whoever tried."""
    name = planned.write.schema.owner
    if name is None:
        return None
    row = old or new
    owner: UUID | None = planned.scope.user_id if row is None else row[name]
    return owner


def _change(
    number: int,
    planned: PlannedWrite,
    changed: tuple[FieldSchema, ...],
    version: int,
    commitment: bytes,
    flush_end: int,
) -> Change:
    write, scope = planned.write, planned.scope
    return Change(
        tenant_id=scope.tenant_id,
        number=number,
        flush_end=flush_end,
        entity=write.schema.stable_name,
        row_id=write.row_id,
        op=write.op,
        fields=tuple(declared.column for declared in changed),
        version=version,
        actor=scope.user_id,
        device=scope.device,
        at=planned.at,
        commitment=commitment,
    )


def changed_fields(schema: EntitySchema, old: Row | None, new: Row | None) -> tuple[FieldSchema, ...]:
    """The declared fields that differ, in byte order of their stable names: all of a new row, none of a deleted one."""
    if new is None:
        return ()
    if old is None:
        return schema.byte_order
    return tuple(
        declared
        for declared in schema.byte_order
        if _differ(declared, old[declared.name], new[declared.name])
    )


def _column(schema: EntitySchema, name: str) -> str:
    """A field's stable name; what a device sent may name fields that are not there."""
    declared = schema.by_name.get(name)
    return name if declared is None else declared.column


def _differ(declared: FieldSchema, old: Any, new: Any) -> bool:
    """Whether two values are different ones. In Python true is 1, and JSON knows better."""
    if declared.type.kind == "json" and old is not None and new is not None:
        return canonical(old) != canonical(new)
    return bool(old != new)


def _old_values(
    number: int, schema: EntitySchema, old: Row, changed: tuple[FieldSchema, ...], *, gone: bool
) -> list[OldValue]:
    left = schema.byte_order if gone else changed
    owner = old[schema.owner] if schema.owner else None
    return [
        OldValue(schema.stable_name, old["id"], number, f.column, canonical(_plain(f, old[f.name])), owner)
        for f in left
        if old[f.name] is not None or not gone
    ]


def _last_salt(number: int, deleted: Write, salt: bytes, owner: UUID | None) -> OldValue:
    """The row's salt goes where its values go, or the commitments of its changes could never be opened again."""
    kept = canonical(base64.b64encode(salt).decode())
    return OldValue(deleted.schema.stable_name, deleted.row_id, number, SALT_FIELD, kept, owner)


def _plain(declared: FieldSchema, value: Any) -> Any:
    return None if value is None else declared.type.encode(value)
