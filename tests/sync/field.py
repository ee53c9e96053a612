"""A pack with every way of merging, of referring and of being visible, and a deployment that has it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, JsonValue, field_validator

from holdfast import (
    Digits,
    Entity,
    MaxLength,
    Member,
    Merge,
    Owned,
    Pack,
    Ref,
    Shared,
    Synced,
    Unique,
)
from holdfast.identity.principal import Role
from holdfast.packs.finance import PACK as FINANCE
from tests.api_platform import LAB, Deployment


class Job(Entity, table="jobs", policies=(Shared(), Synced())):
    """One field for each rule."""

    title: Annotated[str, MaxLength(40)]
    note: Annotated[str, Merge("server")] | None = None
    badge: Annotated[str, Merge("device")] | None = None
    high: Annotated[int, Merge("max")] | None = None
    low: Annotated[int, Merge("min")] | None = None
    hours: Annotated[int, Merge("counter"), Field(ge=0, le=1_000)] = 0
    cost: Annotated[Decimal, Digits(7, 2), Merge("counter")] | None = None
    tags: Annotated[list[JsonValue], Merge("union")] = Field(default_factory=list)
    facts: Annotated[dict[str, JsonValue], Merge("union")] = Field(default_factory=dict)
    ruling: Annotated[str, Merge("manual")] | None = None
    rank: Annotated[int, Field(ge=1, le=5)] | None = None
    parent_id: Annotated[UUID, Ref("jobs", on_delete="set_null")] | None = None

    @field_validator("title")
    @classmethod
    def _not_bare(cls, title: str) -> str:
        if title == "forbidden":
            raise ValueError("is no title")
        return title


class Keepsake(Entity, table="keepsakes", policies=(Shared(), Synced(against_edit="edit_wins"))):
    """What an edit brings back."""

    name: Annotated[str, MaxLength(40)]
    colour: str | None = None


class Step(Entity, table="steps", policies=(Shared(), Synced())):
    """Goes with its job."""

    job_id: Annotated[UUID, Ref("jobs", on_delete="cascade")]
    name: str = ""


class Hold(Entity, table="holds", policies=(Shared(), Synced())):
    """Keeps its job from being deleted."""

    job_id: Annotated[UUID, Ref("jobs", on_delete="restrict")]


class Wage(Entity, table="wages", policies=(Shared(read="admin", write="admin"), Synced())):
    """Nobody below an administrator sees it."""

    amount: Annotated[Decimal, Digits(9, 2)]


class Label(
    Entity,
    table="labels",
    policies=(Owned(by="user_id"), Synced(), Unique("code"), Unique("user_id", when="is_main")),
):
    """Its code is nobody else's, and one of a person's is the main one."""

    user_id: UUID | None = None
    code: Annotated[str, MaxLength(20)] | None = None
    name: str = ""
    is_main: bool = False
    job_id: Annotated[UUID, Ref("jobs", on_delete="set_null")] | None = None
    about: Annotated[UUID, Member()] | None = None


FIELD = Pack("field", (Job, Keepsake, Step, Hold, Wage, Label))
PACKS = (FINANCE, LAB, FIELD)

Changes = Mapping[str, Mapping[str, Any]]


async def _inhabited() -> Deployment:
    made = Deployment(packs=PACKS)
    tenant = await made.found("ada")
    await made.join("ben", tenant=tenant, role=Role.MEMBER)
    await made.join("vic", tenant=tenant, role=Role.VIEWER)
    await made.join("eve")
    await made.aclose()
    return made


@cache
def _model() -> Deployment:
    with ThreadPoolExecutor(1) as aside:  # a test's own loop may be running
        return aside.submit(asyncio.run, _inhabited()).result()


def peopled() -> Deployment:
    """Ada's organisation with Ben, a member, and Vic, a viewer; Eve is in a tenant of her own."""
    return _model().copy()
