"""What must hold of synchronisation, C1 to C11, as functions over what was recorded: each answers what is wrong.

They know no server and no client. Whoever runs a history writes down what the dataclasses below ask for. Values are compared
as a device holds them: whole numbers without a point, true apart from 1. No problem names a value.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from holdfast.testing.sync.schema import Schema, Value, number, same

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Table, id, columns."""
Place = tuple[str, str]
"""Table and id."""

CURSOR_BITS = 41
"""A cursor's number is below; what is above is the tag of store epoch, tenant and user."""


@dataclass(frozen=True)
class Write:
    """A field that a device, or somebody else, set, and that was acknowledged. `after`: the head when it was sent."""

    device: str
    table: str
    row: str
    field: str
    value: Value
    after: int | None = None

    @property
    def place(self) -> Place:
        return self.table, self.row


@dataclass(frozen=True)
class Superseded:
    """An entry of the field history: a value that was replaced, or, with `pushed`, one that lost, at change `number`."""

    table: str
    row: str
    field: str
    value: Value
    number: int
    pushed: bool = False


@dataclass(frozen=True)
class ConflictRecord:
    """An entry of the conflict log. `rule` is the reason."""

    table: str
    row: str
    fields: frozenset[str]
    rule: str


@dataclass(frozen=True)
class Removal:
    """The row was deleted at change `number`, or, with `undone`, made again."""

    table: str
    row: str
    number: int
    undone: bool = False

    @property
    def place(self) -> Place:
        return self.table, self.row


@dataclass(frozen=True)
class Snapshot:
    """The rows that a device saw when it had applied everything up to `number`."""

    device: str
    number: int
    rows: Rows


@dataclass(frozen=True)
class Pull:
    """One answer to a pull. `epoch` is the runner's own count of restores."""

    device: str
    cursor: int | None
    timestamp: int
    changes: Mapping[str, Mapping[str, Sequence[Any]]]
    epoch: int = 0

    def ids(self) -> dict[Place, str]:
        """What the answer names, and in which of the arrays."""
        return {
            (table, raw if part == "deleted" else raw["id"]): "deleted" if part == "deleted" else "row"
            for table, parts in self.changes.items()
            for part, found in parts.items()
            for raw in found
        }


@dataclass(frozen=True)
class ServerState:
    """All that a replay must not change."""

    head: int
    rows: Rows
    history: int
    """How many entries the field history has."""
    conflicts: int
    tombstones: int = 0


@dataclass(frozen=True)
class ClientReport:
    """What a client says of itself when all is over."""

    device: str
    errors: Sequence[str] = ()
    unsynced: bool = False


Order = Mapping[tuple[str, str, str], Sequence[Value]]
"""By table, id and field: the values that it has had on the server, oldest first."""


def same_rows_everywhere(schema: Schema, server: Rows, devices: Mapping[str, Rows]) -> list[str]:
    """C1: each device sees what the server would send its user, in the columns that devices know."""
    expected = on_device(schema, server)
    return [
        f"C1 {device}: {table}/{row}"
        for device, rows in devices.items()
        for table, row in _differing(expected, on_device(schema, rows))
    ]


def no_write_lost(
    acknowledged: Iterable[Write],
    rows: Rows,
    history: Iterable[Superseded],
    conflicts: Iterable[ConflictRecord],
) -> list[str]:
    """C2: each acknowledged value is current, was replaced later, or lost with a conflict that says why and a value kept.

    Strong where each write has a value of its own. A value that was current before `after` does not count as this write's.
    """
    past: defaultdict[tuple[str, str, str], list[Superseded]] = defaultdict(list)
    for entry in history:
        past[entry.table, entry.row, entry.field].append(entry)
    reasons = {(c.table, c.row, name) for c in conflicts if c.rule for name in c.fields}
    return [
        f"C2 {write.device}: {write.table}/{write.row}.{write.field}"
        for write in acknowledged
        if not _is_current(write, rows)
        and not any(
            _accounts_for(entry, write, reasons) for entry in past[write.table, write.row, write.field]
        )
    ]


def _is_current(write: Write, rows: Rows) -> bool:
    row = rows.get(write.table, {}).get(write.row)
    return row is not None and write.field in row and _equal(row[write.field], write.value)


def _accounts_for(entry: Superseded, write: Write, reasons: set[tuple[str, str, str]]) -> bool:
    if not _equal(entry.value, write.value):
        return False
    if entry.pushed:
        return (write.table, write.row, write.field) in reasons
    return write.after is None or entry.number > write.after


def deleted_stays_deleted(removals: Iterable[Removal], snapshots: Iterable[Snapshot]) -> list[str]:
    """C3: nobody who is past a delete sees the row, unless it was made again."""
    by_place: defaultdict[Place, list[Removal]] = defaultdict(list)
    for removal in removals:
        by_place[removal.place].append(removal)
    found = []
    for snapshot in snapshots:
        for (table, row), known in by_place.items():
            passed = [removal for removal in known if removal.number <= snapshot.number]
            last = max(passed, key=lambda removal: removal.number, default=None)
            if last is not None and not last.undone and row in snapshot.rows.get(table, {}):
                found.append(f"C3 {snapshot.device}: {table}/{row}")
    return found


def no_invented_values(
    rows: Rows,
    written: Iterable[Write],
    *,
    merged: Iterable[tuple[str, str]] = (),
    defaults: Mapping[tuple[str, str], Sequence[Value]] | None = None,
) -> list[str]:
    """C4: every value was written by somebody. `merged` names (table, field) of rules that compute a value.

    `defaults` gives, by table and field, further values that may stand there unwritten; null always may.
    """
    known: defaultdict[tuple[str, str, str], list[Value]] = defaultdict(list)
    for write in written:
        known[write.table, write.row, write.field].append(write.value)
    computed = set(merged)
    allowed = defaults or {}
    return [
        f"C4 {table}/{row}.{name}"
        for table, kept in rows.items()
        for row, columns in kept.items()
        for name, value in columns.items()
        if name != "id"
        and value is not None
        and (table, name) not in computed
        and not any(_equal(value, candidate) for candidate in known[table, row, name])
        and not any(_equal(value, candidate) for candidate in allowed.get((table, name), ()))
    ]


def pushes_are_whole(
    snapshots: Iterable[Snapshot], groups: Iterable[Sequence[Place]], name: str
) -> list[str]:
    """C5: rows that are always written together, with one value in field `name`, are never seen with different ones."""
    listed = list(groups)
    found = []
    for snapshot in snapshots:
        for group in listed:
            seen = [snapshot.rows.get(table, {}).get(row, {}).get(name) for table, row in group]
            if not all(_equal(seen[0], value) for value in seen):
                found.append(
                    f"C5 {snapshot.device} at {snapshot.number}: {group[0][0]}/{group[0][1]} and others"
                )
    return found


def cursors_go_forward(pulls: Sequence[Pull]) -> list[str]:
    """C6: within one epoch a device's cursor never decreases and keeps its tag, and one cursor brings the same or more."""
    found = []
    for mine in _by_device(pulls).values():
        for earlier, later in pairwise(mine):
            if earlier.epoch == later.epoch and (
                later.timestamp < earlier.timestamp or _tag(later.timestamp) != _tag(earlier.timestamp)
            ):
                found.append(f"C6 {later.device}: the cursor went back, or changed its tag")
        answers: dict[tuple[int, int | None], Pull] = {}
        for pull in mine:
            before = answers.get((pull.epoch, pull.cursor))
            if before is not None:
                missing = before.ids().keys() - pull.ids().keys()
                found += [f"C6 {pull.device}: {table}/{row} came once" for table, row in sorted(missing)]
            answers[pull.epoch, pull.cursor] = pull
    return found


def replay_changed_nothing(before: ServerState, after: ServerState) -> list[str]:
    """C7: sending a push or a pull again leaves the server as it was."""
    found = [
        f"C7 {name}"
        for name in ("head", "history", "conflicts", "tombstones")
        if getattr(before, name) != getattr(after, name)
    ]
    return found + [f"C7 {table}/{row}" for table, row in _differing(before.rows, after.rows)]


def nothing_outside_scope(
    pulls: Iterable[Pull],
    may_see: Callable[[str, Place], bool],
    *,
    might_have_seen: Callable[[str, Place], bool] | None = None,
) -> list[str]:
    """C8: no row leaves the server for somebody who may not see it, and no id of one that he might never have seen."""
    past = might_have_seen or may_see
    return [
        f"C8 {pull.device}: {place[0]}/{place[1]}"
        for pull in pulls
        for place, part in pull.ids().items()
        if not (past if part == "deleted" else may_see)(pull.device, place)
    ]


def clients_are_content(reports: Iterable[ClientReport]) -> list[str]:
    """C9: no client logged an error, and none has anything left to push."""
    found = []
    for report in reports:
        found += [f"C9 {report.device}: {line}" for line in report.errors]
        if report.unsynced:
            found.append(f"C9 {report.device}: unsynced")
    return found


def checksum(schema: Schema, rows: Rows) -> str:
    """One text for all rows in the columns that devices know: equal exactly where the rows are."""
    listed = [
        [table, row, sorted(columns.items())]
        for table, kept in sorted(on_device(schema, rows).items())
        for row, columns in sorted(kept.items())
    ]
    text = json.dumps(listed, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def checksums_agree(schema: Schema, server: Rows, devices: Mapping[str, Rows]) -> list[str]:
    """C10: the checksum of each device is that of the server."""
    expected = checksum(schema, server)
    return [f"C10 {device}" for device, rows in devices.items() if checksum(schema, rows) != expected]


def reads_go_forward(snapshots: Sequence[Snapshot], order: Order) -> list[str]:
    """C11: what a device sees of a field never goes back in the order that the server gave its values.

    Snapshots are taken where the device has nothing unsent. A value that stands in the order twice counts as the nearest.
    """
    found = []
    at: dict[tuple[str, str, str, str], int] = {}
    for snapshot in snapshots:
        for (table, row, name), values in order.items():
            columns = snapshot.rows.get(table, {}).get(row)
            if columns is None or name not in columns:
                continue
            key = (snapshot.device, table, row, name)
            start = at.get(key, 0)
            later = (index for index in range(start, len(values)) if _equal(values[index], columns[name]))
            position = next(later, None)
            if position is None:
                found.append(f"C11 {snapshot.device} at {snapshot.number}: {table}/{row}.{name}")
            else:
                at[key] = position
    return found


def on_device(schema: Schema, rows: Rows) -> dict[str, dict[str, dict[str, Value]]]:
    """Rows as a device of this schema holds them: its tables, its columns, its forms of values; no empty tables."""
    fitted: dict[str, dict[str, dict[str, Value]]] = {}
    for table in schema.tables:
        kept = {
            row: {column.name: column.fit(columns.get(column.name)) for column in table.columns}
            for row, columns in rows.get(table.name, {}).items()
        }
        if kept:
            fitted[table.name] = kept
    return fitted


def wire_rows(pulls: Iterable[Pull]) -> dict[str, dict[str, dict[str, Any]]]:
    """The rows that answers bring, applied in order: of a first pull, the server's rows as it sends them."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for pull in pulls:
        for table, parts in pull.changes.items():
            kept = rows.setdefault(table, {})
            kept.update((raw["id"], dict(raw)) for part in ("created", "updated") for raw in parts[part])
            for row in parts["deleted"]:
                kept.pop(row, None)
    return rows


def _by_device(pulls: Sequence[Pull]) -> dict[str, list[Pull]]:
    found: dict[str, list[Pull]] = {}
    for pull in pulls:
        found.setdefault(pull.device, []).append(pull)
    return found


def _tag(cursor: int) -> int:
    return cursor >> CURSOR_BITS


def _equal(left: object, right: object) -> bool:
    return same(_plain(left), _plain(right))


def _plain(value: object) -> object:
    fitted = number(value)
    return value if fitted is None else fitted


def _differing(left: Rows, right: Rows) -> list[Place]:
    places = {(table, row) for side in (left, right) for table, kept in side.items() for row in kept}
    return sorted(
        (table, row)
        for table, row in places
        if not _same_columns(left.get(table, {}).get(row), right.get(table, {}).get(row))
    )


def _same_columns(left: Mapping[str, Any] | None, right: Mapping[str, Any] | None) -> bool:
    if left is None or right is None:
        return left is right
    return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
