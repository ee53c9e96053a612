"""Policies stand on the entity and say how its rows live: who sees them, where copies go, how long they stay.

Every entity says who may see it: `Owned` or `Shared`. There is no default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from holdfast.model.markers import Was

RoleName = Literal["viewer", "member", "admin", "owner"]
AgainstEdit = Literal["delete_wins", "edit_wins"]


@dataclass(frozen=True, slots=True)
class Owned:
    """A row is its owner's alone: the member whose id stands in the field `by` (declared `UUID | None = None`).

    On PostgreSQL a RESTRICTIVE row policy holds it. A scope that acts for the whole tenant says so, and is recorded.
    """

    by: str = "user_id"


@dataclass(frozen=True, slots=True)
class Shared:
    """Members of the tenant read, from the role `read` upwards; `write` is the least role that changes rows.

    Roles within a tenant are held by the store on every engine. A member who comes to a role that reads gets the rows on
    their devices, one who leaves it has them taken away.
    """

    write: RoleName = "member"
    read: RoleName = "viewer"


@dataclass(frozen=True, slots=True)
class Realm:
    """A row of the identity realm: global, reached by the realm role alone, without counter and change log."""


@dataclass(frozen=True, slots=True)
class Synced:
    """Devices hold copies of the rows that their user may see.

    `against_edit` says what becomes of a row that one deletes and another edits before they meet: `delete_wins` lets it go
    and keeps the edit in the history; `edit_wins` brings it back as it was edited.
    """

    against_edit: AgainstEdit = "delete_wins"


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """A row about the platform's own work in a tenant: changed in place, without counter, change and history.

    For the platform's own packs; whatever people change is journaled.
    """


@dataclass(frozen=True, slots=True)
class Personal:
    """Rows are about the person in the field `subject`, whose erasure makes them unreadable."""

    subject: str = "user_id"


@dataclass(frozen=True, slots=True)
class Unjournaled:
    """A firehose (metrics, points, log lines): bulk ingestion, no counter, no change, no history."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long rows stay in each tier, counted from `since`; what then happens is `then`."""

    hot: timedelta
    warm: timedelta | None = None
    cold: timedelta | None = None
    then: Literal["purge", "keep"] = "keep"
    since: str = "created_at"


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows of a tenant hold the same values in these fields; with `when`, only rows where it is true count."""

    fields: tuple[str, ...]
    when: str | None = None

    def __init__(self, *fields: str, when: str | None = None) -> None:
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "when", when)


@dataclass(frozen=True, slots=True)
class Index:
    """Filters and sorts on these fields are served. The tenant always leads, and is not named."""

    fields: tuple[str, ...]

    def __init__(self, *fields: str) -> None:
        object.__setattr__(self, "fields", fields)


Policy = Owned | Shared | Realm | Synced | Personal | Unjournaled | Bookkeeping | Keep | Unique | Index | Was
