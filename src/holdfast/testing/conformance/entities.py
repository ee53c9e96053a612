"""The entities that the suite declares: each has the policies of one family of promises, and little else."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from holdfast.model.catalog import Catalog
from holdfast.model.entity import Entity
from holdfast.model.markers import Digits, MaxLength, Member, Ref, ServerSet
from holdfast.model.policies import Bookkeeping, Index, Owned, Realm, Shared, Unique, Unjournaled
from holdfast.model.schema import EntitySchema

Name = Annotated[str, MaxLength(200)]


class Tenant(Entity, table="tenants", policies=(Realm(), Unique("slug"))):
    """The realm's tenants: the counters refer to them."""

    slug: Name


class Membership(
    Entity,
    table="memberships",
    policies=(Realm(), Unique("tenant_id", "user_id"), Index("user_id")),
):
    """The realm's memberships: owners and `Member` fields refer to them."""

    tenant_id: UUID
    user_id: UUID
    role: Literal["viewer", "member", "admin", "owner"] = "member"


class Note(Entity, table="notes", policies=(Owned(by="user_id"), Index("title"), Unique("number"))):
    """A row of one person. `number` is unique in the tenant, whoever's the rows are."""

    user_id: UUID | None = None
    title: Name
    body: str | None = None
    stars: Annotated[int, Field(ge=0, le=5)] = 0
    number: int | None = None
    synced_at: Annotated[datetime, ServerSet()] | None = None


class Board(Entity, table="boards", policies=(Shared(), Unique("shelf", "label"), Index("position"))):
    """A row of everybody in the tenant."""

    name: Name
    shelf: Name | None = None
    label: Name | None = None
    position: int | None = None
    settings: dict[str, JsonValue] = Field(default_factory=dict)


class Rule(Entity, table="rules", policies=(Shared(write="admin"),)):
    """Everybody reads it; administrators and owners write it."""

    text: Name


class Preference(
    Entity, table="preferences", policies=(Owned(by="user_id"), Unique("user_id", when="is_default"))
):
    """At most one of a person's is the default."""

    user_id: UUID | None = None
    name: Name
    is_default: bool = False


class Folder(Entity, table="folders", policies=(Shared(),)):
    """A tree: deleting a folder deletes what is in it."""

    name: Name
    parent_id: Annotated[UUID, Ref("folders", on_delete="cascade")] | None = None


class File(Entity, table="files", policies=(Owned(by="user_id"), Index("folder_id"))):
    """A person's row that goes with its folder, which is everybody's."""

    user_id: UUID | None = None
    folder_id: Annotated[UUID, Ref("folders", on_delete="cascade")]
    name: Name


class Bookmark(Entity, table="bookmarks", policies=(Shared(),)):
    """Outlives the files that it names."""

    name: Name
    file_id: Annotated[UUID, Ref("files", on_delete="set_null")] | None = None
    other_id: Annotated[UUID, Ref("files", on_delete="set_null")] | None = None
    folder_id: Annotated[UUID, Ref("folders", on_delete="cascade")] | None = None


class Loan(Entity, table="loans", policies=(Shared(), Index("file_id"))):
    """Keeps its file from being deleted."""

    file_id: Annotated[UUID, Ref("files", on_delete="restrict")]
    holder_id: Annotated[UUID, Member()] | None = None
    replaces_id: Annotated[UUID, Ref("loans", on_delete="restrict")] | None = None


class Specimen(
    Entity,
    table="specimens",
    policies=(
        Shared(),
        Index("text"),
        Index("short"),
        Index("choice"),
        Index("flag"),
        Index("whole"),
        Index("money"),
        Index("wide"),
        Index("day"),
        Index("moment"),
        Index("link"),
        Index("blob"),
    ),
):
    """A field of every type, all of which may be absent; what can be indexed is."""

    text: str | None = None
    long: str | None = None
    short: Annotated[str, MaxLength(8)] | None = None
    choice: Literal["b", "B", "a", "ä", "10", "9"] | None = None
    flag: bool | None = None
    whole: int | None = None
    ratio: float | None = None
    money: Annotated[Decimal, Digits(15, 2)] | None = None
    wide: Annotated[Decimal, Digits(38, 0)] | None = None
    fine: Annotated[Decimal, Digits(38, 38)] | None = None
    day: date | None = None
    moment: datetime | None = None
    link: UUID | None = None
    blob: bytes | None = None
    raw: bytes | None = None
    document: JsonValue | None = None


class Reading(Entity, table="readings", policies=(Shared(), Unjournaled(), Index("sensor", "taken_at"))):
    """A firehose of everybody in the tenant."""

    sensor: Name
    taken_at: datetime
    value: float


class Step(Entity, table="steps", policies=(Owned(by="user_id"), Unjournaled(), Index("taken_at"))):
    """A firehose of one person."""

    user_id: UUID | None = None
    taken_at: datetime
    count: int


class Device(Entity, table="devices", policies=(Owned(by="user_id"), Bookkeeping(), Unique("label"))):
    """The platform's own note of something of a person's."""

    user_id: UUID | None = None
    label: Name
    seen: int = 0


class Tally(Entity, table="tallies", policies=(Shared(), Bookkeeping())):
    """The platform's own note of something in the tenant."""

    name: Name
    count: int = 0


class Salary(Entity, table="salaries", policies=(Shared(write="admin", read="admin"),)):
    """Neither read nor written by plain members."""

    amount: int = 0


class Unmade(Entity, table="unmade", policies=(Shared(),)):
    """Declared, and not among the steps that the suite applies."""

    name: Name


REALM = (Tenant, Membership)
KIT = (
    Note,
    Board,
    Rule,
    Preference,
    Folder,
    File,
    Bookmark,
    Loan,
    Specimen,
    Reading,
    Step,
    Device,
    Tally,
    Salary,
)
CATALOG = Catalog({"realm": REALM, "kit": KIT})
UNMADE = Catalog({"kit": (Unmade,)}).schema(Unmade)


def schema_of_kit(entity: type[Entity]) -> EntitySchema:
    """The schema of one of these entities."""
    return CATALOG.schema(entity)
