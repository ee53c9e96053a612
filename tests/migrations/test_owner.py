"""From the first step on, code that declares an owner shows nobody another's rows, though the policies are not changed yet."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest

from holdfast.engines.port import Capability, GetPlan, ListPlan
from holdfast.errors import NotFound
from holdfast.model.entity import Entity
from holdfast.model.policies import Owned, Shared
from tests.migrations.bench import Bench


class Open(Entity, table="things", policies=(Shared(),)):
    title: str
    user_id: UUID | None = None


class Mine(Entity, table="things", policies=(Owned(by="user_id"),)):
    title: str
    user_id: UUID | None = None


async def test_a_row_is_its_owners_before_the_policies_are(bench: Bench) -> None:
    await bench.become(Open)
    world = await bench.world()
    ann, bob = world.ann, world.bob
    row = Open(title="ann's", user_id=ann.user_id)
    async with bench.store(Open).session(ann) as session:
        await session.put(row)
    made = bench.plan(Mine)
    if made.pre:
        await bench.apply(made.pre)
    store = bench.store(Mine)
    schema = store.catalog.schema(Mine)
    async with store.session(ann) as session:
        assert (await session.get(Mine, row.id)).title == "ann's"
    async with store.session(bob) as session:
        assert (await session.select(Mine)).items == []
        with pytest.raises(NotFound):
            await session.get(Mine, row.id)
    for act in ("patch", "delete"):
        given: Any = ({"title": "bob's"},) if act == "patch" else ()
        with pytest.raises(NotFound):
            async with store.session(bob) as session:
                await getattr(session, act)(Mine, row.id, *given)
    if Capability.PLANS in bench.engine.capabilities:
        assert await bench.engine.run(bob, GetPlan(schema, row.id)) is None
        page = await bench.engine.run(bob, ListPlan(schema, limit=10, after=None))
        assert orjson.loads(b"[%b]" % page.json) == []
        assert await bench.engine.run(ann, GetPlan(schema, row.id)) is not None
    await bench.apply(made.post)
    assert await bench.findings() == ()
    async with store.session(ann) as session:
        assert (await session.get(Mine, row.id)).title == "ann's"
