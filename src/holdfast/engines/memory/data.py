"""What the memory engine holds: rows by (tenant, id), the log, the history, the counters."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from holdfast.changes.change import Change, OldValue, Tombstone
from holdfast.engines.port import HistoryKey, Marks, Stored

Key = tuple[UUID, UUID]
Grave = tuple[str, UUID]
"""Entity and row of a tombstone."""


class Table(dict[Key, Stored]):
    """The rows of an entity by (tenant, id), and the same rows by tenant."""

    def __init__(self) -> None:
        super().__init__()
        self._tenants: dict[UUID, dict[Key, Stored]] = {}

    def of(self, tenant_id: UUID) -> dict[Key, Stored]:
        """A tenant's rows."""
        return self._tenants.get(tenant_id, {})

    def put(self, key: Key, stored: Stored | None) -> None:
        """Set a row, or take it away (None) if it is there."""
        if stored is not None:
            self[key] = stored
        elif key in self:
            del self[key]

    def __setitem__(self, key: Key, stored: Stored) -> None:
        super().__setitem__(key, stored)
        self._tenants.setdefault(key[0], {})[key] = stored

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        del self._tenants[key[0]][key]


@dataclass(slots=True)
class Data:
    """The whole medium."""

    tables: dict[str, Table] = field(default_factory=dict)
    heads: dict[UUID, int] = field(default_factory=dict)
    changes: dict[UUID, list[Change]] = field(default_factory=dict)
    old_values: dict[UUID, list[OldValue]] = field(default_factory=dict)
    tombstones: dict[UUID, dict[Grave, Tombstone]] = field(default_factory=dict)
    horizons: dict[UUID, int] = field(default_factory=dict)
    commits: int = 0

    def marks(self, tenant_id: UUID) -> Marks:
        """How far a tenant is."""
        return Marks(self.heads.get(tenant_id, 0), self.horizons.get(tenant_id, 0))

    def forget(self, tenant_id: UUID) -> None:
        """Drop a tenant's log, history, tombstones and counter."""
        for store in (self.heads, self.horizons, self.changes, self.old_values, self.tombstones):
            store.pop(tenant_id, None)


def member(membership: Stored) -> tuple[UUID, UUID]:
    """Of which tenant who is a member."""
    return membership.row["tenant_id"], membership.row["user_id"]


def key_of(value: OldValue) -> HistoryKey:
    """An old value's place in the history."""
    return HistoryKey(value.entity, value.row_id, value.number, value.field)
