"""A small application to be attacked: something owned, something shared, a firehose, and the realm beneath them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from holdfast import Digits, Entity, Index, MaxLength, Owned, Ref, Shared, Unique, Unjournaled
from holdfast.model.policies import Realm


class Tenant(Entity, table="tenants", policies=(Realm(),)):
    name: str = "tenant"


class Membership(Entity, table="memberships", policies=(Realm(), Unique("tenant_id", "user_id"))):
    tenant_id: Annotated[UUID, Ref("tenants")]
    user_id: UUID


class Folder(Entity, table="folders", policies=(Owned(), Index("label"), Unique("label"))):
    user_id: UUID | None = None
    label: Annotated[str, MaxLength(100)]


class Paper(Entity, table="papers", policies=(Owned(), Index("rank"), Unique("folder_id", when="is_cover"))):
    user_id: UUID | None = None
    folder_id: Annotated[UUID, Ref("folders", on_delete="cascade")]
    title: str = ""
    rank: Annotated[int, Field(ge=1, le=1000)] = 1
    price: Annotated[Decimal, Digits(12, 2)] = Decimal(0)
    body: dict[str, JsonValue] | None = None
    is_cover: bool = False


class Notice(Entity, table="notices", policies=(Shared(write="member"), Index("kind"))):
    kind: Literal["news", "alarm"] = "news"
    text: str = ""
    count: int = 0


class Reading(Entity, table="readings", policies=(Shared(), Unjournaled(), Index("sensor"))):
    sensor: str
    value: float = 0.0


REALM = (Tenant, Membership)
APP = (Folder, Paper, Notice, Reading)
