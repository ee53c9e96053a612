"""What a device pushes, read before the counter is held: its rows in the order in which they can be taken. Pure, but for the
limits, which are the store's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from holdfast.errors import TooLarge
from holdfast.model.diff import in_reference_order
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import read_id
from holdfast.store.deciding import RowKey
from holdfast.store.store import Store
from holdfast.sync.incoming import Incoming, as_sent, read_row
from holdfast.sync.requests import MalformedSync, PushRequest, TableChanges

_DELETE_BYTES: Final = 16
"""What a delete is counted with: an id."""


@dataclass(slots=True)
class Changes:
    """What a device pushes, read. `unread` are rows of tables that are not synced here: table → ids."""

    rows: list[Incoming] = field(default_factory=list)
    deletes: list[tuple[EntitySchema, UUID]] = field(default_factory=list)
    unread: dict[str, list[str]] = field(default_factory=dict)
    too_large: list[Incoming] = field(default_factory=list)
    body: int = 0
    """Bytes of the body that they came in, where they are known: all of it is held as long as they wait."""

    @property
    def count(self) -> int:
        """How many rows there are to decide on."""
        return len(self.rows) + len(self.deletes)

    @property
    def size(self) -> int:
        """Bytes of what waits to be decided on."""
        return max(self.body, sum(row.size for row in self.rows) + _DELETE_BYTES * len(self.deletes))


def read_changes(store: Store, request: PushRequest) -> Changes:
    """The rows of a push. Raises InvalidInput for an id that no device and no UUID spells."""
    changes = Changes(body=request.size)
    synced = {schema.relation: schema for schema in store.catalog if schema.synced}
    for name, table in request.tables.items():
        schema = synced.get(name)
        if schema is None:
            changes.unread[name] = [str(row["id"]) for row in (*table.created, *table.updated)]
        else:
            _read_table(store, changes, schema, table)
    _put_in_order(changes)
    return changes


def _put_in_order(changes: Changes) -> None:
    """Rows behind those that they refer to, and deletes before: a push may have to be taken in parts."""
    schemas = {
        schema.name: schema
        for schema in (*(r.schema for r in changes.rows), *(s for s, _ in changes.deletes))
    }
    rank = {schema.name: place for place, schema in enumerate(in_reference_order(schemas.values()))}
    changes.rows = _parents_first(sorted(changes.rows, key=lambda row: rank[row.schema.name]))
    changes.deletes.sort(key=lambda delete: -rank[delete[0].name])


def _parents_first(rows: Sequence[Incoming]) -> list[Incoming]:
    """The same, within tables that refer to themselves. A circle stays as it came."""
    waiting = {(row.schema.name, row.row_id): row for row in rows}
    ordered: list[Incoming] = []
    for row in rows:
        chain: list[Incoming] = []
        following: Incoming | None = waiting.pop((row.schema.name, row.row_id), None)
        while following is not None:
            chain.append(following)
            following = next(
                (found for key in _own_parents(following) if (found := waiting.pop(key, None))), None
            )
        ordered += reversed(chain)
    return ordered


def _own_parents(row: Incoming) -> list[RowKey]:
    own = [
        declared for declared, reference in row.schema.references if reference.table == row.schema.stable_name
    ]
    return [(row.schema.name, row.values[d.name]) for d in own if row.values.get(d.name) is not None]


def _read_table(store: Store, changes: Changes, schema: EntitySchema, table: TableChanges) -> None:
    entity = store.catalog.entity(schema)
    rows: dict[UUID, Incoming] = {}
    for created, raws in ((True, table.created), (False, table.updated)):
        for raw in raws:
            row = read_row(schema, entity, _row_id(schema, raw["id"]), raw, created=created)
            rows[row.row_id] = row
    gone: dict[UUID, None] = {}
    for text in table.deleted:
        try:
            gone[read_id(text)] = None
        except ValueError:
            continue  # no row has such an id, so it is deleted
    for row_id in gone:
        rows.pop(row_id, None)
        changes.deletes.append((schema, row_id))
    for row in rows.values():
        (changes.rows if _fits(store, row) else changes.too_large).append(row)


def _row_id(schema: EntitySchema, text: str) -> UUID:
    try:
        return read_id(text)
    except ValueError:
        raise MalformedSync(
            "a row's id is what WatermelonDB makes, 16 letters and digits, or a UUID in lower case",
            where=f"{schema.relation}.id",
        ) from None


def _fits(store: Store, row: Incoming) -> bool:
    refused = sum(map(len, row.refused.values()))
    try:
        row.size = store.measure(row.schema, row.plain) + refused
    except TooLarge:
        return False
    return refused <= store.limits.row_bytes


def body_hash(tables: Mapping[str, TableChanges]) -> str:
    """SHA-256 of what is pushed, in hexadecimal."""
    plain = {name: [t.created, t.updated, t.deleted] for name, t in tables.items()}
    return hashlib.sha256(as_sent(plain)).hexdigest()
