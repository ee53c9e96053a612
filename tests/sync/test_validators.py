"""What an entity's own validators make of a pushed value: the device hears of it, and what no field takes is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from pydantic import StringConstraints, field_validator

from holdfast import Entity, MaxLength, Pack, Shared, Synced
from tests.api_platform import Deployment, app_of
from tests.sync.device import Device, Row, created, edited, new_row_id, stored_row

Trimmed = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True)]


class Note(Entity, table="notes", policies=(Shared(), Synced())):
    """Its validators change what they are given."""

    title: Annotated[str, MaxLength(4)] = ""
    address: Trimmed = ""
    count: int = 0
    plain: str = ""
    label: str = ""
    filled: str | None = None

    @field_validator("title")
    @classmethod
    def _in_capitals(cls, title: str) -> str:
        return title.upper()

    @field_validator("count")
    @classmethod
    def _at_most_ten(cls, count: int) -> int:
        return min(count, 10)

    @field_validator("label")
    @classmethod
    def _is_lost(cls, label: str) -> Any:
        return None if label == "nothing" else label

    @field_validator("filled")
    @classmethod
    def _is_filled(cls, filled: str | None) -> str:
        return filled or "filled"


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    made = Deployment(packs=(Pack("own", (Note,)),))
    await made.found("ada")
    yield made
    await made.aclose()


@pytest.fixture
async def phone(deployment: Deployment) -> AsyncIterator[Device]:
    one = Device(app_of(deployment), deployment.tokens["ada"], "phone")
    yield one
    await one.client.aclose()


def note(**fields: Any) -> Row:
    return {"id": new_row_id(), "title": "A", "plain": "as it is", **fields}


SENT: list[tuple[str, Any, Any]] = [
    ("title", "b", "B"),
    ("address", " A@B.C ", "a@b.c"),
    ("count", 99, 10),
    ("filled", None, "filled"),
]


@pytest.mark.parametrize(("name", "sent", "stands"), SENT)
async def test_a_value_that_a_validator_changes_comes_back(
    phone: Device, deployment: Deployment, name: str, sent: Any, stands: Any
) -> None:
    one = note(**{name: sent})
    await phone.sync(notes=created(one))
    assert (await phone.pull())["notes"]["updated"][0][name] == stands
    assert await phone.pull() == {}
    await phone.push(notes=[edited(phone.rows["notes"][one["id"]], plain="by hand", **{name: sent})])
    assert phone.rows["notes"][one["id"]][name] == sent
    assert (await phone.pull())["notes"]["updated"][0][name] == stands
    await phone.push(notes=[edited(phone.rows["notes"][one["id"]], **{name: sent})])
    assert (await phone.pull())["notes"]["updated"][0][name] == stands
    assert await phone.pull() == {}
    assert await phone.conflicts() == []


async def test_a_value_that_a_validator_leaves_alone_does_not_come_back(phone: Device) -> None:
    await phone.sync(notes=created(note(address="a@b.c", count=3, filled="here")))
    assert await phone.pull() == {}


@pytest.mark.parametrize(("name", "sent"), [("title", "ßßß"), ("label", "nothing")])
async def test_what_a_validator_makes_and_its_field_does_not_take_is_refused_alone(
    phone: Device, deployment: Deployment, name: str, sent: str
) -> None:
    good, bad = note(), note(**{name: sent})
    await phone.pull()
    assert (await phone.push(notes=created(good, bad)))["accepted"] == 2
    stored = await stored_row(deployment, "own.notes", bad["id"])
    assert stored is not None
    assert (stored[name], stored["plain"]) == ("", "as it is")
    (conflict,) = await phone.conflicts()
    assert conflict["reason"] == "invalid"
    assert conflict["fields"][name]["mine"] == sent
    assert (await phone.pull())["notes"]["updated"][0][name] == ""

    await phone.push(notes=[edited(good, **{name: sent, "plain": "by hand"})])
    stored = await stored_row(deployment, "own.notes", good["id"])
    assert stored is not None
    assert (stored[name], stored["plain"]) == ("A" if name == "title" else "", "by hand")
    assert len(await phone.conflicts()) == 2
