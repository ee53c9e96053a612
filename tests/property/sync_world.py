"""Four devices of two people around a hub, with everything between them that can go wrong, and a record of what was done.

What must hold of each answer is checked when it comes; `World.finish` heals everything and checks the end. The checks
themselves are in `sync_checkers.py`.
"""

from __future__ import annotations

import asyncio
import copy
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import UUID, uuid5

import orjson

from holdfast.changes.change import Change, OldValue
from holdfast.changes.cursor import CursorTag
from holdfast.engines.memory import MemoryEngine
from holdfast.engines.port import Engine
from holdfast.errors import CursorExpired, HoldfastError
from holdfast.identity.principal import Role
from holdfast.model.entity import Entity
from holdfast.model.query import Query
from holdfast.model.wire import decode_wire, encode_wire, encode_wire_row, read_id, spell_id
from holdfast.store.store import Store
from holdfast.sync.caller import Caller
from holdfast.sync.devices import collect
from holdfast.sync.hub import Hub
from holdfast.sync.requests import read_pull, read_push
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import ManualClock
from holdfast.testing.conformance import Harness
from holdfast.testing.sync.watermelon import PullRequest, PushRequest, Synchronisation, WatermelonClient
from tests.property import sync_checkers as check
from tests.property.sync_entities import BY_TABLE, CATALOG, OWN_COLUMNS, device_schema, schema_of, upgraded
from tests.property.sync_gate import GatedEngine

NAMES = UUID("5d0c2d0a-6a0e-4f1c-9a53-0c1f6f1d7b42")
SECRET = b"the machine signs its cursors so"
Key = tuple[str, str]
"""A table and a row's id as devices spell it."""
Lost = Literal["pull", "push", "ack"]

_ODD = 11
_EDGES: dict[str, list[Any]] = {
    "text": ["", "a", "\u00e4\u0301", "\U0001f600", "\u2028\"\\'", "null", " "],
    "integer": [0, -1, 2**53 - 1, 1 - 2**53],
    "float": [0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 1e16, 1e21, 0],
    "boolean": [True, False],
    "date": ["2026-02-28", "0001-01-01", "9999-12-31"],
    "instant": [0, -1, 1_700_000_000_123],
}


@dataclass(eq=False)
class Rig:
    """A device, and what is known of it that it does not know itself."""

    name: str
    user: str
    client: WatermelonClient
    caller: Caller
    hub: Hub
    pages: bool = False
    replaces: bool = False
    """It announces that it understands a replacement, and so keeps what it has not pushed after a 410."""
    edits: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Columns that were edited and not acknowledged."""
    deltas: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By how much `hits` was moved and not acknowledged."""
    tags: set[str] = field(default_factory=set)
    """What it has put into the cards' lists."""
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    """Pushes that arrived: cursor and body."""
    cursor: int = 0
    epoch: UUID | None = None
    read: dict[Key, tuple[int, int]] = field(default_factory=dict)
    excused: bool = False
    """Something has happened after which it may be told to start afresh."""

    @property
    def named(self) -> bool:
        return self.caller.named


@dataclass
class Ledger:
    """What was done, as far as it must be found again. A restore takes all but `written` back as well."""

    acknowledged: list[tuple[Key, str, bytes]] = field(default_factory=list)
    made: set[Key] = field(default_factory=set)
    """Rows that devices made, and were told are safe."""
    dead: set[Key] = field(default_factory=set)
    hits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    added: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    removed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tainted: set[str] = field(default_factory=set)
    """Cards of which sums are not known any more: deleted, restored, or edited on a device that then forgot."""


@dataclass
class Server:
    """What the server holds of a tenant."""

    rows: dict[Key, dict[str, Any]]
    history: dict[Key, list[OldValue]]
    changes: list[Change]


class World:
    """Everything that one history stands on."""

    def __init__(self, harness: Harness, engine: Engine, example: int, *, shared: bool = False) -> None:
        """`shared`: Ann has a fifth database, which comes with the same bare session as her tablet's."""
        self.harness = harness
        self.gate = GatedEngine(engine)
        self.clock = ManualClock()
        self.tenant = uuid5(NAMES, f"ours {example}")
        self.strangers = uuid5(NAMES, f"theirs {example}")
        self.users = {name: uuid5(NAMES, f"{name} {example}") for name in ("ann", "bob")}
        self.roles = {"ann": Role.OWNER, "bob": Role.MEMBER}
        self.life = uuid5(NAMES, f"epoch {example}")
        self._tags_had = {CursorTag.of(SECRET, self.tenant, user, self.life) for user in self.users.values()}
        self.random = random.Random(example)
        stores = [
            Store(each, CATALOG, cursor_secret=SECRET, clock=self.clock)
            for each in (cast("Engine", self.gate), engine)
        ]
        self.store, self.other_store = stores
        hubs = [Hub(s, secret=SECRET, epoch=self._epoch, members=self._members) for s in stores]
        self.rigs = [
            self._rig("ann-phone", "ann", hubs[0], named=True, lean=True),
            self._rig("ann-tablet", "ann", hubs[1], named=False, replaces=True),
            self._rig("bob-phone", "bob", hubs[1], named=True),
            self._rig("bob-laptop", "bob", hubs[0], named=True, pages=True),
        ]
        if shared:
            self.rigs.append(self._rig("ann-browser", "ann", hubs[0], named=False))
            self.rigs[4].caller = self.rigs[1].caller
        self.interlude: Callable[[], Awaitable[None]] | None = None
        """What happens once, after the first piece of the next pull's answer."""
        self.ledger = Ledger()
        self.removed: set[Key] = set()
        """What anybody has deleted, anywhere."""
        self.written: dict[tuple[str, str], set[bytes]] = defaultdict(set)
        self.owners: dict[Key, set[str]] = defaultdict(set)
        self.backup: tuple[Any, Ledger] | None = None
        self.tokens = 0
        self.tags: set[str] = set()
        """Every member that anybody has put into a list."""

    def _rig(
        self,
        name: str,
        user: str,
        hub: Hub,
        *,
        named: bool,
        lean: bool = False,
        pages: bool = False,
        replaces: bool = False,
    ) -> Rig:
        client = WatermelonClient(
            device_schema(lean=lean), source=self.random, pages=pages, migrations_enabled_at=1
        )
        return Rig(name, user, client, self._caller(name, user, named=named), hub, pages, replaces)

    def _caller(self, name: str, user: str, *, named: bool) -> Caller:
        session = uuid5(NAMES, name)
        return Caller.of(self.scope(user), device=name if named else None, session_id=session)

    def scope(self, user: str) -> Scope:
        return Scope(self.tenant, self.roles[user], self.users[user])

    @property
    def everyone(self) -> Scope:
        return Scope.system(self.tenant, reason="a test")

    async def _epoch(self) -> UUID:
        return self.life

    async def _members(self, _: UUID, named: frozenset[UUID]) -> frozenset[UUID]:
        return named & set(self.users.values())

    # -- the beginning --------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """People, a few rows, and every device with its first pull behind it."""
        await self.harness.make_tenant(self.gate.inner, self.tenant)
        await self.harness.make_tenant(self.gate.inner, self.strangers)
        self.written["halves", "stamp"].add(check.canonical_wire(""))
        for user_id in self.users.values():
            await self.harness.make_member(self.gate.inner, self.tenant, user_id)
        await self.harness.make_member(self.gate.inner, self.strangers, self.users["bob"])
        for entity in BY_TABLE.values():
            self._note_defaults(entity)
        await self._strangers_rows()
        for user in ("ann", "bob"):
            await self.rest_create(user, "notes", ((0, 0), (2, 0)))
        for _ in range(2):
            await self.rest_create("ann", "cards", ((0, 0), (7, 0)))
        await self.rest_create("bob", "folders", ((0, 0),))
        for user in ("ann", "bob"):
            await self.rest_create(user, "files", ((1, 0),))
        for _ in range(2):
            await self.rest_create("ann", "halves", ())
        await self.rest_create("ann", "secrets", ((0, 0),))
        self.back_up()
        for rig in self.rigs:
            await self.sync(rig)

    async def _strangers_rows(self) -> None:
        """In another tenant, of which Bob is a member as well: nothing of it may show."""
        mine = Scope(self.strangers, Role.MEMBER, self.users["bob"])
        async with self.store.session(mine) as s:
            await s.put(BY_TABLE["cards"].model_validate({"name": "a stranger's"}))
            await s.put(BY_TABLE["notes"].model_validate({"title": "a stranger's"}))

    def _note_defaults(self, entity: type[Entity]) -> None:
        schema = CATALOG.schema(entity)
        required = {"folder_id": UUID(int=1)} if schema.table == "files" else {}
        blank = entity.model_validate(required)
        for declared in schema.fields:
            value = getattr(blank, declared.name)
            wire = None if value is None else encode_wire(declared.type, declared.type.normalise(value))
            self.written[schema.table, declared.name].add(check.canonical_wire(wire))

    # -- values ---------------------------------------------------------------------------------------------------

    def columns(self, table: str) -> list[str]:
        """What people set."""
        return [f.name for f in schema_of(table).fields if f.name not in OWN_COLUMNS]

    def value(self, table: str, column: str, choice: int, current: Any, folders: list[str]) -> Any:
        """A value in wire form: a new one, one at the edge, or null where that may be. `current` is what stands there."""
        declared = schema_of(table).by_name[column]
        self.tokens += 1
        if column == "folder_id":
            return folders[choice % len(folders)] if folders else None
        if column == "hits":
            return (current or 0) + 1 + choice % 3
        if column == "tags":
            self.tags.add(f"t{self.tokens}")
            return _tags(current, choice, f"t{self.tokens}")
        if column == "high":
            return (current or 0) + 1 + choice % 2
        if declared.nullable and choice % 7 == 6:
            return None
        edges = _EDGES[declared.type.kind]
        if choice % 3 == 1 or declared.type.kind == "boolean":
            return edges[choice % len(edges)]
        match declared.type.kind:
            case "text":
                return f"{column} {self.tokens}"
            case "date":
                return f"{2000 + self.tokens % 999:04}-01-01"
            case "float":
                return self.tokens + 0.125
            case _:
                return self.tokens

    def note_written(self, table: str, column: str, wire: Any) -> None:
        self.written[table, column].add(check.canonical_wire(wire))

    @staticmethod
    def odd(column: str, choice: int, wire: Any, *, device: bool) -> Any:
        """Now and then what an application gets wrong, or a number that no device can hold exactly."""
        if choice != _ODD or column not in {"rank", "low"}:
            return wire
        return 1.5 if device else 2**60 + 1

    # -- on a device ----------------------------------------------------------------------------------------------

    def live(self, rig: Rig, table: str) -> list[str]:
        return sorted(str(record.raw["id"]) for record in rig.client.database.live(table))

    def create(self, rig: Rig, table: str, choices: tuple[tuple[int, int], ...], row_id: str | None) -> None:
        """Make a row on a device; with an id, one that was there before."""
        folders = self.live(rig, "folders")
        if table == "files" and not folders:
            return
        columns = self._known(rig, table)
        values = {
            columns[c % len(columns)]: self.odd(
                columns[c % len(columns)],
                v,
                self.value(table, columns[c % len(columns)], v, None, folders),
                device=True,
            )
            for c, v in choices
        }
        if table == "files":
            values["folder_id"] = folders[(choices[0][1] if choices else 0) % len(folders)]
        if table == "cards":  # what a program gives a new row; an empty text is no JSON
            values.setdefault("tags", "[]")
        if row_id is not None and row_id in rig.client.database.records[table]:
            return
        made = rig.client.create(table, values, row_id=row_id)
        self.ledger.dead.discard((table, made))
        self.owners[table, made].add(rig.user)
        if row_id is not None:
            self.ledger.tainted.add(made)
        self._note_edit(rig, table, made, values, {"hits": 0})
        rig.edits[table, made].add("")

    def edit(self, rig: Rig, table: str, pick: int, choices: tuple[tuple[int, int], ...]) -> None:
        """Set columns of a row on a device."""
        rows = self.live(rig, table)
        columns = self._known(rig, table)
        if not rows or not choices:
            return
        row_id = rows[pick % len(rows)]
        before = rig.client.raw(table, row_id) or {}
        folders = self.live(rig, "folders")
        names = [columns[c % len(columns)] for c, _ in choices]
        values = {
            n: self.odd(n, v, self.value(table, n, v, before[n], folders), device=True)
            for n, (_, v) in zip(names, choices, strict=True)
        }
        rig.client.update(table, row_id, {n: v for n, v in values.items() if n != "folder_id" or v})
        self._note_edit(rig, table, row_id, values, before)

    def _note_edit(
        self, rig: Rig, table: str, row_id: str, values: dict[str, Any], before: dict[str, Any]
    ) -> None:
        raw = rig.client.raw(table, row_id) or {}
        for name in values:
            self.note_written(table, name, raw[name])
            rig.edits[table, row_id].add(name)
        if "hits" in values:
            rig.deltas[row_id] += raw["hits"] - (before.get("hits") or 0)
        if "tags" in values:
            now, then = (set(orjson.loads(r.get("tags") or "[]")) for r in (raw, before))
            rig.tags |= now - then
            self.ledger.removed[row_id] |= then - now

    def remove(self, rig: Rig, table: str, pick: int) -> None:
        """Delete a row on a device; the program takes the files of a folder with it."""
        rows = self.live(rig, table)
        if not rows:
            return
        row_id = rows[pick % len(rows)]
        if table == "folders":
            for record in list(rig.client.database.live("files")):
                if record.raw["folder_id"] == row_id:
                    rig.client.mark_as_deleted("files", str(record.raw["id"]))
        rig.client.mark_as_deleted(table, row_id)
        self.removed.add((table, row_id))
        self.ledger.tainted.add(row_id)

    def stamp(self, rig: Rig) -> None:
        """Write both halves together."""
        self.tokens += 1
        for row_id in self.live(rig, "halves"):
            rig.client.update("halves", row_id, {"stamp": f"stamp {self.tokens}"})
            self._note_edit(rig, "halves", row_id, {"stamp": ""}, {})

    def upgrade(self) -> None:
        """The lean program's next version, which knows one column more."""
        client = self.rigs[0].client
        if client.database.schema.version == 1:
            client.upgrade(upgraded(client.database.schema))

    def _known(self, rig: Rig, table: str) -> list[str]:
        return [n for n in self.columns(table) if n in rig.client.database.tables[table].by_name]

    def reinstall(self, rig: Rig) -> None:
        """The program is thrown away with all it had, and comes back empty."""
        self._forget(rig)
        rig.client.reset()

    def _forget(self, rig: Rig) -> None:
        self.ledger.tainted.update(row_id for row_id, delta in rig.deltas.items() if delta)
        self.ledger.tainted.update(row_id for _, row_id in rig.edits)
        rig.edits.clear()
        rig.deltas.clear()
        rig.read.clear()
        rig.cursor = 0

    # -- by REST --------------------------------------------------------------------------------------------------

    async def rest_create(self, user: str, table: str, choices: tuple[tuple[int, int], ...]) -> None:
        """A person makes a row with a program that is always connected."""
        entity, schema = BY_TABLE[table], schema_of(table)
        server = await self.server()
        folders = sorted(row_id for name, row_id in server.rows if name == "folders")
        if table == "files" and not folders:
            return
        names = self.columns(table)
        wires = {
            names[c % len(names)]: self.value(table, names[c % len(names)], v, None, folders)
            for c, v in choices
        }
        if table == "files":
            wires["folder_id"] = folders[-1]
        values = {n: self._plain(table, n, wire) for n, wire in wires.items()}
        made = entity.model_validate(values)
        row_id = spell_id(made.id)
        self.owners[table, row_id].add(user)
        async with self.other_store.session(self.scope(user)) as s:
            await s.put(made)
        for name in values:
            self.note_written(table, name, encode_wire(schema.by_name[name].type, getattr(made, name)))
        if "hits" in values:
            self.ledger.hits[row_id] += made.__dict__["hits"]
        if "tags" in values:
            self.ledger.added[row_id] |= set(made.__dict__["tags"])

    async def rest_edit(self, user: str, table: str, pick: int, choices: tuple[tuple[int, int], ...]) -> None:
        server = await self.server()
        rows = self._visible(server, user, table)
        if not rows or not choices:
            return
        row_id = rows[pick % len(rows)]
        row, names = server.rows[table, row_id], self.columns(table)
        folders = sorted(key for name, key in server.rows if name == "folders")
        schema = schema_of(table)
        values: dict[str, Any] = {}
        for column, choice in choices:
            name = names[column % len(names)]
            standing = encode_wire(schema.by_name[name].type, row[name])
            wire = self.value(table, name, choice, standing, folders)
            values[name] = self._plain(table, name, self.odd(name, choice, wire, device=False))
        async with self.other_store.session(self.scope(user)) as s:
            await s.patch(BY_TABLE[table], read_id(row_id), values)
        for name, value in values.items():
            kind = schema.by_name[name].type
            self.note_written(
                table, name, None if value is None else encode_wire(kind, kind.normalise(value))
            )
        self._note_sums(row_id, row, values)

    def _note_sums(self, row_id: str, row: dict[str, Any], values: dict[str, Any]) -> None:
        if "hits" in values:
            self.ledger.hits[row_id] += values["hits"] - row["hits"]
        if "tags" in values:
            self.ledger.added[row_id] |= set(values["tags"]) - set(row["tags"])
            self.ledger.removed[row_id] |= set(row["tags"]) - set(values["tags"])

    async def rest_delete(self, user: str, table: str, pick: int) -> None:
        rows = self._visible(await self.server(), user, table)
        if not rows:
            return
        row_id = rows[pick % len(rows)]
        async with self.other_store.session(self.scope(user)) as s:
            await s.delete(BY_TABLE[table], read_id(row_id))
        self.removed.add((table, row_id))
        self._buried(table, row_id)

    async def rest_stamp(self, user: str) -> None:
        self.tokens += 1
        rows = self._visible(await self.server(), user, "halves")
        async with self.other_store.session(self.scope(user)) as s:
            for row_id in rows:
                await s.patch(BY_TABLE["halves"], read_id(row_id), {"stamp": f"stamp {self.tokens}"})
        self.note_written("halves", "stamp", f"stamp {self.tokens}")

    def _plain(self, table: str, column: str, wire: Any) -> Any:
        return None if wire is None else decode_wire(schema_of(table).by_name[column].type, wire)

    def _visible(self, server: Server, user: str, table: str) -> list[str]:
        schema = schema_of(table)
        return sorted(
            row_id
            for (name, row_id), row in server.rows.items()
            if name == table and (schema.owner is None or row[schema.owner] == self.users[user])
        )

    def _buried(self, table: str, row_id: str) -> None:
        self.ledger.tainted.add(row_id)
        if schema_of(table).against_edit == "delete_wins":
            self.ledger.dead.add((table, row_id))

    # -- between them ---------------------------------------------------------------------------------------------

    def tick(self, hours: float) -> None:
        self.clock.advance(timedelta(hours=hours))

    async def set_role(self, role: Role) -> None:
        """Bob becomes something else; his devices notice with their next request."""
        self.roles["bob"] = role
        for rig in self.rigs:
            if rig.user == "bob":
                rig.caller = self._caller(rig.name, "bob", named=rig.named)

    async def collect(self, minutes: int) -> None:
        """Forget devices that have not come for so long, and the tombstones that all others have passed."""
        found = await collect(self.store, self.tenant, forgotten_after=timedelta(minutes=minutes))
        for rig in self.rigs if found.devices else ():
            rig.excused = True

    async def new_epoch(self) -> None:
        """The store goes back to the last backup where the medium can, and a new epoch begins."""
        self.tokens += 1
        engine: Any = self.gate.inner
        if isinstance(engine, MemoryEngine) and self.backup is not None:
            data, ledger = self.backup
            engine.data = copy.deepcopy(data)
            self.ledger = copy.deepcopy(ledger)
        self.ledger.tainted.update(row_id for (table, row_id) in self.owners if table == "cards")
        self.life = self._another_life()
        for rig in self.rigs:
            rig.excused = True

    def _another_life(self) -> UUID:
        """One whose cursors nobody takes for those of an earlier one: by chance, one tag in 4,095 is as another."""
        while True:
            life = uuid5(self.life, str(self.tokens))
            tags = {CursorTag.of(SECRET, self.tenant, user, life) for user in self.users.values()}
            if not tags & self._tags_had:
                self._tags_had |= tags
                return life
            self.tokens += 1

    def back_up(self) -> None:
        engine: Any = self.gate.inner
        if isinstance(engine, MemoryEngine):
            self.backup = copy.deepcopy(engine.data), copy.deepcopy(self.ledger)

    # -- synchronising --------------------------------------------------------------------------------------------

    async def pull(self, rig: Rig, request: PullRequest, *, replacement: bool = False) -> dict[str, Any]:
        """A pull as it goes over the wire, checked."""
        asked: dict[str, Any] = dict(request.parameters())
        if rig.pages:
            asked |= {"paging": "1", "limit": "3"}
        if replacement:
            asked["replacement"] = "1"
        pieces = await rig.hub.pull(rig.caller, read_pull(asked))
        read: list[bytes] = []
        async for piece in pieces:
            read.append(piece)
            interlude, self.interlude = self.interlude, None
            if interlude is not None:
                await interlude()
        answer: dict[str, Any] = orjson.loads(b"".join(read))
        check.answer_is_sound(self, rig, answer)
        return answer

    async def sync(
        self,
        rig: Rig,
        *,
        push: bool = True,
        lose: Lost | None = None,
        twice: bool = False,
        at: Any = None,
        only: str | None = None,
    ) -> None:
        """Synchronise; with `only`, a program that pushes nothing but this table. `at` maps a point to what happens there. A cursor that is refused is a fresh start, once."""
        play = at or {}
        try:
            await self._sync(rig, push=push, lose=lose, twice=twice, play=play, only=only)
        except CursorExpired:
            check.demand("C6", f"{rig.name} was told to start afresh for no reason", rig.excused)
            rig.excused = False
            await self._start_afresh(rig)
            await self._sync(rig, push=True, lose=None, twice=False, play={}, only=None)

    async def _sync(
        self, rig: Rig, *, push: bool, lose: Lost | None, twice: bool, play: Any, only: str | None
    ) -> None:
        sync = rig.client.begin()
        for request in sync.pulls():
            answer = await self.pull(rig, request)
            await self._play(play, "pulled")
            if lose == "pull":
                return
            self._apply(rig, sync, answer)
        self._note_made_anew(rig, sync)
        if "applied" in play:
            deltas = dict(rig.deltas)
            await self._play(play, "applied")
            # An edit between pull and push is taken for one that was made before the pull.
            self.ledger.tainted.update(i for i, delta in rig.deltas.items() if delta != deltas.get(i, 0))
        sent = sync.push_request()
        if sent is None:
            return
        if only is not None:
            sent = sync._sent = PushRequest({only: sent.changes[only]}, sent.last_pulled_at)
        if not push or lose == "push":
            self._push_came_to_nothing(rig)
            return
        await self._play(play, "pushing")
        snapshot = {key: set(names) for key, names in rig.edits.items()}
        deltas = dict(rig.deltas)
        told = await self.push(rig, sent, snapshot)
        if twice:
            await check.push_again_changes_nothing(self, rig, *rig.sent[-1])
        await self._play(play, "answered")
        if lose != "ack":
            sync.finish(told)
            self._acknowledge(rig, sent, told, deltas, snapshot)

    def _apply(self, rig: Rig, sync: Synchronisation, answer: dict[str, Any]) -> None:
        sync.apply_pull(answer)
        rig.cursor, rig.epoch = int(answer["timestamp"]), self.life
        check.reads_are_monotonic(rig, answer)
        if not answer.get("experimentalHasMore"):
            check.halves_agree(rig)
        for key in [k for k in rig.edits if rig.client.raw(*k) is None]:
            self.ledger.tainted.add(key[1])
            del rig.edits[key]

    def _note_made_anew(self, rig: Rig, sync: Synchronisation) -> None:
        """A first pull tells of no deletes: what a device still holds for new behind it, it makes anew."""
        if sync._began_at is None:
            records = rig.client.database.records
            made = {
                (t, i) for t, rows in records.items() for i, row in rows.items() if row.status == "created"
            }
            self.ledger.dead -= made

    async def _play(self, play: Any, point: str) -> None:
        if point in play:
            await play[point]()

    def _push_came_to_nothing(self, rig: Rig) -> None:
        # What a device pulls while an edit waits is taken for what the edit was made on, once the device comes again: it
        # cannot be told from a device that had nothing to push. The sums of such rows are not known.
        self.ledger.tainted.update(row_id for _, row_id in rig.edits)

    async def push(
        self, rig: Rig, sent: PushRequest, edits: dict[Key, set[str]] | None = None
    ) -> dict[str, Any]:
        """A push as it goes over the wire, checked."""
        body = orjson.dumps(sent.changes)
        cursor = int(sent.last_pulled_at)
        before = await self.store.head(self.everyone)
        told = await self.deliver(rig, cursor, body)
        rig.sent.append((cursor, body))
        changes = await self.changes_after(before)
        check.only_edits_were_written(rig, changes, sent.changes, edits or {})
        return told

    async def deliver(self, rig: Rig, cursor: int, body: bytes) -> dict[str, Any]:
        """A push, byte for byte."""
        asked = read_push({"last_pulled_at": str(cursor)}, orjson.loads(body))
        told: dict[str, Any] = orjson.loads(orjson.dumps(await rig.hub.push(rig.caller, asked)))
        return told

    def _acknowledge(
        self,
        rig: Rig,
        sent: PushRequest,
        told: dict[str, Any],
        deltas: dict[str, int],
        edits: dict[Key, set[str]],
    ) -> None:
        """Enter what the device was told is safe."""
        later = told.get("experimentalRejectedIds", {})
        for table, parts in sent.changes.items():
            for raw in [*parts["created"], *parts["updated"]]:
                key = table, raw["id"]
                if raw["id"] in later.get(table, ()):
                    continue
                if raw in parts["created"]:
                    self.ledger.made.add(key)
                now = rig.client.raw(*key) or {}
                for name in edits.get(key, set()) - {""}:
                    self.ledger.acknowledged.append((key, name, check.canonical_wire(raw[name])))
                self._settle_sums(rig, key, raw, deltas)
                rig.edits[key] = {n for n in rig.edits[key] - {""} if now.get(n) != raw.get(n)}
                if not rig.edits[key]:
                    del rig.edits[key]
            for row_id in parts["deleted"]:
                self._buried(table, row_id)
                rig.edits.pop((table, row_id), None)

    def _settle_sums(self, rig: Rig, key: Key, raw: dict[str, Any], deltas: dict[str, int]) -> None:
        if key[0] != "cards":
            return
        moved = deltas.get(key[1], 0)
        self.ledger.hits[key[1]] += moved
        rig.deltas[key[1]] -= moved
        self.ledger.added[key[1]] |= rig.tags & set(orjson.loads(raw["tags"]))

    async def _start_afresh(self, rig: Rig) -> None:
        """What a device does after a 410: pull everything, keeping what it has not pushed where it can."""
        if not rig.replaces:
            self.reinstall(rig)
        else:
            self.ledger.tainted.update(row_id for _, row_id in rig.edits)
            rig.client.database.local.clear()
            rig.cursor = 0
            rig.read.clear()
        sync = rig.client.begin()
        for request in sync.pulls():
            answer = await self.pull(rig, request, replacement=rig.replaces)
            self._apply(rig, sync, answer)
        self._note_made_anew(rig, sync)
        self._drop_orphans(rig)

    def _drop_orphans(self, rig: Rig) -> None:
        """A program that replaces its data lets go of new files whose folder is gone for good."""
        folders = set(self.live(rig, "folders"))
        for record in list(rig.client.database.live("files")):
            if record.raw["folder_id"] not in folders:
                rig.client.destroy("files", str(record.raw["id"]))

    async def held(self, rig: Rig, other: Rig) -> None:
        """While the push of a device is not yet committed, another one pulls and pushes."""
        task = asyncio.create_task(self.sync(rig))
        self.gate.hold()
        await self.gate.reached(task)
        meanwhile = asyncio.create_task(self.sync(other))
        for _ in range(20):
            await asyncio.sleep(0)
        self.gate.release()
        await asyncio.gather(task, meanwhile)

    async def broken(self, rig: Rig, flush: int) -> None:
        """The push of a device fails before it commits, or, where it takes several, in the middle."""
        self.gate.fail(flush)
        try:
            await self.sync(rig)
        except HoldfastError:
            self._push_came_to_nothing(rig)
        finally:
            self.gate.release()

    async def resend(self, rig: Rig, place: int) -> None:
        """The network delivers an old push again."""
        if rig.sent:
            await check.push_again_changes_nothing(self, rig, *rig.sent[place % len(rig.sent)])

    # -- the end --------------------------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Heal, let every device synchronise twice, and check everything."""
        self.gate.release()
        for _ in range(2):
            for rig in self.rigs:
                await self.sync(rig)
        await check.everything_holds(self)

    async def changes_after(self, number: int) -> list[Change]:
        async with self.gate.inner.begin(self.everyone, read_only=True) as tx:
            return await tx.read_changes(number, limit=10_000)

    async def server(self) -> Server:
        """What stands on the server, whoever's it is."""
        server = Server({}, defaultdict(list), [])
        async with self.gate.inner.begin(self.everyone, read_only=True) as tx:
            for table in BY_TABLE:
                for row in await tx.query(Query(schema_of(table), limit=10_000)):
                    server.rows[table, spell_id(row["id"])] = row
        return server

    async def with_history(self) -> Server:
        server = await self.server()
        server.changes = await self.changes_after(0)
        async with self.gate.inner.begin(self.everyone, read_only=True) as tx:
            for table in BY_TABLE:
                schema = schema_of(table)
                ids = list({c.row_id for c in server.changes if c.entity == schema.name})
                for old in await tx.read_history_since(schema, ids, 0) if ids else []:
                    server.history[table, spell_id(old.row_id)].append(old)
        return server

    async def wire_rows(self, rig: Rig) -> dict[Key, dict[str, Any]]:
        """What the server holds for a device's person, as it goes over the wire."""
        found: dict[Key, dict[str, Any]] = {}
        async with self.gate.inner.begin(rig.caller.scope, read_only=True) as tx:
            for table in BY_TABLE:
                schema = schema_of(table)
                if not self.store.reads(rig.caller.scope, schema):
                    continue
                for row in await tx.query(Query(schema, limit=10_000)):
                    found[table, spell_id(row["id"])] = encode_wire_row(schema, row)
        return found


def _tags(current: Any, choice: int, token: str) -> str:
    tags = orjson.loads(current) if isinstance(current, str) and current else []
    tags = tags[1:] if choice % 4 == 3 and tags else [*tags, token]
    return orjson.dumps(tags).decode()
