"""Rows to try things out with: made with what they must refer to, and changed whatever their fields are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from holdfast import Entity, Merge, Owned, Pack, Ref, Shared, Synced, Unique
from holdfast.packs.finance import PACK as FINANCE
from holdfast.runtime._samples import sample, tried
from holdfast.runtime.assembly import open_platform
from holdfast.runtime.checking import NotChecked
from holdfast.runtime.packs import catalog_of
from holdfast.runtime.settings import Settings
from holdfast.runtime.verify import verify_platform
from tests.unit.model.declaring import declare


class Book(Entity, table="books", policies=(Shared(), Synced(), Unique("title", "author"))):
    title: str
    author: str
    tags: Annotated[list[str], Merge("union")] = Field(default_factory=list)


class Reading(Entity, table="readings", policies=(Owned(), Synced(against_edit="edit_wins"))):
    user_id: UUID | None = None
    book_id: Annotated[UUID, Ref("books", on_delete="cascade")]
    pages: Annotated[int, Merge("counter")] = 0
    finished: date | None = None


class Shelf(Entity, table="shelves", policies=(Shared(), Unique("place"))):
    place: Annotated[int, Field(gt=0, le=9)]


class Standing(Entity, table="standings", policies=(Owned(), Synced(), Unique("user_id", "shelf_id"))):
    """Refers to two, one of which refers to nothing, and has nothing else."""

    user_id: UUID | None = None
    shelf_id: Annotated[UUID, Ref("shelves")]
    reading_id: Annotated[UUID, Ref("readings")]


class Chain(Entity, table="chains", policies=(Owned(),)):
    user_id: UUID | None = None
    before_id: Annotated[UUID, Ref("chains")]


BOOKS = Pack("app", (Book, Reading, Shelf, Standing, Chain))


def alone(settings: Settings) -> Settings:
    """Without the pack that is enabled by default."""
    return replace(settings, packs=())


async def test_an_ordinary_application_is_verified(memory: Settings) -> None:
    async with open_platform(alone(memory), packs=[BOOKS]) as platform:
        results = {result.name: result for result in await verify_platform(platform)}
    for name in ("round trip", "isolation of tenants", "isolation of owners", "sync", "nothing left behind"):
        assert results[name].outcome == "passed", results[name].evidence
    everyone = results["isolation of tenants"].evidence
    assert "app.books, app.readings, app.shelves, app.standings: found" in everyone
    assert "not tried: app.chains: each row needs another one before it, by before_id" in everyone
    assert "app.readings, app.standings: found" in results["isolation of owners"].evidence
    assert "app.books, app.readings: made on one device" in results["sync"].evidence


async def test_a_lone_owned_entity_with_a_required_reference_is_verified(memory: Settings) -> None:
    async with open_platform(alone(memory), packs=[Pack("app", (Book, Reading))]) as platform:
        results = {result.name: result for result in await verify_platform(platform)}
    assert "app.readings" in results["isolation of owners"].evidence
    assert results["isolation of owners"].outcome == "passed"


async def test_where_nothing_can_be_tried_the_reason_is_said(memory: Settings) -> None:
    async with open_platform(alone(memory), packs=[Pack("app", (Chain,))]) as platform:
        results = {result.name: result for result in await verify_platform(platform)}
    assert results["isolation of owners"].outcome == "not checked"
    assert results["isolation of owners"].evidence == (
        "app.chains: each row needs another one before it, by before_id"
    )
    assert results["sync"].evidence == "no enabled pack has a synced entity"


def test_every_entity_of_the_finance_pack_can_be_tried() -> None:
    samples, reasons = tried(catalog_of([FINANCE]), uuid4())
    assert not reasons
    assert {each.schema.table for each in samples} == {entity.table for entity in FINANCE.entities}
    transaction = next(each for each in samples if each.schema.table == "transactions")
    assert [type(row).table for row in transaction.rows] == ["financial_accounts", "transactions"]
    assert all(each.change is not None for each in samples)


@pytest.mark.parametrize("kind", [int, float, date, dict[str, Any], list[str], bool, bytes, UUID, str])
def test_a_field_of_any_type_is_changed(kind: Any) -> None:
    thing = declare(Shared(), thing=kind)
    catalog = catalog_of([Pack("app", (thing,))])
    found = sample(catalog, catalog.schema("app.things"), uuid4())
    assert found.change is not None
    name, value = found.change
    assert (name, value) != ("thing", getattr(found.row, "thing"))  # noqa: B009


def test_an_entitys_own_rules_are_told_where_they_take_nothing() -> None:
    thing = declare(Shared(), code=Annotated[str, Field(pattern="^nobody guesses this$")])
    catalog = catalog_of([Pack("app", (thing,))])
    with pytest.raises(NotChecked, match="its own rules take no plain value for code"):
        sample(catalog, catalog.schema("app.things"), uuid4())
