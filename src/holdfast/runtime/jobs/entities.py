"""What is kept about jobs, in the pack `jobs`: rows of the realm, without a log. None holds a value of anybody's row."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import Field

from holdfast.model.entity import Entity
from holdfast.model.markers import MaxLength
from holdfast.model.policies import Index, Realm, Unique

PACK: Final = "jobs"

Name = Annotated[str, MaxLength(64)]
Host = Annotated[str, MaxLength(255)]
Result = Literal["running", "done", "failed", "handed_back", "lost"]


class JobState(Entity, table="states", policies=(Realm(), Unique("name"))):
    """Where a job stands, and its lease: `run_id` is the run that holds it, `fence` counts the runs there ever were, and
    `beats` moves while the holder lives.

    `checkpoint` is how far an unfinished run has come, `notes` what one run leaves for the next.
    """

    name: Name
    next_at: datetime
    fence: int = 0
    run_id: UUID | None = None
    host: Host | None = None
    pid: int | None = None
    held_since: datetime | None = None
    beat_at: datetime | None = None
    beats: int = 0
    silence: int = 0
    """Milliseconds without a beat after which the holder counts as gone."""
    failures: int = 0
    """How many runs in a row have failed, or were lost."""
    checkpoint: dict[str, Any] = Field(default_factory=dict)
    notes: dict[str, Any] = Field(default_factory=dict)


class JobRun(Entity, table="runs", policies=(Realm(), Index("name", "started_at"), Index("started_at"))):
    """One run of a job: by whom, and what became of it."""

    name: Name
    fence: int
    trigger: Literal["schedule", "command"]
    host: Host
    pid: int
    started_at: datetime
    ended_at: datetime | None = None
    result: Result = "running"
    code: Name | None = None
    report: dict[str, Any] = Field(default_factory=dict)


class WorkerRecord(Entity, table="workers", policies=(Realm(), Index("seen_at"))):
    """A worker that runs, or that ended without saying so."""

    host: Host
    pid: int
    started_at: datetime
    seen_at: datetime


ENTITIES: tuple[type[Entity], ...] = (JobState, JobRun, WorkerRecord)


def state_id(name: str) -> UUID:
    """The id of a job's state, known without looking it up: SHA-256 of its name, as a UUID of version 8."""
    raw = bytearray(hashlib.sha256(name.encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x80
    raw[8] = raw[8] & 0x3F | 0x80
    return UUID(bytes=bytes(raw))
