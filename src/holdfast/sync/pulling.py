"""A pull, as the JSON text of its answer, made while it is sent: memory stays flat however many rows there are.

Rows stand in `updated`, never in `created`, a first sync's too: a device makes those that it has not, and a row that it has
deleted and not pushed yet stays deleted, where `created` would bring it back.

All rows come from one snapshot, for at most ten seconds; what is left then comes from later snapshots, without rows that
have changed since the first: those come with the next pull.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import orjson

from holdfast.changes.change import Change, Operation
from holdfast.engines.port import Selection, Since, Transaction
from holdfast.model.schema import EntitySchema
from holdfast.model.wire import spell_id
from holdfast.store.store import Store
from holdfast.sync.caller import Caller
from holdfast.sync.selected import piece_of, selected

SNAPSHOT_SECONDS: Final = 10.0
_TOMBSTONES: Final = 1_000


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What of a table goes out. `gone` says that the device loses all of it."""

    schema: EntitySchema
    selection: Selection | None
    tombstones: Since | None = None
    gone: bool = False
    always: bool = False
    """Name the table even where nothing of it goes out: a device replaces the tables that it finds, and no others."""


@dataclass(slots=True)
class Snapshot:
    """How long a snapshot may still be held, and at which number the first one stood."""

    head: int
    seconds: float = SNAPSHOT_SECONDS
    began: float = field(default_factory=time.monotonic)
    renewed: bool = False

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.began > self.seconds


async def stream_tables(
    store: Store, caller: Caller, plans: Sequence[TablePlan], snapshot: Snapshot
) -> AsyncGenerator[bytes, None]:
    """The members of `changes`, joined by commas; tables of which nothing goes out are left away."""
    waiting = list(plans)
    resume: UUID | None = None
    first = True
    while waiting:
        async with store.engine.begin(caller.scope, read_only=True) as tx:
            snapshot.began = time.monotonic()
            while waiting:
                writer = _TableWriter(store, tx, waiting[0], snapshot, resume, leading=b"" if first else b",")
                async with aclosing(writer.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
                first = first and not writer.opened
                resume = writer.resume
                if resume is not None:
                    break
                waiting.pop(0)
        snapshot.renewed = True


class _TableWriter:
    """One table's member, or as much of it as fits the snapshot: then `resume` is the id to go on behind."""

    def __init__(
        self,
        store: Store,
        tx: Transaction,
        plan: TablePlan,
        snapshot: Snapshot,
        resume: UUID | None,
        *,
        leading: bytes,
    ) -> None:
        self.opened = resume is not None
        self.resume: UUID | None = None
        self._store, self._tx, self._plan, self._snapshot = store, tx, plan, snapshot
        self._start = resume
        self._leading = leading

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        opened = self.opened
        async with aclosing(self._rows()) as rows:
            async for piece in rows:
                yield (b"," if opened else self._head()) + piece
                opened = self.opened = True
        if self.resume is not None:
            return
        ids = await self._deleted()
        if (ids or self._plan.always) and not opened:
            yield self._head()
            self.opened = opened = True
        if opened:
            yield b'],"deleted":' + orjson.dumps(ids) + b"}"

    def _head(self) -> bytes:
        name = orjson.dumps(self._plan.schema.relation)
        return self._leading + name + b':{"created":[],"updated":['

    async def _rows(self) -> AsyncGenerator[bytes, None]:
        asked = self._plan.selection
        if asked is None:
            return
        standing = self._snapshot.head if self._snapshot.renewed else None
        selection = Selection(asked.schema, asked.since, asked.differing, self._start, standing)
        async with aclosing(selected(self._store.engine, self._tx, selection)) as pieces:
            async for piece in pieces:
                yield piece.json
                if self._snapshot.is_over:
                    self.resume = piece.last
                    return

    async def _deleted(self) -> list[str]:
        plan = self._plan
        found: list[str] = []
        if plan.tombstones is not None:
            found = await _deleted_since(self._tx, plan.schema, plan.tombstones)
        if plan.gone:
            found += await _standing_ids(self._store, self._tx, plan.schema)
        return found


async def _deleted_since(tx: Transaction, schema: EntitySchema, since: Since) -> list[str]:
    """The ids of rows that were deleted and do not stand again."""
    ids: list[str] = []
    after = since.after
    while True:
        found = await tx.read_tombstones(schema, after, since.upto, limit=_TOMBSTONES)
        heard = [t.row_id for t in found if since.device is None or t.device != since.device]
        standing = await tx.batch_get(schema, heard) if heard else []
        ids += [spell_id(row_id) for row_id, stored in zip(heard, standing, strict=True) if stored is None]
        if len(found) < _TOMBSTONES:
            return ids
        after = found[-1].number


async def _standing_ids(store: Store, tx: Transaction, schema: EntitySchema) -> list[str]:
    """The ids of all rows of a table that this user may no longer read."""
    ids: list[str] = []
    async with aclosing(selected(store.engine, tx, Selection(schema))) as pieces:
        async for piece in pieces:
            ids += [row["id"] for row in orjson.loads(b"[" + piece.json + b"]")]
    return ids


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a pull that goes on: the changes, the number up to which they go, and whether there is more."""

    changes: dict[str, dict[str, object]]
    number: int
    more: bool


async def read_page(
    tx: Transaction,
    schemas: Iterable[EntitySchema],
    *,
    after: int,
    head: int,
    limit: int,
    first: bool,
) -> Page:
    """The next changes of the log, as rows in the state in which they stand. A row goes out with its last change: where it
    has changed since, it comes later. What the device has pushed goes out as well: a page does not tell whether it goes on
    with a first pull, after which a device that was set up anew has nothing of it.
    """
    by_name = {schema.stable_name: schema for schema in schemas}
    lines = [c for c in await tx.read_changes(after, limit=limit) if c.number <= head]
    number = lines[-1].number if lines else head
    changes: dict[str, dict[str, object]] = {}
    for name, schema in by_name.items():
        mine = [line for line in lines if line.entity == name]
        rows, deleted = await _page_of(tx, schema, mine)
        piece = piece_of(schema, rows)
        if piece is not None or (deleted and not first):
            rows_text = orjson.Fragment(b"[" + (piece.json if piece else b"") + b"]")
            changes[schema.relation] = {
                "created": [],
                "updated": rows_text,
                "deleted": [] if first else deleted,
            }
    return Page(changes, number, number < head)


async def _page_of(
    tx: Transaction, schema: EntitySchema, lines: Sequence[Change]
) -> tuple[list[dict[str, object]], list[str]]:
    last = {line.row_id: line for line in lines}
    written = {line.row_id: line for line in lines if line.op is not Operation.DELETE}
    ids = list(last)
    standing = await tx.batch_get(schema, ids) if ids else []
    rows: list[dict[str, object]] = []
    absent: list[UUID] = []
    for row_id, stored in zip(ids, standing, strict=True):
        if stored is None:
            absent.append(row_id)
        # Behind its last change there may be a refusal of the same id, which was another person's try.
        elif row_id in written and stored.row["version"] == written[row_id].version:
            rows.append(stored.row)
    gone = [row_id for row_id in absent if last[row_id].op is Operation.DELETE]
    heard = {t.row_id for t in await tx.find_tombstones(schema, gone)} if gone else set()
    return rows, [spell_id(row_id) for row_id in gone if row_id in heard]
