"""A transaction as one JSON object, and back. Values are in plain form, which JSON holds exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from holdfast.engines.port import (
    Batch,
    Change,
    EntitySchema,
    OldValue,
    Operation,
    RowWrite,
    Tombstone,
)
from holdfast.model.plain import decode_row, encode_row

Line = dict[str, Any]


def line_of(tenant_id: UUID, batches: Sequence[Batch]) -> Line:
    """The line that commits these batches."""
    heads = [batch.head for batch in batches if batch.head is not None]
    return {
        "tenant": str(tenant_id),
        "writes": [_plain_write(write) for batch in batches for write in batch.writes],
        "changes": [_plain_change(change) for batch in batches for change in batch.changes],
        "old": [_plain_old(old) for batch in batches for old in batch.old_values],
        "tombstones": [_plain_grave(grave) for batch in batches for grave in batch.tombstones],
        "head": heads[-1] if heads else None,
    }


def batch_of(line: Line, schemas: Mapping[str, EntitySchema]) -> Batch:
    """What a line has committed. The versions that its writes were planned on are not kept: they were met."""
    tenant_id = UUID(line["tenant"])
    return Batch(
        [_write(schemas[name], row_id, row, salt) for name, row_id, row, salt in line["writes"]],
        [_change(tenant_id, *each) for each in line["changes"]],
        [_old(*each) for each in line["old"]],
        line["head"],
        [_grave(*each) for each in line["tombstones"]],
    )


def _plain_write(write: RowWrite) -> list[Any]:
    row = None if write.row is None else encode_row(write.schema, write.row)
    return [write.schema.stable_name, str(write.row_id), row, write.salt.hex()]


def _write(schema: EntitySchema, row_id: str, row: Any, salt: str) -> RowWrite:
    values = None if row is None else decode_row(schema, row)
    return RowWrite(schema, UUID(row_id), values, 0, bytes.fromhex(salt))


def _plain_change(change: Change) -> list[Any]:
    return [
        change.number,
        change.flush_end,
        change.entity,
        str(change.row_id),
        change.op.value,
        list(change.fields),
        change.version,
        _text(change.actor),
        change.device,
        change.at.isoformat(),
        change.commitment.hex(),
        change.format,
    ]


def _change(
    tenant_id: UUID,
    number: int,
    flush_end: int,
    entity: str,
    row_id: str,
    op: str,
    fields: list[str],
    version: int,
    actor: str | None,
    device: str | None,
    at: str,
    commitment: str,
    form: int,
) -> Change:
    return Change(
        tenant_id,
        number,
        flush_end,
        entity,
        UUID(row_id),
        Operation(op),
        tuple(fields),
        version,
        _id(actor),
        device,
        datetime.fromisoformat(at),
        bytes.fromhex(commitment),
        form,
    )


def _plain_old(old: OldValue) -> list[Any]:
    return [old.entity, str(old.row_id), old.number, old.field, old.value.decode(), _text(old.owner)]


def _old(entity: str, row_id: str, number: int, field: str, value: str, owner: str | None) -> OldValue:
    return OldValue(entity, UUID(row_id), number, field, value.encode(), _id(owner))


def _plain_grave(grave: Tombstone) -> list[Any]:
    return [grave.entity, str(grave.row_id), grave.number, _text(grave.owner), grave.device]


def _grave(entity: str, row_id: str, number: int, owner: str | None, device: str | None) -> Tombstone:
    return Tombstone(entity, UUID(row_id), number, _id(owner), device)


def _text(known: UUID | None) -> str | None:
    return None if known is None else str(known)


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
