"""The check of sync: two throw-away devices of a throw-away person meet through the hub."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import orjson

from holdfast.errors import CursorExpired
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import encode_wire_row, spell_id
from holdfast.runtime._guests import Guest, Guests
from holdfast.runtime._samples import Sample, tried
from holdfast.runtime._verify_rows import named, why_not
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import NotChecked, must
from holdfast.sync.caller import Caller
from holdfast.sync.requests import PullRequest, PushRequest, TableChanges


async def check_devices(platform: Platform, guests: Guests) -> str:
    """One device makes a row, the other gets it and deletes it; nobody else's cursor is taken. Of one entity whose rows are
    their owner's, and of one whose rows are shared.
    """
    samples, reasons = tried(platform.catalog, guests.one.user_id, synced=True)
    usable: dict[str, Sample] = {}
    for sample in samples:
        held = [f.name for f in sample.schema.fields if f.required and f.server_set]
        if held:
            reasons[sample.schema.name] = f"no device can set {held[0]}"
        else:
            usable.setdefault(sample.schema.visibility, sample)
    if not usable:
        raise NotChecked(why_not(reasons, "no enabled pack has a synced entity"))
    cursor = 0
    for sample in usable.values():
        cursor = await _meet(platform, guests, sample)
    await _refuse_foreign(platform, guests, cursor)
    seen = named(list(usable.values()))
    return f"{seen}: made on one device, seen and deleted on another, gone from the first; a foreign cursor refused"


async def _meet(platform: Platform, guests: Guests, sample: Sample) -> int:
    """Two devices and a row; returns the last cursor."""
    schema, row = sample.schema, sample.row
    async with platform.store.session(guests.one.scope()) as session:
        for parent in sample.parents:
            await session.put(parent)
    phone, tablet = _device(guests.one, "phone"), _device(guests.one, "tablet")
    empty = await _pull(platform, phone, None)
    start = await _pull(platform, tablet, None)
    columns = {field.column for field in schema.pushed_fields}
    values = {**_plain(platform, schema, row), "id": spell_id(row.id)}
    sent = {name: value for name, value in values.items() if name in columns or name == "id"}
    answer = await _push(platform, phone, empty["timestamp"], schema, TableChanges([sent], [], []))
    must(
        answer["accepted"] == 1 and not answer["rejected"],
        f"{schema.name}: a new row was not taken{_reasons(answer)}",
    )
    got = await _pull(platform, tablet, start["timestamp"])
    must(_ids(got, schema) == [sent["id"]], f"{schema.name}: the other device did not get the new row")
    again = await _pull(platform, phone, empty["timestamp"])
    must(
        _ids(again, schema) in ([], [sent["id"]]), f"{schema.name}: the device got rows that are not its own"
    )
    await _push(platform, tablet, got["timestamp"], schema, TableChanges([], [], [sent["id"]]))
    last = await _pull(platform, phone, again["timestamp"])
    gone = last["changes"].get(schema.relation, {}).get("deleted", [])
    must(gone == [sent["id"]], f"{schema.name}: the delete did not reach the first device")
    cursor: int = last["timestamp"]
    return cursor


def _reasons(answer: dict[str, Any]) -> str:
    """The codes of what was rejected."""
    codes = sorted({str(item.get("code")) for item in answer["rejected"] if isinstance(item, dict)})
    return f" ({', '.join(codes)})" if codes else ""


def _device(guest: Guest, name: str) -> Caller:
    return Caller.of(guest.scope(), device=f"verify-{name}-{uuid4().hex[:8]}", session_id=None)


async def _pull(platform: Platform, caller: Caller, cursor: int | None) -> dict[str, Any]:
    pieces = [piece async for piece in await platform.hub.pull(caller, PullRequest(cursor))]
    answer: dict[str, Any] = orjson.loads(b"".join(pieces))
    return answer


async def _push(
    platform: Platform, caller: Caller, cursor: int, schema: EntitySchema, changes: TableChanges
) -> dict[str, Any]:
    return await platform.hub.push(caller, PushRequest(cursor, {schema.relation: changes}))


def _plain(platform: Platform, schema: EntitySchema, row: Any) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in schema.by_name}
    moment = platform.store.clock()
    return dict(encode_wire_row(schema, {**values, "created_at": moment, "updated_at": moment}))


def _ids(answer: dict[str, Any], schema: EntitySchema) -> list[str]:
    return [row["id"] for row in answer["changes"].get(schema.relation, {}).get("updated", [])]


async def _refuse_foreign(platform: Platform, guests: Guests, cursor: int) -> None:
    try:
        await _pull(platform, _device(guests.other, "phone"), cursor)
    except CursorExpired:
        return
    must(False, "another person's cursor was taken")
