"""Histories that were not sound once, each as short as it could be made."""

from __future__ import annotations

import asyncio
import copy

import pytest

from holdfast.sync.caller import Caller
from holdfast.testing.conformance import Harness, first_revision
from holdfast.testing.memory import MemoryHarness
from tests.conformance.sqlite import SqliteHarness
from tests.property.sync_entities import CATALOG
from tests.property.sync_histories import Local, Reinstall, Resend, Rest, Server, Step, Sync, carry_out
from tests.property.sync_mutants import BOBS, HITS, LAPTOP, MINE, NAME, PHONE, TABLET, TAGS, edit, rest
from tests.property.sync_world import World

HISTORIES: dict[str, tuple[Step, ...]] = {
    "pages tell of what no device has pushed": (rest(NAME), rest(NAME, pick=1), Sync(LAPTOP)),
    "a first pull in pages after a collection": (
        Rest("ann", "delete"),
        *(Sync(rig) for rig in (PHONE, TABLET, BOBS, LAPTOP) * 2),
        Server("collect"),
        Reinstall(LAPTOP),
        Sync(LAPTOP),
    ),
    "a first pull in pages of a device that was set up anew": (
        Local(LAPTOP, "create", choices=(NAME,)),
        Local(LAPTOP, "create", "notes", choices=((0, 0),)),
        Sync(LAPTOP),
        Local(LAPTOP, "create", choices=(NAME,)),
        Sync(LAPTOP),
        Reinstall(LAPTOP),
    ),
    "two count to the same number": (edit(PHONE, HITS), edit(BOBS, HITS), Sync(BOBS), Sync(PHONE)),
    "a sum whose answer is lost": (
        edit(PHONE, HITS),
        edit(BOBS, (5, 1)),
        Sync(BOBS),
        Sync(PHONE, lose="ack"),
        Sync(PHONE),
    ),
    "counting on while a sum is under way": (
        edit(PHONE, HITS),
        edit(BOBS, (5, 1)),
        Sync(BOBS),
        Sync(PHONE, at=(("answered", (edit(PHONE, HITS),)),)),
    ),
    "a union whose answer is lost": (
        edit(PHONE, TAGS),
        edit(BOBS, TAGS),
        Sync(BOBS),
        Sync(PHONE, lose="ack"),
        Sync(PHONE),
    ),
    "an old push comes after a newer one": (
        edit(PHONE, NAME),
        Sync(PHONE),
        edit(PHONE, NAME),
        Sync(PHONE),
        Resend(PHONE, 0),
    ),
    "an old push lists more than was edited": (
        edit(PHONE, NAME),
        Sync(PHONE, at=(("answered", (edit(PHONE, MINE),)),)),
        rest(NAME),
        Sync(PHONE),
        Sync(PHONE),
        Resend(PHONE, 1),
    ),
    "an old delete comes after the row was made anew": (
        Local(PHONE, "remove"),
        Sync(PHONE),
        Sync(BOBS),
        Local(BOBS, "again", choices=(NAME,)),
        Sync(BOBS),
        Resend(PHONE, 0),
    ),
    "an old delete comes after an edit has won": (
        Local(PHONE, "remove"),
        rest(NAME),
        Sync(PHONE),
        Sync(PHONE),
        Resend(PHONE, 0),
    ),
}


@pytest.mark.parametrize("harness", [MemoryHarness(), SqliteHarness()], ids=["memory", "sqlite"])
@pytest.mark.parametrize("name", HISTORIES)
def test_it_is_sound(name: str, harness: Harness) -> None:
    async def play() -> None:
        engine = await harness.make_engine(first_revision(CATALOG))
        await carry_out(World(harness, engine, 1), HISTORIES[name])
        await harness.close(engine)

    asyncio.run(play())


def test_a_device_that_is_restored_from_its_own_backup() -> None:
    async def play() -> None:
        engine = await MemoryHarness().make_engine(first_revision(CATALOG))
        world = World(MemoryHarness(), engine, 1)
        await world.begin()
        rig = world.rigs[PHONE]
        before = copy.deepcopy(rig.client)
        for _ in range(2):
            await edit(PHONE, NAME).apply(world)
            await Local(PHONE, "create", "notes", choices=((0, 0),)).apply(world)
            await Local(PHONE, "remove", "cards", 1).apply(world)
            await world.sync(rig)
        rig.client, rig.cursor = before, 0
        await world.finish()

    asyncio.run(play())


def test_two_requests_of_a_device_that_nobody_knows_yet() -> None:
    async def play() -> None:
        engine = await MemoryHarness().make_engine(first_revision(CATALOG))
        world = World(MemoryHarness(), engine, 1)
        await world.begin()
        rig = world.rigs[PHONE]
        rig.caller = Caller.of(world.scope("ann"), device="another", session_id=None)
        rig.client.reset()
        request = rig.client.begin().pull_request()
        world.gate.pause = True
        first, second = await asyncio.gather(*(world.pull(rig, request) for _ in range(2)))
        assert first == second

    asyncio.run(play())
