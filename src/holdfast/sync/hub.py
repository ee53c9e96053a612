"""`Hub`: what devices ask, answered from the log and written down the one write path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from holdfast.changes.cursor import CursorTag
from holdfast.changes.devices import pushed_by
from holdfast.engines.port import Capability, Marks, Selection, Since
from holdfast.errors import AlreadyExists, Conflict, Duplicate, ReferenceMissing, StaleVersion, TooLarge
from holdfast.model.schema import MEMBERS, EntitySchema
from holdfast.store.store import Store
from holdfast.sync.base import Past, standing_at
from holdfast.sync.caller import Caller
from holdfast.sync.changeset import Changes, body_hash, read_changes
from holdfast.sync.entities import Device, PushReceipt, Visibility, derived_id
from holdfast.sync.pulling import Snapshot, TablePlan, read_page, stream_tables
from holdfast.sync.pushing import Push, refuse_expired
from holdfast.sync.requests import Migration, PullRequest, PushRequest

_FRESH: Final = timedelta(days=1)
"""A device that comes for nothing new is written down once in so long: that it still comes."""

Epochs = Callable[[], Awaitable[UUID]]
"""Which life of the store this is, now."""
Members = Callable[[UUID, frozenset[UUID]], Awaitable[frozenset[UUID]]]
"""Which of these people have ever been members of a tenant."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a tenant and a device are, and since when the user reads what."""

    marks: Marks
    device: Device | None
    come: frozenset[str] = frozenset()
    """Tables that the user has come to read since the device's cursor."""
    gone: frozenset[str] = frozenset()


class Hub:
    """Pull and push for every synced entity of a store. Safe to share between tasks of one event loop.

    `secret` signs cursors. Nothing is kept here between calls: several processes may serve one store.
    """

    def __init__(self, store: Store, *, secret: bytes, epoch: Epochs, members: Members) -> None:
        self.store = store
        self._secret = secret
        self._epoch = epoch
        self._members = members
        self._device = store.catalog.schema(Device)
        self._visibility = store.catalog.schema(Visibility)
        self._synced = [schema for schema in store.catalog if schema.synced]
        self._roles_matter = any(schema.read_role != "viewer" for schema in self._synced)

    # -- pull -----------------------------------------------------------------------------------------------------

    async def pull(self, caller: Caller, request: PullRequest) -> AsyncIterator[bytes]:
        """The answer, as pieces of JSON text. Raises CursorExpired, and nothing once the first piece has come."""
        tag = await self._tag(caller)
        after = None if request.cursor is None else tag.number(request.cursor)
        standing = await self._standing(caller, after)
        await self._remember(caller, standing, _shown(request, standing, after))
        if request.page is not None and not self._asks_whole(request, standing):
            return await self._page(caller, tag, after, request.page, standing.marks.head)
        plans = self._plans(caller, request, standing, after)
        return self._answer(caller, tag, request, plans, standing.marks.head)

    async def _tag(self, caller: Caller) -> CursorTag:
        return CursorTag.of(self._secret, caller.scope.tenant_id, caller.user_id, await self._epoch())

    async def _standing(self, caller: Caller, after: int | None) -> Standing:
        if self._roles_matter:
            await self._note_visibility(caller)
        async with self.store.engine.begin(caller.scope, read_only=True) as tx:
            marks = await tx.marks()
            row = await tx.get(self._device, caller.device_id)
            device = None if row is None else Device.stored(row)
            if after is None:
                return Standing(marks, device)
            refuse_expired(after, marks.head, marks.horizon, device)
            if not self._roles_matter:
                return Standing(marks, device)
            now = {schema.relation for schema in self._readable(caller)}
            row_id = _visibility_id(caller)
            found = await tx.get(self._visibility, row_id)
            past = Past(
                await tx.read_row_changes([row_id], after),
                await tx.read_history_since(self._visibility, [row_id], after),
            )
        before = standing_at(self._visibility, found, past, after)
        known = now if before is None else set(before["tables"])
        return Standing(marks, device, frozenset(now - known), frozenset(known - now))

    async def _note_visibility(self, caller: Caller) -> None:
        """Enter in the log what the user's role reads, where that has changed."""
        tables = sorted(schema.relation for schema in self._readable(caller))
        row_id = _visibility_id(caller)
        # A role that may not write has its visibility noted all the same: the note is the platform's.
        scope = self.store.scope_for_notes(caller.scope, reason="what a role reads")
        # Another device of the same person may be first, with the same.
        with suppress(AlreadyExists, StaleVersion):
            async with self.store.session(scope) as session:
                found = await session.find(Visibility, row_id)
                if found is None:
                    await session.put(Visibility(id=row_id, user_id=caller.user_id, tables=tables))
                elif found.tables != tables:
                    await session.patch(Visibility, row_id, {"tables": tables}, if_version=found.version)

    async def _remember(self, caller: Caller, standing: Standing, seen: int) -> None:
        """Write down what the device has shown and is given, before it is given it."""
        device, head = standing.device, standing.marks.head
        now = self.store.clock()
        is_fresh = device is not None and now - device.last_seen < _FRESH
        if device is not None and device.seen == seen and device.issued >= head and is_fresh:
            return
        scope = self.store.scope_for_notes(caller.scope, reason="what a device has")
        if device is None:
            made = Device(
                id=caller.device_id,
                user_id=caller.user_id,
                name=caller.device_name,
                named=caller.named,
                seen=seen,
                issued=head,
                last_seen=now,
            )
            with suppress(AlreadyExists):  # another request of the same device was first
                async with self.store.session(scope) as session:
                    await session.put(made)
                return
        async with self.store.session(scope) as session:
            known = device or await session.get(Device, caller.device_id)
            values = {"seen": seen, "issued": max(known.issued, head), "last_seen": now}
            await session.patch(Device, known.id, values)

    def _readable(self, caller: Caller) -> list[EntitySchema]:
        return [schema for schema in self._synced if self.store.reads(caller.scope, schema)]

    @staticmethod
    def _asks_whole(request: PullRequest, standing: Standing) -> bool:
        """Whether the answer holds more than the log's next changes, and so comes in one."""
        return bool(request.replacement or request.migration or standing.come or standing.gone)

    def _plans(
        self, caller: Caller, request: PullRequest, standing: Standing, after: int | None
    ) -> list[TablePlan]:
        readable = self._readable(caller)
        if after is None:
            return [TablePlan(s, Selection(s), always=request.replacement) for s in readable]
        migration = request.migration or Migration()
        upto = standing.marks.head
        # One that shows an older cursor than it was given may be an older copy of itself, without what it has pushed since.
        known = standing.device
        is_as_it_was = caller.named and known is not None and after >= known.issued
        since = Since(after, upto, pushed_by(caller.device_id) if is_as_it_was else None)
        plans = []
        for schema in readable:
            differing = self._differing(schema, migration)
            whole = schema.relation in migration.tables or schema.relation in standing.come
            if not whole and not differing and after >= upto:
                continue
            selection = Selection(schema) if whole else Selection(schema, since, differing)
            tombstones = since if after < upto else None
            plans.append(TablePlan(schema, selection, tombstones=tombstones))
        for schema in self._synced:
            if schema.relation in standing.gone:
                plans.append(TablePlan(schema, None, tombstones=Since(after, upto), gone=True))
        return plans

    @staticmethod
    def _differing(schema: EntitySchema, migration: Migration) -> tuple[str, ...]:
        named = migration.columns.get(schema.relation, ())
        return tuple(
            schema.by_column[column].name
            for column in dict.fromkeys(named)
            if column in schema.by_column and column not in {"id", "version"}
        )

    async def _answer(
        self, caller: Caller, tag: CursorTag, request: PullRequest, plans: Sequence[TablePlan], head: int
    ) -> AsyncIterator[bytes]:
        strategy = (
            b',"experimentalStrategy":"replacement"'
            if request.replacement and request.cursor is None
            else b""
        )
        yield b'{"timestamp":%d%s,"changes":{' % (tag.cursor(head), strategy)
        if plans:
            async for piece in stream_tables(self.store, caller, plans, Snapshot(head)):
                yield piece
        yield b"}}"

    async def _page(
        self, caller: Caller, tag: CursorTag, after: int | None, limit: int, head: int
    ) -> AsyncIterator[bytes]:
        async with self.store.engine.begin(caller.scope, read_only=True) as tx:
            page = await read_page(
                tx,
                self._readable(caller),
                after=after or 0,
                head=head,
                limit=limit,
                first=after is None,
            )
        answer: dict[str, Any] = {"changes": page.changes, "timestamp": tag.cursor(page.number)}
        if page.more:
            answer["experimentalHasMore"] = True

        async def pieces() -> AsyncIterator[bytes]:
            yield orjson.dumps(answer)

        return pieces()

    # -- push -----------------------------------------------------------------------------------------------------

    async def push(self, caller: Caller, request: PushRequest) -> dict[str, Any]:
        """Take what a device has changed, all of it at once where the engine can. Returns what the device is told.

        Raises CursorExpired, InvalidInput for what cannot be read at all, and Busy; then nothing is stored.
        """
        tag = await self._tag(caller)
        pulled = 0 if request.cursor is None else tag.number(request.cursor)
        receipt = await self._receipt(caller, request)
        if receipt is not None and receipt.version > 0:
            return receipt.answer
        changes = read_changes(self.store, request)
        members = await self._members_in(caller, changes)
        try:
            return await self._take(caller, changes, pulled, members, receipt)
        except AlreadyExists:
            # Meanwhile the same push was answered, or another request has entered the device.
            receipt = await self._receipt(caller, request)
            if receipt is not None and receipt.version > 0:
                return receipt.answer
            return await self._take(caller, changes, pulled, members, receipt)

    async def _take(
        self,
        caller: Caller,
        changes: Changes,
        pulled: int,
        members: frozenset[UUID],
        receipt: PushReceipt | None,
    ) -> dict[str, Any]:
        if Capability.LARGE_TRANSACTIONS in self.store.engine.capabilities:
            return await self._push_whole(caller, changes, pulled, members, receipt)
        return await self._push_in_parts(caller, changes, pulled, members)

    async def _receipt(self, caller: Caller, request: PushRequest) -> PushReceipt | None:
        """The receipt of a push with a key: stored, when it has been answered before. Raises Conflict for another body."""
        if request.key is None:
            return None
        body = body_hash(request.tables)
        row_id = derived_id(b"push", caller.device_id.bytes, request.key.encode())
        async with self.store.session(caller.scope) as session:
            found = await session.find(PushReceipt, row_id)
        if found is not None and found.body != body:
            raise Conflict("this key came with another push before", where="Idempotency-Key")
        return found or PushReceipt(id=row_id, user_id=caller.user_id, body=body)

    async def _push_whole(
        self,
        caller: Caller,
        changes: Changes,
        pulled: int,
        members: frozenset[UUID],
        receipt: PushReceipt | None,
    ) -> dict[str, Any]:
        # Duplicates are only looked for when there is one: to ask for each row whether it is unique costs a query a row.
        for careful in (0, 1):
            push = Push(
                self.store, caller, changes, pulled=pulled, members=members, receipt=receipt, careful=careful
            )
            with suppress(Duplicate, ReferenceMissing):
                await self.store.flusher.submit_decided(push.opening_scope, push, size=changes.size)
                return push.answer()
        push = Push(self.store, caller, changes, pulled=pulled, members=members, receipt=receipt, careful=2)
        await self.store.flusher.submit_decided(push.opening_scope, push, size=changes.size)
        return push.answer()

    async def _push_in_parts(
        self, caller: Caller, changes: Changes, pulled: int, members: frozenset[UUID]
    ) -> dict[str, Any]:
        """On an engine with small transactions: as many rows as fit one, then the next. Whoever is interrupted repeats."""
        answers = [
            Push(
                self.store, caller, replace(changes, rows=[], deletes=[]), pulled=pulled, members=members
            ).answer()
        ]
        waiting = [replace(changes, unread={}, too_large=[])]
        while waiting:
            part = waiting.pop(0)
            if part.count == 0:
                continue
            try:
                answers.append(await self._push_whole(caller, part, pulled, members, None))
            except TooLarge:
                if part.count == 1:
                    raise
                waiting[:0] = _halves(part)
        return _joined(answers)

    async def _members_in(self, caller: Caller, changes: Changes) -> frozenset[UUID]:
        named = frozenset(
            row.values[declared.name]
            for row in changes.rows
            for declared in row.schema.referring_fields
            if declared.reference is not None
            and declared.reference.table == MEMBERS
            and row.values.get(declared.name) is not None
        )
        return await self._members(caller.scope.tenant_id, named) if named else named


def _shown(request: PullRequest, standing: Standing, after: int | None) -> int:
    """The number of the cursor that the device began this pull with. That of a page is none: the device keeps the last
    page's alone, and what it has edited meanwhile rests on what it had before the first.
    """
    number, device = after or 0, standing.device
    goes_on = request.page is not None and device is not None and device.seen < number < device.issued
    return device.seen if device is not None and goes_on else number


def _visibility_id(caller: Caller) -> UUID:
    return derived_id(b"visibility", caller.scope.tenant_id.bytes, caller.user_id.bytes)


def _halves(part: Changes) -> list[Changes]:
    """Two parts, rows before deletes."""
    middle = part.count // 2
    rows, deletes = part.rows, part.deletes
    cut = max(0, middle - len(rows))
    return [
        replace(part, rows=rows[:middle], deletes=deletes[:cut]),
        replace(part, rows=rows[middle:], deletes=deletes[cut:]),
    ]


def _joined(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    later: dict[str, list[str]] = {}
    for answer in answers:
        for table, ids in answer.get("experimentalRejectedIds", {}).items():
            later.setdefault(table, []).extend(ids)
    joined: dict[str, Any] = {
        "accepted": sum(answer["accepted"] for answer in answers),
        "conflicts": [each for answer in answers for each in answer["conflicts"]],
        "rejected": [each for answer in answers for each in answer["rejected"]],
    }
    return joined | ({"experimentalRejectedIds": later} if later else {})
