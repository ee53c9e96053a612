"""Mistakes that a hub could make, each a small change of its parts, and the history in which it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import orjson

from holdfast.changes.cursor import CursorTag
from holdfast.changes.devices import pushed_by
from holdfast.engines.memory.engine import MemoryEngine
from holdfast.engines.memory.transaction import MemoryTransaction
from holdfast.engines.port import Write
from holdfast.errors import CursorExpired
from holdfast.sync import base, changeset, hub, incoming, merge, pulling, pushing, verdict
from holdfast.sync import selected as sync_selected
from holdfast.sync.caller import Caller
from holdfast.sync.hub import Hub
from tests.property.sync_entities import LATER
from tests.property.sync_histories import (
    Broken,
    Held,
    Local,
    Reinstall,
    Resend,
    Rest,
    Server,
    Step,
    Sync,
    While,
)

PHONE, TABLET, BOBS, LAPTOP, BROWSER = range(5)
NAME, LOCKED, MINE, HIGH, LOW, HITS, TAGS, VERDICT = ((column, 0) for column in range(8))
Patching = AbstractContextManager[Any]


@dataclass(frozen=True)
class Mutant:
    """A mistake; `steps` is the history in which it must show, and which passes without it."""

    name: str
    change: Callable[[], Patching]
    steps: tuple[Step, ...]
    shared: bool = False


def edit(rig: int, *choices: tuple[int, int], table: str = "cards", pick: int = 0) -> Local:
    return Local(rig, "edit", table, pick, choices)


def rest(*choices: tuple[int, int], table: str = "cards", pick: int = 0, user: str = "ann") -> Rest:
    return Rest(user, "edit", table, pick, choices)


def of(owner: Any, name: str, value: Any) -> Callable[[], Patching]:
    """The change that puts `value` in an attribute's place."""
    return lambda: patch.object(owner, name, value)


# -- pulls ------------------------------------------------------------------------------------------------------------

_answer, _standing, _pull = Hub._answer, Hub._standing, Hub.pull
_cursor, _tag_of, _read_page = CursorTag.cursor, CursorTag.of, pulling.read_page
_selected, _deleted_since = sync_selected.selected, pulling._deleted_since


async def _cursor_after_rows(
    self: Hub, caller: Any, tag: Any, request: Any, plans: Any, head: int
) -> AsyncIterator[bytes]:
    pieces = [piece async for piece in _answer(self, caller, tag, request, plans, head)]
    answer = orjson.loads(b"".join(pieces))
    yield b'{"changes":' + orjson.dumps(answer["changes"])
    async with self.store.engine.begin(caller.scope, read_only=True) as tx:
        now = (await tx.marks()).head
    yield b',"timestamp":%d}' % tag.cursor(now)


def _created_head(self: Any) -> bytes:
    name = orjson.dumps(self._plan.schema.table)
    return bytes(self._leading + name + b':{"updated":[],"created":[')


async def _no_ids(*_: Any) -> list[str]:
    return []


async def _everyones_tombstones(tx: Any, schema: Any, since: Any) -> list[str]:
    own = tx._scope
    await tx.act_as(replace(own, whole_tenant=True, reason="a mistake"))
    found = await _deleted_since(tx, schema, since)
    await tx.act_as(own)
    return found


async def _everyones_rows(engine: Any, tx: Any, selection: Any) -> AsyncIterator[Any]:
    await tx.act_as(replace(tx._scope, whole_tenant=True, reason="a mistake"))
    async for piece in _selected(engine, tx, selection):
        yield piece


async def _empty_for_expired(self: Hub, caller: Any, request: Any) -> Any:
    try:
        return await _pull(self, caller, request)
    except CursorExpired:

        async def nothing() -> AsyncIterator[bytes]:
            yield b'{"changes":{},"timestamp":%d}' % request.cursor

        return nothing()


async def _page_to_head(*args: Any, **named: Any) -> Any:
    page = await _read_page(*args, **named)
    return replace(page, number=named["head"], more=False)


def _standing_without(name: str) -> Any:
    async def standing(self: Hub, caller: Any, after: Any) -> Any:
        nothing: Any = {name: frozenset()}
        return replace(await _standing(self, caller, after), **nothing)

    return standing


def _bare_is_named(scope: Any, *, device: str | None, session_id: Any) -> Caller:
    return replace(_caller_of(scope, device=device, session_id=session_id), named=True)


_caller_of = Caller.of

# -- pushes -----------------------------------------------------------------------------------------------------------

_push_whole, _pusher, _read_row, _base_of = (
    Hub._push_whole,
    pushing.Push._pusher,
    incoming.read_row,
    base.base_of,
)
_create, _meet_delete = verdict._create, verdict._meet_delete


async def _in_two_transactions(
    self: Hub, caller: Any, changes: Any, pulled: int, members: Any, receipt: Any
) -> Any:
    parts = hub._halves(changes) if changes.count > 1 else [changes]
    return hub._joined([await _push_whole(self, caller, part, pulled, members, receipt) for part in parts])


def _seen_is_pulled(self: Any, met: Any) -> Any:
    return replace(_pusher(self, met), seen=self._pulled)


def _nulled(schema: Any, entity: Any, row_id: Any, raw: Any, *, created: bool) -> Any:
    missing = {LATER.name: None} if schema.table == "notes" and LATER.name not in raw else {}
    listed = ",".join([raw.get("_changed") or "", *missing])
    return _read_row(schema, entity, row_id, {**raw, **missing, "_changed": listed}, created=created)


def _only_listed(row: Any, _: Any, declared: Any) -> bool:
    return row.listed is None or declared.name in row.listed


def _keeps_nothing(*args: Any, **named: Any) -> Any:
    return _write(*args, **{**named, "kept": {}})


_write = Write


def _without_own_pushes(
    schema: Any, row: Any, past: Any, *, device: Any, seen: int, before: Any = None
) -> Any:
    return base.Base(base.standing_at(schema, row, past, seen))


def _refuse_unknown(pusher: Any, row: Any, ground: Any) -> Any:
    if "reference_missing" in ground.barred.values():
        return verdict._refuse(pusher, row, ground, "reference_missing")
    return _create(pusher, row, ground)


def _back_from_the_dead(pusher: Any, row: Any, ground: Any, _: Any) -> Any:
    return _create(pusher, row, ground)


def _in_any_case(pusher: Any, row: Any, ground: Any, _: Any) -> Any:
    return verdict._refuse(pusher, row, ground, None, {})


# -- the store --------------------------------------------------------------------------------------------------------


async def _collect_all(self: MemoryEngine, tenant_id: Any, _: int) -> int:
    self.data.tombstones.pop(tenant_id, None)
    return 0


async def _number_without_lock(self: MemoryTransaction) -> int:
    reserved: dict[Any, int] = self._engine.__dict__.setdefault("_reserved", {})
    tenant = self._scope.tenant_id
    if self._held is None:
        self._held = asyncio.Lock()
        await self._held.acquire()
        head = max(reserved.get(tenant, 0), (await self.marks()).head)
        reserved[tenant] = head + 10
        return head
    return (await self.marks()).head


# -- all of them ------------------------------------------------------------------------------------------------------

_lost_sum: tuple[Step, ...] = (
    edit(PHONE, HITS),
    edit(BOBS, HITS),
    Sync(BOBS),
    Sync(PHONE),
)
_pushed_twice: tuple[Step, ...] = (edit(TABLET, NAME), Sync(TABLET, lose="ack"), Sync(TABLET))
_deleted_elsewhere: tuple[Step, ...] = (Rest("ann", "delete"), Rest("ann", "delete", "notes"))

MUTANTS: Sequence[Mutant] = (
    Mutant(
        "the cursor is taken after the rows",
        of(Hub, "_answer", _cursor_after_rows),
        (While(BOBS, rest(NAME)),),
    ),
    Mutant(
        "a cursor is one too high",
        of(CursorTag, "cursor", lambda self, number: _cursor(self, number + 1)),
        (rest(NAME), Sync(BOBS), rest(NAME, pick=1)),
    ),
    Mutant("rows come as created", of(pulling._TableWriter, "_head", _created_head), (rest(NAME),)),
    Mutant("deletes are not told", of(pulling, "_deleted_since", _no_ids), _deleted_elsewhere),
    Mutant(
        "deletes are told to everybody",
        of(pulling, "_deleted_since", _everyones_tombstones),
        (Rest("ann", "delete", "notes"),),
    ),
    Mutant("everybody's rows go out", of(pulling, "selected", _everyones_rows), (rest(NAME, table="notes"),)),
    Mutant(
        "an old cursor is answered with nothing",
        of(Hub, "pull", _empty_for_expired),
        (rest(NAME), Sync(BOBS), Server("epoch"), rest(NAME, pick=1)),
    ),
    Mutant(
        "the epoch is not in the tag",
        of(CursorTag, "of", lambda secret, tenant, user, _: _tag_of(secret, tenant, user, tenant)),
        (rest(NAME), Sync(BOBS), Server("epoch"), *(rest(NAME, pick=1) for _ in range(9))),
    ),
    Mutant(
        "a page's cursor is beyond the page",
        of(hub, "read_page", _page_to_head),
        tuple(rest(NAME, pick=n % 2) for n in range(2)) + (rest(NAME, table="notes", user="bob"),) * 3,
    ),
    Mutant(
        "what a role loses stays",
        of(Hub, "_standing", _standing_without("gone")),
        (Server("promote"), Sync(BOBS), Server("demote")),
    ),
    Mutant(
        "what a role wins stays away", of(Hub, "_standing", _standing_without("come")), (Server("promote"),)
    ),
    Mutant(
        "a migration is not answered",
        of(Hub, "_differing", staticmethod(lambda *_: ())),
        (rest((1, 0), table="notes"), Sync(PHONE), Server("upgrade")),
    ),
    Mutant(
        "an own echo is left out though the row differs",
        of(verdict, "pushed_by", lambda device, **_: pushed_by(device)),
        (Local(BOBS, "create", choices=(NAME,)),),
    ),
    Mutant(
        "an own echo is left out for a bare session",
        of(Caller, "of", _bare_is_named),
        (
            Sync(TABLET),
            Sync(BROWSER),
            Local(TABLET, "remove"),
            Sync(TABLET),
            Sync(BROWSER),
        ),
        shared=True,
    ),
    Mutant(
        "the list of changed columns is ignored",
        of(incoming, "_listed", lambda *_: None),
        (edit(PHONE, MINE), rest(NAME), Sync(PHONE, at=(("applied", (rest(NAME),)),))),
    ),
    Mutant(
        "the list of changed columns is trusted",
        of(verdict, "_is_edited", _only_listed),
        (edit(PHONE, NAME), Sync(PHONE, at=(("answered", (edit(PHONE, MINE),)),)), rest(NAME), Sync(PHONE)),
    ),
    Mutant(
        "columns that an old device has not are emptied",
        of(changeset, "read_row", _nulled),
        (rest((1, 0), table="notes"), Sync(PHONE), edit(PHONE, (0, 0), table="notes"), Sync(PHONE)),
    ),
    Mutant(
        "what loses is not kept",
        of(verdict, "Write", _keeps_nothing),
        (edit(PHONE, VERDICT, LOCKED), rest(VERDICT, LOCKED), Sync(PHONE)),
    ),
    Mutant(
        "own pushes are no part of the base",
        of(verdict, "base_of", _without_own_pushes),
        (edit(PHONE, NAME), Sync(PHONE, lose="ack"), rest(NAME), Resend(PHONE, 0)),
    ),
    Mutant("the base is what was pulled last", of(pushing.Push, "_pusher", _seen_is_pulled), _lost_sum),
    Mutant(
        "a page's cursor is taken for what the device had",
        of(hub, "_shown", lambda request, standing, after: after or 0),
        (edit(LAPTOP, HITS, TAGS), rest(HITS, TAGS), *(rest(NAME, pick=1) for _ in range(3)), Sync(LAPTOP)),
    ),
    Mutant(
        "an old push of a bare session is a new edit",
        of(verdict, "_has_pushed_since", lambda *_: False),
        (*_pushed_twice, edit(TABLET, NAME), Sync(TABLET)),
    ),
    Mutant(
        "what a device has from its last pull is written down again",
        of(verdict, "_still_has", lambda pusher, row, ground, declared: declared.name in row.listed),
        (*_pushed_twice, rest(NAME), Sync(TABLET)),
    ),
    Mutant(
        "a counter is the last writer's",
        of(merge, "_counted", lambda field, b, current, pushed: merge.Merged(pushed, pushed_stands=True)),
        _lost_sum,
    ),
    Mutant(
        "a union is the last writer's",
        of(merge, "_united", lambda b, current, pushed: pushed),
        (edit(PHONE, TAGS), edit(BOBS, TAGS), Sync(BOBS), Sync(PHONE)),
    ),
    Mutant(
        "a push is two transactions",
        of(Hub, "_push_whole", _in_two_transactions),
        (Local(PHONE, "stamp"), Broken(PHONE, 2), Sync(BOBS)),
    ),
    Mutant(
        "what a delete takes with it is not told to its device",
        lambda: patch("holdfast.store._cascade.returning", lambda name: name),
        (
            Local(PHONE, "remove", "folders"),
            Local(TABLET, "create", "files", choices=((1, 0),)),
            Sync(TABLET),
            Sync(PHONE),
        ),
    ),
    Mutant(
        "a row whose parent is still to come is refused",
        of(verdict, "_create", _refuse_unknown),
        (
            Local(PHONE, "create", "folders", choices=((0, 0),)),
            Local(PHONE, "create", "files", choices=((1, 0),)),
            Local(PHONE, "create", "files", choices=((1, 1),)),
            Sync(PHONE, only="files"),
            Sync(PHONE),
        ),
    ),
    Mutant(
        "an edit brings back what a delete took",
        of(verdict, "_meet_delete", _back_from_the_dead),
        (
            edit(PHONE, (0, 0), table="notes"),
            Sync(PHONE, at=(("applied", (Rest("ann", "delete", "notes"),)),)),
        ),
    ),
    Mutant(
        "an edit that meets a delete is dropped",
        of(verdict, "_meet_delete", _in_any_case),
        (
            edit(PHONE, (0, 0), table="notes"),
            Sync(PHONE, at=(("applied", (Rest("ann", "delete", "notes"),)),)),
        ),
    ),
    Mutant(
        "tombstones go without a horizon",
        of(MemoryEngine, "collect", _collect_all),
        (*_deleted_elsewhere, Server("collect")),
    ),
    Mutant(
        "numbers are given without the lock",
        of(MemoryTransaction, "lock", _number_without_lock),
        (edit(PHONE, NAME), edit(BOBS, NAME, pick=1), Held(PHONE, BOBS), Sync(BOBS)),
    ),
)

_odd: Step = edit(TABLET, (2, 11), table="notes")
"""A value that is none of the field's."""

HARMLESS: Sequence[tuple[Step, ...]] = (
    (_odd, Sync(TABLET, lose="ack"), Sync(TABLET), Sync(TABLET), Resend(TABLET, 1)),
    (Reinstall(PHONE), edit(TABLET, HITS, TAGS), Sync(TABLET, twice=True), Server("collect")),
)
