"""A field takes less than it did: what stands in the history from before is still read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

import pytest

from holdfast import Entity, MaxLength, Merge, Pack, Shared, Synced
from tests.api_platform import Deployment, app_of
from tests.sync.device import Device, Row, created, edited, new_row_id, stored_row


def _wide() -> type[Entity]:
    class Note(Entity, table="notes", policies=(Shared(), Synced())):
        colour: Literal["red", "green"] = "red"
        body: Annotated[str, Merge("manual")] = ""
        title: str = ""

    return Note


def _narrow() -> type[Entity]:
    class Note(Entity, table="notes", policies=(Shared(), Synced())):
        colour: Literal["green"] = "green"
        body: Annotated[str, MaxLength(20), Merge("manual")] = ""
        title: Annotated[str, MaxLength(20)] = ""

    return Note


LONG = "longer than the field that it stands in takes today"


class World:
    """One store, first with an entity's wide fields, then with narrow ones, and devices of one person."""

    def __init__(self, deployment: Deployment, closing: AsyncExitStack) -> None:
        self.deployment = deployment
        self._closing = closing
        self._devices: list[Device] = []

    def device(self, name: str) -> Device:
        one = self._connected(name)
        self._devices.append(one)
        return one

    def _connected(self, name: str) -> Device:
        one = Device(app_of(self.deployment), self.deployment.tokens["ada"], name)
        self._closing.push_async_callback(one.client.aclose)
        return one

    def narrow(self) -> None:
        """Deploy the narrow fields; the devices go on where they were."""
        later = Deployment(packs=(Pack("own", (_narrow(),)),))
        later.engine.data = self.deployment.engine.data
        later.people, later.tokens = self.deployment.people, self.deployment.tokens
        self._closing.push_async_callback(later.aclose)
        self.deployment = later
        for one in self._devices:
            one.client = self._connected(one.client.headers["x-holdfast-device"]).client

    async def stored(self, row: Row) -> Row:
        found = await stored_row(self.deployment, "own.notes", row["id"])
        assert found is not None
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as closing:
        deployment = Deployment(packs=(Pack("own", (_wide(),)),))
        closing.push_async_callback(deployment.aclose)
        await deployment.found("ada")
        yield World(deployment, closing)


def note(**fields: Any) -> Row:
    return {"id": new_row_id(), "colour": "red", "body": LONG, "title": LONG, **fields}


async def _moved_on(phone: Device, tablet: Device, *rows: Row) -> None:
    """The phone has the rows as they are, and the tablet has changed all of their fields."""
    await phone.sync(notes=created(*rows))
    await phone.pull()
    await phone.pull()
    await tablet.pull()
    after = {"colour": "green", "body": "second", "title": "second"}
    await tablet.push(notes=[edited(row, **after) for row in rows])


async def test_an_edit_rests_on_what_its_field_does_not_take_any_more(world: World) -> None:
    phone, tablet, one = world.device("phone"), world.device("tablet"), note()
    await _moved_on(phone, tablet, one)
    world.narrow()
    await phone.push(notes=[edited(one, body="by the phone", title="by the phone")])
    stored = await world.stored(one)
    assert (stored["colour"], stored["body"], stored["title"]) == ("green", "second", "by the phone")
    (conflict,) = await phone.conflicts()
    assert conflict["fields"]["body"] == {"mine": "by the phone", "theirs": "second", "base": LONG}
    assert conflict["fields"]["title"] == {"mine": "by the phone", "theirs": "second", "base": LONG}
    await phone.pull()
    assert phone.rows["notes"][one["id"]]["body"] == "second"


async def test_a_conflict_from_before_is_listed(world: World) -> None:
    phone, tablet, one = world.device("phone"), world.device("tablet"), note()
    await _moved_on(phone, tablet, one)
    await phone.push(notes=[edited(one, colour="red", body=f"{LONG}, by the phone", title="third")])
    world.narrow()
    (conflict,) = await phone.conflicts()
    assert conflict["fields"]["body"] == {"mine": f"{LONG}, by the phone", "theirs": "second", "base": LONG}
    answer = await phone.resolve(conflict["id"], take="mine")
    assert answer.status_code == 422
    assert (await phone.resolve(conflict["id"], take="theirs")).status_code == 200


async def test_what_was_not_edited_is_no_edit_though_its_field_does_not_take_it(world: World) -> None:
    """A row that comes without a list of what was edited holds fields that the device has from before."""
    phone, tablet, one = world.device("phone"), world.device("tablet"), note(title="first")
    await _moved_on(phone, tablet, one)
    world.narrow()
    told = await phone.push(notes=[{**one, "title": "by the phone"}])
    stored = await world.stored(one)
    assert (stored["colour"], stored["body"], stored["title"]) == ("green", "second", "by the phone")
    assert [c["fields"] for c in told["conflicts"]] == [{"title": "last_writer"}]
    await phone.pull()
    assert phone.rows["notes"][one["id"]]["body"] == "second"


async def test_a_create_whose_answer_was_lost_comes_again(world: World) -> None:
    phone, tablet, one = world.device("phone"), world.device("tablet"), note()
    await phone.pull()
    await phone.push(notes=created(one))
    await tablet.pull()
    await tablet.push(notes=[edited(one, colour="green", body="second", title="second")])
    world.narrow()
    for _ in range(2):
        await phone.push(notes=created(one))
        stored = await world.stored(one)
        assert (stored["colour"], stored["body"], stored["title"]) == ("green", "second", "second")
    assert await phone.conflicts(state="all") == []
    phone.cursor = None
    await phone.pull()
    await phone.push(notes=created({**one, "_changed": "title", "title": "by the phone"}))
    assert (await world.stored(one))["title"] == "by the phone"
