"""What must hold of every history. Those of the end are in `everything_holds`; the others are asked as answers come.

C1  a device holds what the server holds for it           C7   a replay changes nothing
C2  no acknowledged write is lost                         C8   nothing out of scope leaves
C3  what is deleted stays so, unless made anew            C9   the device complains of nothing and has nothing left to send
C4  nobody's values, and nobody's edits, are invented     C10  the checksums agree
C5  a push is there as a whole or not at all              C11  a device never reads an older state than before
C6  within an epoch a cursor never falls
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from holdfast.changes.change import PUSHED, SALT_FIELD, Change, Operation
from holdfast.changes.devices import is_pushed_by
from holdfast.errors import CursorExpired
from holdfast.identity.principal import Role
from holdfast.model.types import FieldType
from holdfast.model.wire import encode_wire, spell_id
from holdfast.testing.sync.schema import number, same_rows
from holdfast.testing.sync.watermelon import PullRequest
from tests.property.sync_entities import CATALOG, OWN_COLUMNS, schema_of

if TYPE_CHECKING:
    from tests.property.sync_world import Key, Rig, Server, World

Changes = Mapping[str, Mapping[str, list[Any]]]
_SUMMED = frozenset({"hits", "tags"})


class Broken(AssertionError):
    """A history in which something did not hold; `rule` says what."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule = rule


def demand(rule: str, what: str, holds: object) -> None:
    """Raise Broken unless it holds."""
    if not holds:
        raise Broken(rule, what)


def canonical_wire(value: Any) -> bytes:
    """A wire value's bytes, numbers as JavaScript holds them."""
    plain = number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if isinstance(plain, int) and abs(plain) > 2**53:
        plain = float(plain)
    return orjson.dumps(plain)


# -- of each pull -----------------------------------------------------------------------------------------------------


def answer_is_sound(world: World, rig: Rig, answer: Mapping[str, Any]) -> None:
    """C3, C4, C6, C8 of one answer, and that it is one at all."""
    cursor = answer["timestamp"]
    demand("C6", "a cursor is a whole number", isinstance(cursor, int) and 0 < cursor < 2**53)
    if rig.epoch == world.life:
        demand("C6", f"{rig.name}'s cursor fell", cursor >= rig.cursor)
    for table, parts in answer["changes"].items():
        schema = schema_of(table)
        ids = [row["id"] for part in ("created", "updated") for row in parts[part]] + parts["deleted"]
        demand("wire", f"an id is named twice in {table}", len(ids) == len(set(ids)))
        for row in (*parts["created"], *parts["updated"]):
            demand("C3", f"{table} {row['id']} is back", (table, row["id"]) not in world.ledger.dead)
            if schema.owner is not None:
                demand("C8", f"another's {table} left", row[schema.owner] == str(world.users[rig.user]))
            demand("C8", f"an unknown row of {table} left", (table, row["id"]) in world.owners)
            values_were_written(world, table, row)
        if schema.owner is not None:
            heard = [i for i in parts["deleted"] if rig.user not in world.owners.get((table, i), set())]
            demand("C8", f"{rig.name} heard of another's {table}", not heard)
        if schema.read_role == "admin":
            may = world.roles[rig.user] >= Role.ADMIN
            demand("C8", f"{rig.name} saw {table}", may or not (parts["created"] or parts["updated"]))


def values_were_written(world: World, table: str, row: Mapping[str, Any]) -> None:
    """C4: every value was somebody's."""
    for name, value in row.items():
        if name in OWN_COLUMNS or name in {"id", "hits", "folder_id"}:
            continue
        values = orjson.loads(value) if name == "tags" else [value]
        known = world.tags if name == "tags" else world.written[table, name]
        strange = [each for each in values if (each if name == "tags" else canonical_wire(each)) not in known]
        demand("C4", f"nobody wrote {table}.{name} {strange}", not strange)


def halves_agree(rig: Rig) -> None:
    """C5: what was written together is seen together."""
    stamps = {record.raw["stamp"] for record in rig.client.database.live("halves")}
    demand("C5", f"{rig.name} sees half of a write", len(stamps) <= 1)


def reads_are_monotonic(rig: Rig, answer: Mapping[str, Any]) -> None:
    """C11: of one life of a row, a device never reads an earlier state after a later one."""
    for table, parts in answer["changes"].items():
        for row in (*parts["created"], *parts["updated"]):
            key, read = (table, row["id"]), (row["created_at"], row["updated_at"])
            before = rig.read.get(key, read)
            demand("C11", f"{rig.name} reads {key} as it was", before[0] != read[0] or before[1] <= read[1])
            rig.read[key] = read


# -- of each push -----------------------------------------------------------------------------------------------------


def only_edits_were_written(
    rig: Rig, changes: Iterable[Change], sent: Changes, edits: Mapping[Key, set[str]]
) -> None:
    """C4: what a push writes is what was edited on the device since it was last told that all is safe."""
    made = {(table, raw["id"]) for table, parts in sent.items() for raw in parts["created"]}
    dropped = {(table, row_id) for table, parts in sent.items() for row_id in parts["deleted"]}
    for change in changes:
        if not is_pushed_by(change.device, rig.caller.device_id):
            continue
        table = CATALOG.schema(change.entity).table
        key = table, spell_id(change.row_id)
        if change.op is Operation.UPDATE:
            unasked = set(change.fields) - edits.get(key, set()) - OWN_COLUMNS
            fresh = key in made and "" in edits.get(key, set())
            demand("C4", f"{rig.name} wrote {key} {unasked}, which it had not edited", fresh or not unasked)
        elif change.op is Operation.CREATE:
            demand("C3", f"{rig.name} made {key}, which it had not edited", edits.get(key) or key in made)
        elif change.version > 1 and key not in dropped:
            with_parent = table == "files" and any(name == "folders" for name, _ in dropped)
            demand("C4", f"{rig.name} deleted {key} unasked", with_parent)


async def push_again_changes_nothing(world: World, rig: Rig, cursor: int, body: bytes) -> None:
    """C7: a push that comes again makes no number."""
    before = await world.store.head(world.everyone)
    with contextlib.suppress(CursorExpired):
        await world.deliver(rig, cursor, body)
    changes = await world.changes_after(before)
    what = [(c.entity, c.op.value, c.fields) for c in changes]
    demand("C7", f"a push of {rig.name} that came again wrote {what}", not changes)


# -- of the end -------------------------------------------------------------------------------------------------------


async def everything_holds(world: World) -> None:
    """All that must hold when everything is healed and every device has synchronised twice."""
    for rig in world.rigs:
        await device_is_level(world, rig)
    server = await world.with_history()
    writes_are_kept(world, server)
    rows_are_kept(world, server)
    sums_are_right(world, server)
    buried = [key for key in world.ledger.dead if key in server.rows]
    demand("C3", f"deleted, and there: {buried}", not buried)
    for rig in world.rigs:
        await pull_again_changes_nothing(world, rig)
        for cursor, body in rig.sent:
            await push_again_changes_nothing(world, rig, cursor, body)
    for rig in world.rigs:
        await world.sync(rig)
        await device_is_level(world, rig)


async def device_is_level(world: World, rig: Rig) -> None:
    """C1, C9 and C10 of one device."""
    database = rig.client.database
    theirs = await world.wire_rows(rig)
    mine = {(table, row_id): row for table, rows in rig.client.rows().items() for row_id, row in rows.items()}
    demand("C9", f"{rig.name} complains: {rig.client.errors}", not rig.client.errors)
    waiting = [
        (table, key, record.raw)
        for table, records in database.records.items()
        for key, record in records.items()
        if record.status != "synced"
    ]
    demand("C9", f"{rig.name} has something left to send: {waiting}", not waiting)
    missing, extra = theirs.keys() - mine.keys(), mine.keys() - theirs.keys()
    demand("C1", f"{rig.name} lacks {sorted(missing)}", not missing)
    demand("C1", f"{rig.name} still has {sorted(extra)}", not extra)
    known = {key: _known_of(rig, key[0], row) for key, row in theirs.items()}
    differing = {key: (mine[key], row) for key, row in known.items() if not same_rows(mine[key], row)}
    demand("C1", f"{rig.name} holds other values: {differing}", not differing)
    demand("C10", f"{rig.name}'s checksum differs", checksum(mine) == checksum(known))


def _known_of(rig: Rig, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    columns = rig.client.database.tables[table].by_name
    return {name: value for name, value in row.items() if name == "id" or name in columns}


def checksum(rows: Mapping[Key, Mapping[str, Any]]) -> str:
    """One for all rows, in any order."""
    lines = sorted(
        orjson.dumps([table, [[name, canonical_wire(row[name]).decode()] for name in sorted(row)]])
        for (table, _), row in rows.items()
    )
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def writes_are_kept(world: World, server: Server) -> None:
    """C2: each acknowledged value stands, or stood and was replaced, or was kept beside what won."""
    for key, name, value in world.ledger.acknowledged:
        if name in _SUMMED:
            continue
        demand("C2", f"{key} {name} {value!r} was lost", value in _known_values(server, key, name))


def rows_are_kept(world: World, server: Server) -> None:
    """C2 of whole rows: what a device made and was told is safe is there, unless somebody has deleted it."""
    gone = world.ledger.made - server.rows.keys() - world.removed
    if any(table == "folders" for table, _ in world.removed):
        gone = {key for key in gone if key[0] != "files"}
    demand("C2", f"made, acknowledged, and gone: {gone}", not gone)


def _known_values(server: Server, key: Key, name: str) -> set[bytes]:
    kind = schema_of(key[0]).by_name[name].type
    known: set[bytes] = set()
    row = server.rows.get(key)
    if row is not None:
        known.add(_on_wire(kind, row[name]))
    for old in server.history.get(key, ()):
        if old.field == SALT_FIELD:  # it was deleted; of that moment the history holds what was not null
            known.add(canonical_wire(None))
        if old.field not in {name, name + PUSHED}:
            continue
        plain = orjson.loads(old.value)
        known.add(canonical_wire(plain))
        with contextlib.suppress(ValueError):  # what was never a value of the field is kept as it was sent
            known.add(_on_wire(kind, None if plain is None else kind.decode(plain)))
    return known


def _on_wire(kind: FieldType, value: Any) -> bytes:
    return canonical_wire(None if value is None else encode_wire(kind, value))


def sums_are_right(world: World, server: Server) -> None:
    """C2 of fields that are merged: every acknowledged step is in the sum, every acknowledged member in the union."""
    for (table, row_id), row in server.rows.items():
        if table != "cards" or row_id in world.ledger.tainted:
            continue
        wanted = world.ledger.hits.get(row_id, 0)
        demand("C2", f"{row_id} counts {row['hits']} and not {wanted}", row["hits"] == wanted)
        lost = world.ledger.added[row_id] - world.ledger.removed[row_id] - set(row["tags"])
        demand("C2", f"{row_id} lost {lost} from its union", not lost)


async def pull_again_changes_nothing(world: World, rig: Rig) -> None:
    """C7: two pulls at one cursor tell the same, and write nothing. C6: and the cursor is the same."""
    request = PullRequest(rig.client.last_pulled_at, rig.client.database.schema.version, None)
    before = await world.store.head(world.everyone)
    first, second = [await world.pull(rig, request) for _ in range(2)]
    demand("C7", f"{rig.name} pulls twice and is told otherwise", first == second)
    demand("C7", "a pull wrote", await world.store.head(world.everyone) == before)
