"""What the memory engine holds: rows by (tenant, id), the log, the history, the counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from holdfast.changes.change import Change, OldValue
from holdfast.engines.port import Stored

Key = tuple[UUID, UUID]
Table = dict[Key, Stored]


@dataclass(slots=True)
class Data:
    """The whole medium."""

    tables: dict[str, Table] = field(default_factory=dict)
    heads: dict[UUID, int] = field(default_factory=dict)
    changes: dict[UUID, list[Change]] = field(default_factory=dict)
    old_values: dict[UUID, list[OldValue]] = field(default_factory=dict)

    def forget(self, tenant_id: UUID) -> None:
        """Drop a tenant's log, history and counter."""
        for store in (self.heads, self.changes, self.old_values):
            store.pop(tenant_id, None)


def member(membership: Stored) -> tuple[UUID, UUID]:
    """Of which tenant who is a member."""
    return membership.row["tenant_id"], membership.row["user_id"]
