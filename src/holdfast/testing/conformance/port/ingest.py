"""Bulk ingestion of unjournaled rows: all of them or none, within the scope, and without a change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast.engines.port import Capability, Row
from holdfast.errors import Conflict, HoldfastError, NotSupported
from holdfast.model.entity import Entity
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import START
from holdfast.testing.conformance.base import EngineTests, needs
from holdfast.testing.conformance.entities import Reading, Step
from holdfast.testing.conformance.world import World


async def _refused(world: World) -> None:
    with pytest.raises(NotSupported):
        await _ingest(world, world.ann, _reading())


needs_ingest = needs(Capability.INGEST, _refused)


class IngestTests(EngineTests):
    """A firehose."""

    @needs_ingest
    async def test_ingested_rows_are_there(self, world: World) -> None:
        rows = await _ingest(world, world.ann, *(_reading(turn) for turn in range(500)))
        found = await world.query(world.bob, Reading, sort="sensor", limit=1_000)
        assert sorted(row["value"] for row in found) == sorted(row["value"] for row in rows)
        assert await world.get(world.bob, Reading, rows[7]["id"]) == rows[7]

    @needs_ingest
    async def test_ingestion_leaves_the_log_alone(self, world: World) -> None:
        await _ingest(world, world.ann, _reading())
        assert await world.head(world.ann) == 0
        assert await world.changes(world.ann) == []

    @needs_ingest
    async def test_ingestion_waits_for_no_counter(self, world: World) -> None:
        async with world.engine.begin(world.ann) as tx:
            await tx.lock()
            await _ingest(world, world.ann, _reading())
        assert len(await world.query(world.ann, Reading)) == 1

    @needs_ingest
    async def test_ingested_rows_are_the_tenants_alone(self, world: World) -> None:
        (row,) = await _ingest(world, world.ann, _reading())
        assert await world.peek(world.ann, Reading, row["id"]) is not None
        assert await world.query(world.cleo, Reading) == []

    @needs_ingest
    async def test_ingested_rows_are_their_owners_alone(self, world: World) -> None:
        (row,) = await _ingest(world, world.ann, Step(taken_at=START, count=3))
        assert await world.query(world.ann, Step) == [row]
        assert await world.query(world.bob, Step) == []
        assert await world.query(world.everyone, Step) == [row]

    @needs_ingest
    async def test_nobody_ingests_in_another_persons_name(self, world: World) -> None:
        step = Step(taken_at=START, count=3, user_id=world.bob.user_id)
        with pytest.raises(HoldfastError):
            await _ingest(world, world.ann, Step(taken_at=START, count=1), step)
        assert await world.query(world.everyone, Step) == []

    @needs_ingest
    async def test_an_id_that_is_taken_stops_the_whole_batch(self, world: World) -> None:
        (row,) = await _ingest(world, world.ann, _reading(1))
        again = Reading(id=row["id"], sensor="again", taken_at=START, value=1.0)
        with pytest.raises(Conflict):
            await _ingest(world, world.ann, _reading(2), again)
        assert await world.query(world.ann, Reading) == [row]

    @needs_ingest
    async def test_an_id_that_comes_twice_stops_the_whole_batch(self, world: World) -> None:
        twice = _reading(1)
        with pytest.raises(Conflict):
            await _ingest(world, world.ann, twice, _reading(2), twice)
        assert await world.query(world.ann, Reading) == []

    @needs_ingest
    async def test_an_owner_who_is_no_member_stops_the_whole_batch(self, world: World) -> None:
        with pytest.raises(HoldfastError):
            await _ingest(world, world.everyone, Step(taken_at=START, count=3, user_id=world.cleo.user_id))
        assert await world.query(world.everyone, Step) == []

    @needs_ingest
    async def test_nothing_is_ingested_where_there_is_nothing(self, world: World) -> None:
        await world.engine.ingest(world.ann, world.schema(Reading), [])
        assert await world.query(world.ann, Reading) == []


def _reading(turn: int = 0) -> Reading:
    return Reading(sensor=f"s{turn % 3}", taken_at=START + timedelta(seconds=turn), value=turn / 8)


async def _ingest(world: World, scope: Scope, *entities: Entity) -> list[Row]:
    rows = [world.row(scope, entity) for entity in entities]
    await world.engine.ingest(scope, world.schema(type(entities[0])), rows)
    return rows
