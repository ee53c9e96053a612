"""How a device takes a server's changes in: planned as a whole, then carried out as a whole.

One thing is carried out at once, as in the library: deletes that the server confirms, and deletes that a row in `created`
overrules, are forgotten even if the rest then fails. A failure leaves no record half prepared, as though the program had
been started again, which is what a user does then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from holdfast.testing.sync.database import DeviceFailure, LocalDatabase, Record
from holdfast.testing.sync.schema import Raw, Table, same_rows

Resolver: TypeAlias = Callable[[str, Raw, Mapping[str, Any], Raw], Mapping[str, Any]]
"""Table, local row, server's row, and what the device would take; answers what it shall take."""

_LISTS = ("created", "updated", "deleted")
_STRATEGIES = frozenset({"incremental", "replacement"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """A server's row met a row with local changes: both sides, and what was taken."""

    table: str
    local: Raw
    remote: Mapping[str, Any]
    taken: Raw


@dataclass(slots=True)
class Applied:
    """What a pull did to the database."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    destroyed: int = 0
    ignored: int = 0
    resolved: list[Resolved] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Manner:
    """How an application has its device apply pulls."""

    send_created_as_updated: bool = True
    resolver: Resolver | None = None


@dataclass(slots=True)
class _Plan:
    """What is to be done to one table, and what it was when that was decided."""

    table: Table
    known: dict[str, Record]
    locally_deleted: frozenset[str]
    destroy: list[str]
    confirmed: list[str]
    create: list[Raw] = field(default_factory=list)
    replace: dict[str, Raw] = field(default_factory=dict)


def count_changes(changes: object) -> int:
    """How many rows and ids `changes` names. Every table, known or not, needs its three lists."""
    if not isinstance(changes, Mapping):
        raise DeviceFailure("bad_changes")
    for name, table in changes.items():
        if not isinstance(table, Mapping) or not all(isinstance(table.get(part), list) for part in _LISTS):
            raise DeviceFailure("bad_changes", where=str(name))
    return sum(len(table[part]) for table in changes.values() for part in _LISTS)


def apply_changes(
    database: LocalDatabase, changes: Mapping[str, Any], *, strategy: object, manner: Manner
) -> Applied:
    """Take `changes` in, all or nothing. `strategy` is what the server named beside them, usually nothing."""
    count_changes(changes)
    for name in changes:
        if name not in database.tables:
            database.complain("warning", "unknown_table", table=name)
    mine = {name: table for name, table in changes.items() if name in database.tables}
    plans = [
        (table, _plan(database, name, table, replacement=_strategy(strategy, name) == "replacement"))
        for name, table in mine.items()
    ]
    applied = Applied()
    for _, plan in plans:
        for row_id in plan.confirmed:
            database.forget(plan.table.name, row_id)
            applied.destroyed += 1
    for table, plan in plans:
        _prepare(database, plan, table, manner, applied)
    _carry_out(database, [plan for _, plan in plans], applied)
    return applied


def _strategy(strategy: object, table: str) -> str:
    if isinstance(strategy, Mapping):
        override = strategy.get("override")
        if not isinstance(override, Mapping):
            raise DeviceFailure("bad_strategy")
        strategy = override.get(table) or strategy.get("default")
    else:
        strategy = strategy or "incremental"
    if not isinstance(strategy, str) or strategy not in _STRATEGIES:
        raise DeviceFailure("bad_strategy")
    return strategy


def _plan(
    database: LocalDatabase, name: str, changes: Mapping[str, list[Any]], *, replacement: bool
) -> _Plan:
    """Which rows the changes meet, and which of them go."""
    named = [_id_of(raw, name) for part in ("created", "updated") for raw in changes[part]]
    kept = {row_id for row_id in named if isinstance(row_id, str)}
    gone = {row_id for row_id in changes["deleted"] if isinstance(row_id, str)}
    if replacement:
        known = {record.raw["id"]: record for record in database.live(name)}
        destroy = [
            row_id
            for row_id, record in known.items()
            if row_id in gone or (row_id not in kept and record.status != "created")
        ]
    else:
        found = ((row_id, database.find(name, row_id)) for row_id in dict.fromkeys([*kept, *gone]))
        known = {row_id: record for row_id, record in found if record is not None}
        destroy = [row_id for row_id in known if row_id in gone]
    deleted = database.deleted_ids(name)
    confirmed = [row_id for row_id in deleted if row_id in gone or (replacement and row_id not in kept)]
    return _Plan(database.tables[name], known, frozenset(deleted), destroy, confirmed)


def _id_of(raw: object, table: str) -> object:
    if not isinstance(raw, Mapping):
        raise DeviceFailure("bad_record", where=table)
    return raw.get("id")


def _validate(raw: Mapping[str, Any], table: str) -> None:
    if "id" not in raw or "_status" in raw or "_changed" in raw:
        raise DeviceFailure("bad_record", where=table)


def _prepare(
    database: LocalDatabase, plan: _Plan, changes: Mapping[str, list[Any]], manner: Manner, applied: Applied
) -> None:
    name = plan.table.name
    if manner.send_created_as_updated and changes["created"]:
        database.complain("error", "created_though_not_expected", table=name)
    for raw in changes["created"]:
        _validate(raw, name)
        row_id = raw["id"]
        if _known(plan, row_id):
            database.complain("error", "created_exists", table=name, row_id=row_id)
            _prepare_update(database, plan, raw, manner, applied)
            continue
        if isinstance(row_id, str) and row_id in plan.locally_deleted:
            database.complain("error", "created_is_deleted_here", table=name, row_id=row_id)
            database.forget(name, row_id)
        _prepare_create(database, plan, raw)
    for raw in changes["updated"]:
        _validate(raw, name)
        row_id = raw["id"]
        if _known(plan, row_id):
            _prepare_update(database, plan, raw, manner, applied)
        elif isinstance(row_id, str) and row_id in plan.locally_deleted:
            applied.ignored += 1
        else:
            if not manner.send_created_as_updated:
                database.complain("error", "updated_is_unknown", table=name, row_id=row_id)
            _prepare_create(database, plan, raw)
    for row_id in plan.destroy:
        if row_id in plan.replace:
            raise DeviceFailure("pending_changes", where=name)


def _known(plan: _Plan, row_id: object) -> bool:
    return isinstance(row_id, str) and row_id in plan.known


def _prepare_create(database: LocalDatabase, plan: _Plan, raw: Mapping[str, Any]) -> None:
    """An id that is not text makes a new row under an id of the device's, to be pushed as its own."""
    _mention_unknown(database, plan.table, raw)
    new_id = "" if isinstance(raw["id"], str) else database.new_id()
    plan.create.append(plan.table.fit({**raw, "_status": "synced", "_changed": ""}, new_id=new_id))


def _prepare_update(
    database: LocalDatabase, plan: _Plan, remote: Mapping[str, Any], manner: Manner, applied: Applied
) -> None:
    row_id = remote["id"]
    local = plan.known[row_id].raw
    _mention_unknown(database, plan.table, remote)
    if local["_status"] == "synced":
        fitted = plan.table.fit({**remote, "_status": "synced"}, new_id=row_id)
        if same_rows(local, fitted):
            applied.unchanged += 1
            return
    if row_id in plan.replace:
        raise DeviceFailure("pending_changes", where=plan.table.name)
    before = dict(local)
    taken: Mapping[str, Any] = resolve(before, remote)
    if manner.resolver is not None:
        taken = manner.resolver(plan.table.name, dict(before), remote, dict(taken))
    plan.replace[row_id] = plan.table.fit(taken, new_id=row_id)
    if before["_changed"]:
        applied.resolved.append(Resolved(plan.table.name, before, dict(remote), dict(plan.replace[row_id])))


def resolve(local: Raw, remote: Mapping[str, Any]) -> Raw:
    """The server's row, but the device's values in the columns that it lists as changed, and where the server has none."""
    kept = {name: local[name] for name in local["_changed"].split(",") if name in local}
    own = {name: local[name] for name in ("id", "_status", "_changed")}
    return {**local, **remote, **own, **kept}


def _mention_unknown(database: LocalDatabase, table: Table, raw: Mapping[str, Any]) -> None:
    for name in raw:
        if name != "id" and name not in table.by_name:
            database.complain("warning", "unknown_column", table=f"{table.name}.{name}", row_id=raw["id"])


def _carry_out(database: LocalDatabase, plans: list[_Plan], applied: Applied) -> None:
    for plan in plans:
        _refuse_twice(database, plan)
    for plan in plans:
        records = database.records[plan.table.name]
        records.update((raw["id"], Record(raw)) for raw in plan.create)
        for row_id, raw in plan.replace.items():
            plan.known[row_id].raw = raw
        for row_id in plan.destroy:
            database.forget(plan.table.name, row_id)
        applied.created += len(plan.create)
        applied.updated += len(plan.replace)
        applied.destroyed += len(plan.destroy)


def _refuse_twice(database: LocalDatabase, plan: _Plan) -> None:
    """One id inserted twice breaks the database's own unique rule, and the whole pull with it."""
    taken = set(database.records[plan.table.name])
    for raw in plan.create:
        if raw["id"] in taken:
            raise DeviceFailure("already_exists", where=plan.table.name)
        taken.add(raw["id"])
