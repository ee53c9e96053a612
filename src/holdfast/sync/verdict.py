"""What becomes of one pushed row or delete: the merge of notes and rules on what stands here. Pure.

A push never fails for a row. What is refused for good is accepted and corrected: the row goes back to the device as it
stands here, or as deleted, with what was refused kept in the history and a reason in the conflict inbox. Only what may yet
become possible, such as a reference to a row that has not been pushed yet, stays unsent on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from holdfast.changes.change import Change, Operation, Tombstone, canonical, new_salt
from holdfast.changes.devices import is_pushed_by, pushed_by
from holdfast.engines.port import PlannedWrite, Stored, Write
from holdfast.model.plain import encode_fields
from holdfast.model.schema import EntitySchema, FieldSchema
from holdfast.model.wire import encode_wire, same_on_wire
from holdfast.sync.base import MISSING, Base, Past, base_of, known_from, plain_value, standing_at
from holdfast.sync.incoming import Incoming
from holdfast.sync.merge import merge_field
from holdfast.tenancy.scope import Scope

SYNCED_AT: Final = "synced_at"
_SPELT_FREELY: Final = frozenset({"json", "bytes"})
"""Kinds of which a device may send one value in several spellings."""


@dataclass(frozen=True, slots=True)
class Pusher:
    """Who pushes, from which device, on what base, and when. `pulled` is the number of the cursor that comes with the push,
    `seen` that of the cursor which the device showed with the pull before it: its edits rest on that.
    """

    scope: Scope
    device: UUID
    named: bool
    pulled: int
    seen: int
    at: datetime
    _scopes: tuple[Scope, Scope] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        scopes = tuple(
            replace(self.scope, device=pushed_by(self.device, returns=returns)) for returns in (False, True)
        )
        object.__setattr__(self, "_scopes", scopes)

    def known_from(self, past: Past) -> int:
        """The number behind which the changes of a row are news to the device."""
        return known_from(past, device=self.device, seen=self.seen, pulled=self.pulled)

    def planned(self, write: Write, *, returns: bool) -> PlannedWrite:
        """The write in this device's name."""
        return PlannedWrite(write, self._scopes[returns], self.at)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a row. `rules` are the fields that met another edit, and the rule that settled each.

    `reason` is why it stands in the conflict inbox; `rejected` that nothing of it was taken; `later` that the device keeps
    it unsent.
    """

    schema: EntitySchema
    row_id: UUID
    write: PlannedWrite | None = None
    reason: str | None = None
    rules: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    rejected: bool = False
    later: bool = False
    absent: bool = False
    """That there is no such row, where it writes nothing."""
    number: int = 0
    """The change at which its values are, where it writes nothing itself."""

    @property
    def stands(self) -> bool:
        """Whether there is such a row afterwards, for all that is known here."""
        goes = self.write is not None and self.write.write.op is Operation.DELETE
        return not (self.later or self.absent or goes)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a verdict rests on: the row as it stands, its past, its tombstone, and fields that cannot be as they were sent
    because what they refer to is gone, or because they would be another's.
    """

    stored: Stored | None = None
    past: Past = field(default_factory=Past)
    tombstone: Tombstone | None = None
    foreign: bool = False
    barred: Mapping[str, str] = field(default_factory=dict)
    """Field → why it may not have the value that was sent."""
    permitted: bool = True
    readable: bool = True
    """Whether the role reads rows of this entity at all: if not, nothing of what stands here may show."""


def judge_row(pusher: Pusher, row: Incoming, ground: Ground) -> Verdict:
    """What becomes of a row that was created or updated on the device."""
    if not ground.readable:
        absent = ground.stored is None
        return Verdict(row.schema, row.row_id, reason="forbidden", rejected=True, is_open=True, absent=absent)
    if ground.foreign:  # nothing is written under another person's id, not even that it was refused
        return Verdict(row.schema, row.row_id, reason="forbidden", rejected=True, later=True)
    if not ground.permitted:
        return _refuse(pusher, row, ground, "forbidden")
    if ground.stored is not None:
        return _merge(pusher, row, ground, ground.stored)
    if ground.tombstone is not None and not (row.created and ground.tombstone.number <= pusher.pulled):
        return _meet_delete(pusher, row, ground, ground.tombstone)
    return _create(pusher, row, ground)


def judge_delete(pusher: Pusher, schema: EntitySchema, row_id: UUID, ground: Ground) -> Verdict:
    """What becomes of a row that was deleted on the device."""
    verdict = Verdict(schema, row_id)
    if not ground.readable:
        return replace(verdict, reason="forbidden", rejected=True, is_open=True)
    if ground.stored is None or _has_deleted_before(pusher, ground):
        return verdict
    if not ground.permitted or ground.barred:
        reason = next(iter(ground.barred.values()), "forbidden")
        return _give_back(pusher, replace(verdict, reason=reason, rejected=True, is_open=True), ground)
    known = pusher.known_from(ground.past)
    others = [c for c in ground.past.after(known) if not is_pushed_by(c.device, pusher.device)]
    if not others:
        return replace(verdict, write=_delete(pusher, schema, row_id))
    rules = {"": schema.against_edit}
    if schema.against_edit == "delete_wins":
        return replace(
            verdict, write=_delete(pusher, schema, row_id), reason="delete_against_edit", rules=rules
        )
    return _give_back(pusher, replace(verdict, reason="delete_against_edit", rules=rules), ground)


def _has_deleted_before(pusher: Pusher, ground: Ground) -> bool:
    """Whether this is a delete that comes again: the row was made anew meanwhile, or was sent back the first time."""
    return any(
        is_pushed_by(change.device, pusher.device) and not (change.op is Operation.CREATE or change.fields)
        for change in ground.past.after(pusher.pulled)
    )


# -- a row that stands here -------------------------------------------------------------------------------------------


def _merge(pusher: Pusher, row: Incoming, ground: Ground, stored: Stored) -> Verdict:
    base = _base(pusher, row.schema, ground)
    given = standing_at(row.schema, stored.row, ground.past, pusher.pulled) if row.created else None
    taken: dict[str, Any] = {}
    kept: dict[str, bytes] = {}
    rules: dict[str, str] = {}
    reasons: list[str] = []
    for declared in row.schema.pushed_fields:
        name = declared.name
        if name in row.refused and _is_news(row, base, name, row.refused[name]):
            kept[name] = row.refused[name]
            reasons.append("invalid")
        elif name in row.refused and _is_listed(row, name) and not _has_pushed_since(pusher, ground):
            kept[name] = row.refused[name]  # once more, or the same push would be news when it comes late
        if name not in row.values or _is_taken_over(row, given, declared):
            continue
        pushed, current = row.values[name], stored.row[name]
        same = same_on_wire(declared.type, pushed, current)
        if not _is_edited(row, base, declared):
            if not same and _still_has(pusher, row, ground, declared):
                kept[name] = _plain(declared, pushed)
            continue
        if same and not _counts(base, declared, current):
            continue
        if name in ground.barred:
            kept[name] = _plain(declared, pushed)
            reasons.append(ground.barred[name])
            continue
        if not _moved(base, declared, current):
            taken[name] = pushed
            continue
        merged = merge_field(declared, base=_known(base.of(name)), current=current, pushed=pushed)
        rules[name] = declared.merge
        if not same_on_wire(declared.type, merged.value, current):
            taken[name] = merged.value
        if not merged.pushed_stands or not same_on_wire(declared.type, merged.value, pushed):
            # What a sum or a union was made of is what the device goes on from, until it has heard of it.
            kept[name] = _plain(declared, pushed)
    if rules:
        reasons.append("edit_against_edit")
    final = {**stored.row, **taken}
    verdict = Verdict(
        row.schema,
        row.row_id,
        reason=reasons[0] if reasons else None,
        rules=rules,
        is_open="manual" in rules.values() or any(reason != "edit_against_edit" for reason in reasons),
    )
    if taken:
        values = {**taken, **_stamp(row.schema, pusher)}
        write = Write(row.schema, Operation.UPDATE, row.row_id, values, kept=kept)
        final.update(_stamp(row.schema, pusher), updated_at=pusher.at)
        returns = _differs(row, final) or _is_behind(pusher, ground)
        return replace(verdict, write=pusher.planned(write, returns=returns))
    if kept:
        return replace(verdict, write=_touch(pusher, row.schema, row.row_id, kept))
    if not _differs(row, final) or _is_overtaken(pusher, ground):
        return verdict
    return _send_back(pusher, verdict, ground)


def _is_overtaken(pusher: Pusher, ground: Ground) -> bool:
    """Whether this device has pushed the row again since: then this is an old push, and nobody waits for an answer."""
    latest = ground.past.latest()
    return latest is not None and latest.number > pusher.pulled and _is_echo(pusher, latest.device)


def _counts(base: Base, declared: FieldSchema, current: Any) -> bool:
    """Whether an edit is a count on top of one that was made here, though both have come to the same."""
    return (
        declared.merge == "counter"
        and base.of(declared.name) is not MISSING
        and _moved(base, declared, current)
    )


def _is_edited(row: Incoming, base: Base, declared: FieldSchema) -> bool:
    """Whether the device changed the field: by its own list, where it has one, and against what it had."""
    if row.listed is not None and declared.name not in row.listed:
        return False
    if _plain(declared, row.values[declared.name]) in base.said.get(declared.name, ()):
        return False
    if declared.name in row.refused and row.refused[declared.name] == base.lapsed.get(declared.name):
        return False
    return not _is_same(declared, row.values[declared.name], base.of(declared.name))


def _is_taken_over(row: Incoming, given: Mapping[str, Any] | None, declared: FieldSchema) -> bool:
    """Whether the device has the value from its last pull: a row that it still holds for a new one takes all over from it
    that was not edited since it was made.
    """
    if given is None or declared.name in row.since:
        return False
    return _is_same(declared, row.values[declared.name], given[declared.name])


def _still_has(pusher: Pusher, row: Incoming, ground: Ground, declared: FieldSchema) -> bool:
    """Whether the device goes on from what it has sent once more, and so it has to be written down; not so where it has
    pushed the row since, which makes this an old push, nor where its last pull says the same.
    """
    name = declared.name
    if not _is_listed(row, name) or _has_pushed_since(pusher, ground):
        return False
    current = None if ground.stored is None else ground.stored.row
    given = standing_at(row.schema, current, ground.past, pusher.pulled, (name,))
    return given is None or not _is_same(declared, row.values[name], given[name])


def _has_pushed_since(pusher: Pusher, ground: Ground) -> bool:
    """Whether the device has pushed the row behind the cursor that comes with this push: a new push would come with a later."""
    return any(is_pushed_by(change.device, pusher.device) for change in ground.past.after(pusher.pulled))


def _is_news(row: Incoming, base: Base, name: str, sent: bytes) -> bool:
    return _is_listed(row, name) and sent not in base.said.get(name, ()) and sent != base.lapsed.get(name)


def _is_listed(row: Incoming, name: str) -> bool:
    return row.listed is None or name in row.listed


def _moved(base: Base, declared: FieldSchema, current: Any) -> bool:
    """Whether the field has changed here since the device had it."""
    return not _is_same(declared, current, base.of(declared.name))


def _is_same(declared: FieldSchema, value: Any, before: Any) -> bool:
    """Whether a device that had `before` of a field could not tell it from this value."""
    return before is not MISSING and same_on_wire(declared.type, value, before)


def _known(value: Any) -> Any:
    return None if value is MISSING else value


# -- a row that does not stand here -----------------------------------------------------------------------------------


def _create(pusher: Pusher, row: Incoming, ground: Ground) -> Verdict:
    unknown = [name for name, why in ground.barred.items() if why == "reference_missing"]
    if unknown:
        return Verdict(row.schema, row.row_id, reason="reference_missing", rejected=True, later=True)
    whole = row.whole
    barred = {name: why for name, why in ground.barred.items() if name in row.values}
    if whole is not None and barred:
        whole = _without(row.schema, whole, barred)
    if whole is None:
        return _refuse(pusher, row, ground, next(iter(barred.values()), "invalid"))
    set_here = _server_values(row.schema, pusher)
    values = {**whole, **set_here}
    plain = {**row.plain, **encode_fields(row.schema, set_here)} if whole is row.whole else None
    kept = {**row.refused, **{name: _plain(row.schema.by_name[name], row.values[name]) for name in barred}}
    write = Write(
        row.schema,
        Operation.CREATE,
        row.row_id,
        values,
        if_version=0,
        salt=new_salt(),
        kept=kept,
        plain=plain,
    )
    final = {**values, "created_at": pusher.at, "updated_at": pusher.at}
    reason = next(iter(barred.values()), "invalid") if kept else None
    return Verdict(
        row.schema,
        row.row_id,
        write=pusher.planned(write, returns=_differs(row, final)),
        reason=reason,
        is_open=reason is not None,
    )


def _without(schema: EntitySchema, whole: dict[str, Any], barred: Mapping[str, str]) -> dict[str, Any] | None:
    """The new row with its barred fields emptied; None where one of them cannot be empty."""
    emptied = dict(whole)
    for name in barred:
        declared = schema.by_name[name]
        if declared.type.kind == "boolean":
            emptied[name] = False
        elif declared.nullable:
            emptied[name] = None
        else:
            return None
    return emptied


def _meet_delete(pusher: Pusher, row: Incoming, ground: Ground, tombstone: Tombstone) -> Verdict:
    """An edit of a row that was deleted meanwhile."""
    edited = _edits(pusher, row, ground)
    rules = {"": row.schema.against_edit}
    if edited and row.schema.against_edit == "edit_wins" and row.whole is not None and not ground.barred:
        return replace(_create(pusher, row, ground), reason="edit_against_delete", rules=rules)
    if edited:
        return replace(
            _refuse(pusher, row, ground, "edit_against_delete", edited),
            rules=rules,
            rejected=False,
            is_open=False,
        )
    due = tombstone.number > pusher.pulled and not _is_echo(pusher, tombstone.device)
    return Verdict(row.schema, row.row_id, absent=True) if due else _refuse(pusher, row, ground, None, {})


def _refuse(
    pusher: Pusher,
    row: Incoming,
    ground: Ground,
    reason: str | None,
    kept: Mapping[str, bytes] | None = None,
) -> Verdict:
    """Take nothing of the row, keep what was sent, and let the device have what stands here: the row, or nothing."""
    if kept is None:
        fields = row.schema.by_name
        kept = {
            **row.refused,
            **{n: _plain(fields[n], v) for n, v in row.values.items() if n not in row.refused},
        }
    verdict = Verdict(
        row.schema, row.row_id, reason=reason, rejected=reason is not None, is_open=reason is not None
    )
    if ground.stored is not None:
        if not _differs(row, ground.stored.row):
            return Verdict(row.schema, row.row_id)
        edited = _edits(pusher, row, ground)
        if not edited:
            return _send_back(pusher, Verdict(row.schema, row.row_id), ground)
        return replace(verdict, write=_touch(pusher, row.schema, row.row_id, edited))
    if _is_kept_already(pusher, row, ground, kept):
        return Verdict(row.schema, row.row_id, absent=True, number=_latest(ground))
    write = Write(row.schema, Operation.DELETE, row.row_id, salt=new_salt(), touch=True, kept=kept)
    return replace(verdict, write=pusher.planned(write, returns=True))


def _edits(pusher: Pusher, row: Incoming, ground: Ground) -> dict[str, bytes]:
    """What the device has edited, as far as it was not kept before, in plain form or as it was sent."""
    base = _base(pusher, row.schema, ground)
    edited = {name: sent for name, sent in row.refused.items() if _is_news(row, base, name, sent)}
    for declared in row.schema.pushed_fields:
        name = declared.name
        if name in row.values and name not in row.refused and _is_edited(row, base, declared):
            edited[name] = _plain(declared, row.values[name])
    return edited


def _is_kept_already(pusher: Pusher, row: Incoming, ground: Ground, kept: Mapping[str, bytes]) -> bool:
    """Whether the device sent the very same before, was refused it, and has not shown since that it heard so."""
    base = _base(pusher, row.schema, ground)
    due = _latest(ground) > pusher.pulled
    return (
        due
        and bool(base.kept or not kept)
        and all(base.kept.get(name) == value for name, value in kept.items())
    )


# -- parts ------------------------------------------------------------------------------------------------------------


def _base(pusher: Pusher, schema: EntitySchema, ground: Ground) -> Base:
    row = None if ground.stored is None else ground.stored.row
    base = base_of(schema, row, ground.past, device=pusher.device, seen=pusher.known_from(ground.past))
    if base.pulled is None or not _has_pushed_since(pusher, ground):
        return base
    # An old push that comes again: what the device had pushed before its cursor is no edit either.
    had = {
        name: canonical(plain_value(schema, name, value))
        for name, value in base.pulled.items()
        if value is not MISSING
    }
    return replace(
        base, said={name: base.said.get(name, frozenset()) | {plain} for name, plain in had.items()}
    )


def _send_back(pusher: Pusher, verdict: Verdict, ground: Ground) -> Verdict:
    """See to it that the device gets the row with its next pull: by a new version, where nothing else brings it."""
    latest = ground.past.latest()
    if latest is not None and latest.number > pusher.pulled and not _is_echo(pusher, latest.device):
        return replace(verdict, number=latest.number)
    return replace(verdict, write=_touch(pusher, verdict.schema, verdict.row_id, {}))


def _give_back(pusher: Pusher, verdict: Verdict, ground: Ground) -> Verdict:
    """Let a row that the device has deleted stand, and see to it that it comes back; once, however often it is asked for."""
    latest = ground.past.latest()
    if latest is not None and latest.number > pusher.pulled and _is_touch_for(pusher, latest):
        return Verdict(verdict.schema, verdict.row_id, number=latest.number)
    return replace(verdict, write=_touch(pusher, verdict.schema, verdict.row_id, {}))


def _is_touch_for(pusher: Pusher, change: Change) -> bool:
    returned = change.device == pushed_by(pusher.device, returns=True)
    return returned and change.op is Operation.UPDATE and not change.fields


def _is_echo(pusher: Pusher, device: str | None) -> bool:
    return pusher.named and device == pushed_by(pusher.device)


def _is_behind(pusher: Pusher, ground: Ground) -> bool:
    """Whether the row has changes that the device is still to get: its own change on top of them must not hide them."""
    return any(change.device != pushed_by(pusher.device) for change in ground.past.after(pusher.pulled))


def _latest(ground: Ground) -> int:
    latest = ground.past.latest()
    return latest.number if latest is not None else 0


def _touch(pusher: Pusher, schema: EntitySchema, row_id: UUID, kept: Mapping[str, bytes]) -> PlannedWrite:
    return pusher.planned(Write(schema, Operation.UPDATE, row_id, touch=True, kept=kept), returns=True)


def _delete(pusher: Pusher, schema: EntitySchema, row_id: UUID) -> PlannedWrite:
    return pusher.planned(Write(schema, Operation.DELETE, row_id), returns=False)


def _stamp(schema: EntitySchema, pusher: Pusher) -> dict[str, Any]:
    declared = schema.by_name.get(SYNCED_AT)
    return {SYNCED_AT: pusher.at} if declared is not None and declared.server_set else {}


def _server_values(schema: EntitySchema, pusher: Pusher) -> dict[str, Any]:
    owner = {schema.owner: pusher.scope.user_id} if schema.owner else {}
    return {**owner, **_stamp(schema, pusher)}


def _plain(declared: FieldSchema, value: Any) -> bytes:
    return canonical(None if value is None else declared.type.encode(value))


def _differs(row: Incoming, final: Mapping[str, Any]) -> bool:
    """Whether the device holds something else in a column that it has than the row as it will stand."""
    fields, read = row.schema.by_name, row.values
    for name, sent in row.sent.items():
        value, kind = final[name], fields[name].type
        # What was read from it and stands goes out as it came, but for what has several spellings.
        as_read = (
            name in read and read[name] is value and name not in row.refused and name not in row.replaced
        )
        if as_read and kind.kind not in _SPELT_FREELY:
            continue
        if encode_wire(kind, value) != sent:
            return True
    return False
