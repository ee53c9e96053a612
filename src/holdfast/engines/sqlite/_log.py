"""The statements of the log: changes, old values, tombstones, the counters."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from holdfast.changes.change import Change, OldValue, Operation, Tombstone
from holdfast.engines.port import Batch, HistoryKey, Marks, Pruned
from holdfast.engines.sqlite._names import ASIDE, CHANGES, HEADS, HISTORY, MEDIUM, TOMBSTONES, quoted
from holdfast.engines.sqlite._reshape import is_of_tenants
from holdfast.engines.sqlite._statements import in_portions, places
from holdfast.engines.sqlite._values import instant, microseconds, uuid_of
from holdfast.tenancy.scope import Scope

_CHANGE = (
    "tenant_id, number, flush_end, format, entity, row_id, op, fields, version, actor, device, at, commitment"
)
_INSERT_CHANGE = f"insert into {CHANGES} ({_CHANGE}) values ({places(13)})"
_OLD_VALUE = "entity, row_id, number, field, value, owner_id"
_INSERT_OLD_VALUE = f"insert into {HISTORY} (tenant_id, {_OLD_VALUE}) values ({places(7)})"
_TOMBSTONE = "entity, row_id, number, owner_id, device"
_INSERT_TOMBSTONE = f"insert or replace into {TOMBSTONES} (tenant_id, {_TOMBSTONE}) values ({places(6)})"
_SET_HEAD = f"""insert into {HEADS} (tenant_id, head) values (?, ?)
 on conflict (tenant_id) do update set head = excluded.head"""
_MARKS = f"select head, horizon from {HEADS} where tenant_id = ?"
_STANDING = f"select head, tended from {HEADS} where tenant_id = ?"
_RAISE_HORIZON = (
    f"""update {HEADS} set horizon = max(horizon, min(?, head)) where tenant_id = ? returning horizon"""
)
_COLLECT = f"delete from {TOMBSTONES} where tenant_id = ? and number <= ?"
_HISTORY_PAGE = f"""select entity, row_id, number, field from {HISTORY}
 where tenant_id = ? and (entity, row_id, number, field) > (?, ?, ?, ?)
 order by entity, row_id, number, field limit ?"""
_PRUNE_HISTORY = f"""delete from {HISTORY}
 where tenant_id = ? and entity = ? and row_id = ? and number = ? and field = ?"""

BEGIN_WRITING = f"update {MEDIUM} set moment = moment + 1"
"""Each transaction that writes raises the moment: what a copy that is taken back betrays itself by."""
BEGIN_FLUSH = f"update {MEDIUM} set flush = 1"
END_FLUSH = f"update {MEDIUM} set flush = 0"

Raw = sqlite3.Connection


def read_marks(raw: Raw, scope: Scope) -> Marks:
    """How far the tenant is."""
    found = raw.execute(_MARKS, [scope.tenant_id.bytes]).fetchone()
    return Marks() if found is None else Marks(*found)


def read_standing(raw: Raw, scope: Scope) -> tuple[int, int]:
    """What must not have moved between reading and writing: the head, and what a schema change has done to rows."""
    found = raw.execute(_STANDING, [scope.tenant_id.bytes]).fetchone()
    return found or (0, 0)


def write_log(raw: Raw, scope: Scope, batch: Batch) -> None:
    """The changes, old values and tombstones of a flush, and the new head."""
    tenant = scope.tenant_id.bytes
    raw.execute(_SET_HEAD, [tenant, batch.head])
    raw.executemany(_INSERT_CHANGE, map(_change_values, batch.changes))
    raw.executemany(_INSERT_OLD_VALUE, ([tenant, *_old_value_values(old)] for old in batch.old_values))
    raw.executemany(_INSERT_TOMBSTONE, ([tenant, *_tombstone_values(grave)] for grave in batch.tombstones))


def read_changes(raw: Raw, scope: Scope, after: int, limit: int) -> list[Change]:
    """The tenant's changes above a number."""
    text = f"select {_CHANGE} from {CHANGES} where tenant_id = ? and number > ? order by number limit ?"
    return [_change(record) for record in raw.execute(text, [scope.tenant_id.bytes, after, limit])]


def read_row_changes(raw: Raw, scope: Scope, row_ids: Sequence[UUID], after: int) -> list[Change]:
    """Those of some rows."""
    where = "tenant_id = ? and number > ?"
    records = _of_rows(
        raw, f"select {_CHANGE} from {CHANGES}", where, [scope.tenant_id.bytes, after], row_ids
    )
    return sorted(map(_change, records), key=lambda change: change.number)


def read_history(raw: Raw, scope: Scope, entity: str, row_ids: Sequence[UUID], after: int) -> list[OldValue]:
    """The old values of some rows."""
    mine, owner = _may_know(scope)
    where = f"tenant_id = ? and entity = ? and number > ?{mine}"
    given = [scope.tenant_id.bytes, entity, after, *owner]
    records = _of_rows(raw, f"select {_OLD_VALUE} from {HISTORY}", where, given, row_ids)
    return sorted(map(_old_value, records), key=lambda old: (old.number, old.field))


def read_tombstones(
    raw: Raw, scope: Scope, entity: str, after: int, upto: int, limit: int
) -> list[Tombstone]:
    """An entity's tombstones within a span."""
    mine, owner = _may_know(scope)
    text = f"""select {_TOMBSTONE} from {TOMBSTONES} where tenant_id = ? and entity = ? and number > ? and number <= ?{mine}
      order by number limit ?"""
    given = [scope.tenant_id.bytes, entity, after, upto, *owner, limit]
    return [_tombstone(record) for record in raw.execute(text, given)]


def find_tombstones(raw: Raw, scope: Scope, entity: str, row_ids: Sequence[UUID]) -> list[Tombstone]:
    """Those of some rows."""
    mine, owner = _may_know(scope)
    given = [scope.tenant_id.bytes, entity, *owner]
    where = f"tenant_id = ? and entity = ?{mine}"
    return [
        _tombstone(record)
        for record in _of_rows(raw, f"select {_TOMBSTONE} from {TOMBSTONES}", where, given, row_ids)
    ]


def collect(raw: Raw, tenant_id: UUID, horizon: int) -> int:
    """Raise the horizon and remove the tombstones at or below it; returns how many."""
    found = raw.execute(_RAISE_HORIZON, [horizon, tenant_id.bytes]).fetchall()
    return raw.execute(_COLLECT, [tenant_id.bytes, found[0][0] if found else 0]).rowcount


def prune_history(raw: Raw, tenant_id: UUID, upto: int, after: HistoryKey | None, limit: int) -> Pruned:
    """Remove, of the next old values, those at or below `upto` and the horizon."""
    tenant = tenant_id.bytes
    found = raw.execute(_MARKS, [tenant]).fetchone()
    reached = min(upto, Marks(*found).horizon) if found else 0
    start = (after.entity, after.row_id.bytes, after.number, after.field) if after else ("", b"", 0, "")
    page = raw.execute(_HISTORY_PAGE, [tenant, *start, limit]).fetchall()
    gone = [key for key in page if key[2] <= reached]
    raw.executemany(_PRUNE_HISTORY, ([tenant, *key] for key in gone))
    if len(page) < limit:
        return Pruned(len(gone), None)
    entity, row_id, number, field = page[-1]
    return Pruned(len(gone), HistoryKey(entity, UUID(bytes=row_id), number, field))


def forget(raw: Raw, tenant_id: UUID, tables: Sequence[str]) -> None:
    """Remove every row of a tenant, its log and its counter."""
    for table in (*tables, *_set_aside(raw), HISTORY, TOMBSTONES, CHANGES, HEADS):
        raw.execute(f"delete from {table} where tenant_id = ?", [tenant_id.bytes])


def _set_aside(raw: Raw) -> list[str]:
    """Tables that a revision has set aside and that hold tenants' rows still."""
    found = raw.execute("select name from sqlite_schema where type = 'table' and name glob ?", [f"{ASIDE}*"])
    return [quoted(name) for (name,) in found.fetchall() if is_of_tenants(raw, name)]


def _of_rows(raw: Raw, select: str, where: str, given: list[Any], row_ids: Sequence[UUID]) -> list[Any]:
    """The records of these rows, a portion of ids at a time."""
    found: list[Any] = []
    for portion in in_portions(list(dict.fromkeys(row_id.bytes for row_id in row_ids))):
        text = f"{select} where {where} and row_id in ({places(len(portion))})"
        found += raw.execute(text, [*given, *portion])
    return found


def _may_know(scope: Scope) -> tuple[str, list[Any]]:
    """Old values and tombstones of an owned row are its owner's; those of other rows are the tenant's."""
    if scope.whole_tenant:
        return "", []
    return " and (owner_id is null or owner_id = ?)", [_bytes(scope.user_id)]


def _bytes(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes


def _uuid(value: bytes | None) -> UUID | None:
    return None if value is None else uuid_of(value)


@lru_cache(maxsize=1_024)
def _fields(names: tuple[str, ...]) -> str:
    """The same few lists of names come again and again."""
    return orjson.dumps(names).decode()


def _change_values(change: Change) -> list[Any]:
    return [
        change.tenant_id.bytes,
        change.number,
        change.flush_end,
        change.format,
        change.entity,
        change.row_id.bytes,
        change.op._value_,
        _fields(change.fields),
        change.version,
        _bytes(change.actor),
        change.device,
        microseconds(change.at),
        change.commitment,
    ]


def _change(record: Sequence[Any]) -> Change:
    tenant, number, end, format_, entity, row_id, op, fields, version, actor, device, at, commitment = record
    return Change(
        tenant_id=uuid_of(tenant),
        number=number,
        flush_end=end,
        entity=entity,
        row_id=uuid_of(row_id),
        op=Operation(op),
        fields=tuple(orjson.loads(fields)),
        version=version,
        actor=_uuid(actor),
        device=device,
        at=instant(at),
        commitment=commitment,
        format=format_,
    )


def _old_value_values(old: OldValue) -> list[Any]:
    return [old.entity, old.row_id.bytes, old.number, old.field, old.value, _bytes(old.owner)]


def _old_value(record: Sequence[Any]) -> OldValue:
    entity, row_id, number, field, value, owner = record
    return OldValue(entity, uuid_of(row_id), number, field, value, _uuid(owner))


def _tombstone_values(grave: Tombstone) -> list[Any]:
    return [grave.entity, grave.row_id.bytes, grave.number, _bytes(grave.owner), grave.device]


def _tombstone(record: Sequence[Any]) -> Tombstone:
    entity, row_id, number, owner, device = record
    return Tombstone(entity, uuid_of(row_id), number, _uuid(owner), device)
