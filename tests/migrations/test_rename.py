"""A rename keeps rows, history and devices: a device goes on with the columns it was made with, and so does old code."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import orjson

from holdfast.changes.change import Operation, commitment, value_hash
from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.markers import Was
from holdfast.model.planning import plan
from holdfast.model.policies import Index, Owned, Synced
from holdfast.store.store import Store
from holdfast.sync.caller import Caller
from holdfast.sync.conflicts import Inbox
from holdfast.sync.entities import ENTITIES
from holdfast.sync.hub import Hub
from holdfast.sync.requests import Migration, PullRequest, PushRequest, TableChanges
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.entities import REALM
from tests.migrations.bench import SECRET, Bench


class Note(Entity, table="notes", policies=(Owned(), Synced(), Index("title"))):
    user_id: UUID | None = None
    title: str
    text: str = ""


class Memo(Entity, table="memos", policies=(Owned(), Synced(), Was("notes"), Index("headline"))):
    user_id: UUID | None = None
    headline: Annotated[str, Was("title")]
    text: str = ""


def store_of(bench: Bench, entity: type[Entity]) -> Store:
    return Store(bench.engine, declared(entity), cursor_secret=SECRET)


def declared(entity: type[Entity]) -> Catalog:
    return Catalog({"realm": REALM, "app": (entity,), "sync": ENTITIES})


async def renamed(bench: Bench) -> Scope:
    """A store with a note, and then the revision that renames; by whom."""
    for entity in (Note, Memo):
        made = plan(bench.declared().values(), (s for s in declared(entity) if s.pack != "realm"))
        assert not made.post
        await bench.apply(made.pre)
        if entity is Note:
            scope = (await bench.world()).ann
            async with store_of(bench, Note).session(scope) as session:
                await session.put(Note(title="first"))
    return scope


async def only(bench: Bench, entity: Any, scope: Scope) -> Any:
    async with store_of(bench, entity).session(scope) as session:
        (row,) = (await session.select(entity)).items
    return row


async def test_old_and_new_code_see_one_row(bench: Bench) -> None:
    scope = await renamed(bench)
    row = await only(bench, Memo, scope)
    assert row.headline == "first"
    async with store_of(bench, Memo).session(scope) as session:
        await session.patch(Memo, row.id, {"headline": "second"})
    assert (await only(bench, Note, scope)).title == "second"
    async with store_of(bench, Note).session(scope) as session:
        await session.patch(Note, row.id, {"title": "third"})
    async with store_of(bench, Memo).session(scope) as session:
        found = await session.select(Memo, {"headline": "third"}, sort="-headline")
    assert [memo.id for memo in found.items] == [row.id]
    assert await bench.findings() == ()


async def test_the_log_and_the_history_keep_the_first_names(bench: Bench) -> None:
    scope = await renamed(bench)
    row = await only(bench, Memo, scope)
    async with store_of(bench, Memo).session(scope) as session:
        await session.patch(Memo, row.id, {"headline": "second"})
    async with store_of(bench, Memo).session(scope) as session:
        await session.delete(Memo, row.id)
    schema = declared(Memo).schema(Memo)
    async with bench.engine.begin(scope, read_only=True) as tx:
        created, updated, deleted = await tx.read_changes(0, limit=10)
        history = await tx.read_history(schema, row.id)
        (grave,) = await tx.find_tombstones(schema, [row.id])
    assert {change.entity for change in (created, updated, deleted)} == {"app.notes"}
    assert grave.entity == "app.notes"
    assert updated.fields == ("title",)
    assert [old.value for old in history if old.field == "title"] == [b'"first"', b'"second"']
    salt = _salt(history)
    assert updated.commitment == commitment(salt, 2, {"title": value_hash("second")})
    assert deleted.op is Operation.DELETE


def _salt(history: Any) -> bytes:
    import base64

    (kept,) = (old.value for old in history if old.field == "commit_salt")
    return base64.b64decode(orjson.loads(kept))


def hub_of(bench: Bench, entity: type[Entity]) -> Hub:
    async def members(_: UUID, users: Any) -> frozenset[UUID]:
        return frozenset(users)

    async def epoch() -> UUID:
        return UUID(int=1)

    return Hub(store_of(bench, entity), secret=SECRET, epoch=epoch, members=members)


async def pulled(hub: Hub, caller: Caller, cursor: int | None = None, **more: Any) -> Any:
    pieces = [piece async for piece in await hub.pull(caller, PullRequest(cursor, **more))]
    return orjson.loads(b"".join(pieces))


def caller_of(scope: Scope) -> Caller:
    return Caller.of(scope, device="phone", session_id=None)


async def test_an_old_device_goes_on_with_its_columns(bench: Bench) -> None:
    scope = await renamed(bench)
    hub, phone = hub_of(bench, Memo), caller_of(scope)
    answer = await pulled(hub, phone)
    (row,) = answer["changes"]["notes"]["updated"]
    assert row["title"] == "first"
    edited = {**row, "title": "by the phone", "_changed": "title"}
    tables = {"notes": TableChanges([], [edited], [])}
    told = await hub.push(phone, PushRequest(answer["timestamp"], tables))
    assert told["accepted"] == 1
    assert (await only(bench, Memo, scope)).headline == "by the phone"
    # Meanwhile somebody else writes the same field: the device's later push meets it.
    async with store_of(bench, Memo).session(scope) as session:
        await session.patch(Memo, (await only(bench, Memo, scope)).id, {"headline": "by new code"})
    edited = {**row, "title": "too late", "_changed": "title"}
    told = await hub.push(phone, PushRequest(answer["timestamp"], {"notes": TableChanges([], [edited], [])}))
    (conflict,) = told["conflicts"]
    assert conflict["table"] == "notes"
    assert set(conflict["fields"]) == {"title"}
    (listed,), _ = await Inbox(hub.store).listed(scope, state="all")
    assert set(listed["fields"]) == {"headline"}
    assert listed["table"] == "memos"
    assert listed["fields"]["headline"]["theirs"] == "by new code"
    again = await pulled(hub, phone, answer["timestamp"], migration=Migration((), {"notes": ("title",)}))
    assert again["changes"]["notes"]["updated"][0]["title"]


class Heir(Entity, table="notes", policies=(Owned(), Synced())):
    user_id: UUID | None = None
    title: Annotated[str, Was("text")] = ""


async def test_a_field_does_not_inherit_from_the_column_that_had_its_name(bench: Bench) -> None:
    await bench.apply(plan(bench.declared().values(), (s for s in declared(Note) if s.pack != "realm")).pre)
    scope = (await bench.world()).ann
    async with store_of(bench, Note).session(scope) as session:
        await session.put(Note(title="first", text="a text"))
    phone = caller_of(scope)
    cursor = (await pulled(hub_of(bench, Note), phone))["timestamp"]
    async with store_of(bench, Note).session(scope) as session:
        await session.patch(Note, (await only(bench, Note, scope)).id, {"title": "second"})
    steps = plan(bench.declared().values(), (s for s in declared(Heir) if s.pack != "realm"))
    await bench.apply([*steps.pre, *steps.post])
    # The phone edits the text, and nobody else has: the title that was edited is another column.
    hub = hub_of(bench, Heir)
    answer = await pulled(hub, phone, cursor)
    (row,) = answer["changes"]["notes"]["updated"]
    edited = {**row, "text": "by the phone", "_changed": "text"}
    told = await hub.push(phone, PushRequest(answer["timestamp"], {"notes": TableChanges([], [edited], [])}))
    assert (told["accepted"], told["conflicts"]) == (1, [])
    assert (await only(bench, Heir, scope)).title == "by the phone"
