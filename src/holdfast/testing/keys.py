"""Key records in memory: what a `KeyStore` does, in the fewest words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from holdfast.crypto.hierarchy import KeyKind, KeyRecord, KeyState, destroyed
from holdfast.crypto.quota import Lease


class MemoryKeyStore:
    """Keeps records for as long as the process runs. `records` is there for tests to look at and to spoil."""

    def __init__(self) -> None:
        self.records: dict[bytes, KeyRecord] = {}

    async def find(self, tenant_id: UUID, key_ids: Sequence[bytes]) -> list[KeyRecord]:
        found = (self.records.get(key_id) for key_id in key_ids)
        return [record for record in found if record is not None and record.tenant_id == tenant_id]

    async def current(self, tenant_id: UUID, subject_id: UUID | None, kind: KeyKind) -> KeyRecord | None:
        return self._newest(tenant_id, subject_id, kind)

    async def index_roots(self, tenant_id: UUID) -> list[KeyRecord]:
        live = {KeyState.PENDING, KeyState.ACTIVE, KeyState.DECRYPT_ONLY}
        roots = (
            record
            for record in self.records.values()
            if record.kind is KeyKind.INDEX and record.tenant_id == tenant_id and record.state in live
        )
        return sorted(roots, key=lambda record: record.version)

    async def add(self, record: KeyRecord) -> KeyRecord:
        newest = self._newest(record.tenant_id, record.subject_id, record.kind)
        if newest is not None and newest.version >= record.version:
            return newest
        if newest is not None and newest.state is KeyState.ACTIVE:
            self.records[newest.id] = replace(newest, state=KeyState.DECRYPT_ONLY)
        self.records[record.id] = record
        return record

    async def lease(self, tenant_id: UUID, key_id: bytes, lease: Lease) -> bool:
        record = self.records[key_id]
        if record.leased != lease.before or record.state is not KeyState.ACTIVE:
            return False
        self.records[key_id] = replace(record, leased=lease.after)
        return True

    def erase(self, tenant_id: UUID, subject_id: UUID) -> list[bytes]:
        """Destroy a person's keys, and say which they were."""
        keys = [r for r in self.records.values() if (r.tenant_id, r.subject_id) == (tenant_id, subject_id)]
        for record in keys:
            self.records[record.id] = destroyed(record)
        return [record.id for record in keys]

    def _newest(self, tenant_id: UUID, subject_id: UUID | None, kind: KeyKind) -> KeyRecord | None:
        owner = (tenant_id, subject_id, kind)
        versions = (r for r in self.records.values() if (r.tenant_id, r.subject_id, r.kind) == owner)
        return max(versions, key=lambda record: record.version, default=None)
