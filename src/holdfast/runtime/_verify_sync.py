"""The check of sync: two throw-away devices of a throw-away person meet through the hub."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson

from holdfast.errors import CursorExpired
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import encode_wire_row, spell_id
from holdfast.runtime._guests import Guest, Guests
from holdfast.runtime._samples import sample_entity, sample_row
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import NotChecked, must
from holdfast.sync.caller import Caller
from holdfast.sync.requests import PullRequest, PushRequest, TableChanges


async def check_devices(platform: Platform, guests: Guests) -> str:
    """One device makes a row, the other gets it, edits and deletes it; nobody else's cursor is taken."""
    schema = sample_entity(platform.catalog, visibility="owned", synced=True)
    if schema is None:
        raise NotChecked("no synced entity stands alone")
    phone, tablet = _device(guests.one, "phone"), _device(guests.one, "tablet")
    empty = await _pull(platform, phone, None)
    await _pull(platform, tablet, None)
    row = sample_row(platform.catalog, schema, guests.one.user_id)
    columns = {field.name for field in schema.pushed_fields}
    values = {**_plain(platform, schema, row), "id": spell_id(row.id)}
    sent = {name: value for name, value in values.items() if name in columns or name == "id"}
    answer = await _push(platform, phone, empty["timestamp"], schema, TableChanges([sent], [], []))
    must(answer["accepted"] == 1 and not answer["rejected"], "a new row was not taken")
    got = await _pull(platform, tablet, empty["timestamp"])
    must(_ids(got, schema) == [sent["id"]], "the other device did not get the new row")
    again = await _pull(platform, phone, empty["timestamp"])
    must(
        not _ids(again, schema) or _ids(again, schema) == [sent["id"]],
        "the device got rows that are not its own",
    )
    await _push(platform, tablet, got["timestamp"], schema, TableChanges([], [], [sent["id"]]))
    last = await _pull(platform, phone, again["timestamp"])
    gone = last["changes"].get(schema.table, {}).get("deleted", [])
    must(gone == [sent["id"]], "the delete did not reach the first device")
    await _refuse_foreign(platform, guests, last["timestamp"])
    return f"{schema.name}: made on one device, seen and deleted on another, gone from the first; a foreign cursor refused"


def _device(guest: Guest, name: str) -> Caller:
    return Caller.of(guest.scope(), device=f"verify-{name}-{uuid4().hex[:8]}", session_id=None)


async def _pull(platform: Platform, caller: Caller, cursor: int | None) -> dict[str, Any]:
    pieces = [piece async for piece in await platform.hub.pull(caller, PullRequest(cursor))]
    answer: dict[str, Any] = orjson.loads(b"".join(pieces))
    return answer


async def _push(
    platform: Platform, caller: Caller, cursor: int, schema: EntitySchema, changes: TableChanges
) -> dict[str, Any]:
    return await platform.hub.push(caller, PushRequest(cursor, {schema.table: changes}))


def _plain(platform: Platform, schema: EntitySchema, row: Any) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in schema.by_name}
    moment = platform.store.clock()
    return dict(encode_wire_row(schema, {**values, "created_at": moment, "updated_at": moment}))


def _ids(answer: dict[str, Any], schema: EntitySchema) -> list[str]:
    return [row["id"] for row in answer["changes"].get(schema.table, {}).get("updated", [])]


async def _refuse_foreign(platform: Platform, guests: Guests, cursor: int) -> None:
    try:
        await _pull(platform, _device(guests.other, "phone"), cursor)
    except CursorExpired:
        return
    must(False, "another person's cursor was taken")
