"""What the hub keeps about its own work, in the pack `sync`: rows without a log, each its user's own.

No column holds a field's value: values stand in the history of their rows.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field, JsonValue

from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength
from holdfast.model.policies import Bookkeeping, Index, Owned, Realm

PACK: Final = "sync"
STORE_ID: Final = UUID(int=1)
"""Of the one row that `Epoch` has."""

Short = Annotated[str, MaxLength(50)]
Name = Annotated[str, MaxLength(128)]


class Device(Entity, table="devices", policies=(Owned(by="user_id"), Bookkeeping(), Index("last_seen"))):
    """A local database that syncs here: a name that it gives itself, or the login session of one that gives none.

    `seen` is the number of the last cursor that it has shown, and so has; `issued` that of the last one it was given;
    `pushed` the last number of its last push.
    """

    user_id: UUID | None = None
    name: Name
    named: bool = False
    seen: int = 0
    issued: int = 0
    pushed: int = 0
    last_seen: datetime


class Visibility(Entity, table="visibility", policies=(Owned(by="user_id"),)):
    """Which synced tables a user's role reads. Journaled, so that the tenant's own numbers say since when, and devices
    are told what has come and what is gone.
    """

    user_id: UUID | None = None
    tables: list[str] = Field(default_factory=list)


class Conflict(
    Entity,
    table="conflicts",
    policies=(Owned(by="user_id"), Bookkeeping(), Index("state"), Index("row_id")),
):
    """That a push met something else, and what became of it. `number` is the change at which the history holds the values,
    `base` the number that the device had pulled up to.
    """

    user_id: UUID | None = None
    entity: Name
    row_id: UUID
    device_id: UUID | None = None
    number: int
    base: int
    reason: Short
    rules: dict[str, str] = Field(default_factory=dict)
    """Field → the rule that settled it."""
    state: Literal["open", "settled", "resolved"]
    resolution: Short | None = None
    resolved_by: UUID | None = None
    resolved_at: datetime | None = None


class ConflictResolution(
    Entity,
    table="conflict_resolution_history",
    policies=(Owned(by="user_id"), Bookkeeping(), Index("conflict_id"), Index("timestamp")),
):
    """One settlement of a conflict, by a rule or by a person."""

    user_id: UUID | None = None
    conflict_id: UUID
    resolution_type: Short
    resolution_data: JsonValue = None
    auto_resolved: bool
    timestamp: datetime


class PushReceipt(
    Entity, table="push_receipts", policies=(Owned(by="user_id"), Bookkeeping(), Index("created_at"))
):
    """The answer to a push that came with an idempotency key, whose hash is the id."""

    user_id: UUID | None = None
    body: Annotated[str, MaxLength(64)]
    """SHA-256 of what was pushed, in hexadecimal."""
    answer: dict[str, Any] = Field(default_factory=dict)


class Epoch(Entity, table="epochs", policies=(Realm(),)):
    """Which life of the store this is: a new one begins when it has been taken back to an earlier state."""

    store: UUID
    epoch: UUID
    began_at: datetime
    reason: Name


ENTITIES: tuple[type[Entity], ...] = (
    Device,
    Visibility,
    Conflict,
    ConflictResolution,
    PushReceipt,
    Epoch,
)


def derived_id(*parts: bytes) -> UUID:
    """An id that is known without looking it up: SHA-256 over the parts, its first 16 bytes as a UUID of version 8."""
    digest = hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
    raw = bytearray(digest[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))
