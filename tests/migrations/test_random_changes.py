"""Random declarations and random changes of them: the steps from A to B, applied to A, are B; and back again they are A."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, JsonValue

from holdfast.model.entity import Entity
from holdfast.model.markers import Digits, MaxLength, Was
from holdfast.model.policies import Index, Policy, Shared, Unique
from holdfast.testing.conformance import Harness
from tests.migrations.bench import ENGINES, Bench, bench_on, catalog, of_app
from tests.unit.model.declaring import declare

FAMILIES: dict[str, tuple[Any, ...]] = {
    "text": (
        str,
        Annotated[str, MaxLength(10)],
        Annotated[str, MaxLength(20)],
        Literal["a", "b"],
        Literal["a", "b", "c"],
        Literal["c", "a"],
    ),
    "integer": (int, Annotated[int, Field(ge=0, le=5)], Annotated[int, Field(ge=1, le=9)]),
    "decimal": (Annotated[Decimal, Digits(8, 2)], Annotated[Decimal, Digits(12, 2)]),
    "boolean": (bool,),
    "date": (date,),
    "json": (dict[str, JsonValue],),
}
VALUES: dict[str, Any] = {
    "text": "a",
    "integer": 3,
    "decimal": Decimal("1.50"),
    "boolean": True,
    "date": date(2026, 1, 31),
    "json": {"k": [1]},
}


@dataclass(frozen=True)
class Declared:
    """A field: where it is stored, what it is called, of which family and which member of it."""

    column: str
    name: str
    family: str
    member: int
    nullable: bool
    indexed: bool
    unique: bool

    def annotation(self) -> tuple[Any, Any]:
        kinds = FAMILIES[self.family]
        kind = kinds[self.member % len(kinds)]
        if self.name != self.column:
            kind = Annotated[kind, Was(self.column)]
        return (kind | None, None) if self.nullable else (kind, VALUES[self.family])


def entity_of(fields: list[Declared]) -> type[Entity]:
    policies: list[Policy] = [Shared()]
    policies += [Index(f.name) for f in fields if f.indexed and f.family != "json"]
    policies += [Unique(f.name) for f in fields if f.unique and f.family in {"integer", "text"}]
    return declare(*policies, table="things", **{f.name: f.annotation() for f in fields})


@st.composite
def fields_of(draw: st.DrawFn, column: str) -> Declared:
    return Declared(
        column,
        column,
        draw(st.sampled_from(sorted(FAMILIES))),
        draw(st.integers(0, 5)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.integers(0, 4)) == 0,
    )


@st.composite
def changed(draw: st.DrawFn, before: list[Declared], number: int) -> list[Declared]:
    """What becomes of a declaration: fields go, come, move, are renamed, widened, narrowed, indexed."""
    after = []
    for each in before:
        what = draw(st.sampled_from(["stay", "go", "rename", "retype", "optional", "index", "unique"]))
        match what:
            case "go":
                continue
            case "rename":
                after.append(replace(each, name=f"{each.column}_r{number}"))
            case "retype":
                after.append(replace(each, member=draw(st.integers(0, 5))))
            case "optional" if each.column.startswith("f"):  # the row holds nothing in those that came later
                after.append(replace(each, nullable=not each.nullable))
            case "index":
                after.append(replace(each, indexed=not each.indexed))
            case "unique":
                after.append(replace(each, unique=not each.unique))
            case _:
                after.append(each)
    after += [draw(fields_of(f"n{number}_{place}")) for place in range(draw(st.integers(0, 2)))]
    return draw(st.permutations(after))


@st.composite
def lives(draw: st.DrawFn) -> list[list[Declared]]:
    first = [draw(fields_of(f"f{place}")) for place in range(draw(st.integers(1, 4)))]
    life = [first]
    for number in range(draw(st.integers(1, 2))):
        life.append(draw(changed(life[-1], number)))
    return life


async def live(harness: Harness, life: list[list[Declared]]) -> None:
    entities = [entity_of(fields) for fields in life]
    async with bench_on(harness) as bench:
        await bench.become(entities[0])
        scope = (await bench.world()).ann
        row = entities[0](**{f.name: VALUES[f.family] for f in life[0]})
        async with bench.store(entities[0]).session(scope) as session:
            await session.put(row)
        marks = []
        for after, entity in zip(life[1:], entities[1:], strict=True):
            marks.append(len(bench.revisions))
            await bench.become(entity)
            assert bench.declared()["app.things"] == of_app(catalog(entity))[0]
            await stands(bench, entity, after, row.id, scope)
        for fields, entity, mark in zip(life[-2::-1], entities[-2::-1], marks[::-1], strict=True):
            while len(bench.revisions) > mark:
                await bench.take_back()
            await stands(bench, entity, fields, row.id, scope)
        async with bench.store(entities[0]).session(scope) as session:
            kept = await session.get(entities[0], row.id)
        assert {f.name: getattr(kept, f.name) for f in life[0]} == {f.name: VALUES[f.family] for f in life[0]}


async def stands(bench: Bench, entity: type[Entity], fields: list[Declared], row_id: Any, scope: Any) -> None:
    """It is as declared, holds what it held, and can be written."""
    assert await bench.findings() == ()
    async with bench.store(entity).session(scope) as session:
        found = await session.get(entity, row_id)
    for field in fields:
        value = getattr(found, field.name)
        assert value == VALUES[field.family] or (field.nullable and field.column.startswith("n"))
    if any(field.unique and not field.nullable for field in fields):
        return  # another row would hold the same
    async with bench.store(entity).session(scope) as session:
        other = entity()
        await session.put(other)
    async with bench.store(entity).session(scope) as session:
        await session.delete(entity, other.id)


def run(request: pytest.FixtureRequest, engine: str, examples: int) -> None:
    harness: Callable[[], Harness] = lambda: ENGINES[engine](request)  # noqa: E731
    made = harness()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(lives())
    def change(life: list[list[Declared]]) -> None:
        asyncio.run(live(made, life))

    change()


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_what_random_changes_lead_to_is_what_is_declared(request: pytest.FixtureRequest, engine: str) -> None:
    run(request, engine, 100 if engine == "memory" else 15)
