"""A tenant's waiting write sets, bounded in number, in bytes and in time; and which of them share the next flush."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from holdfast.changes.change import Operation
from holdfast.engines.port import Outcome, PlannedWrite
from holdfast.errors import Busy
from holdfast.store.deciding import Decider
from holdfast.tenancy.scope import Scope

MAX_WAITING = 2_000
MAX_GROUP = 500
MAX_GROUP_BYTES = 8 * 1024**2
"""A flush goes to the database in one piece, and is held several times over on its way."""
MAX_WAITING_BYTES = 64 * 1024**2
WAIT_SECONDS = 5.0
"""How long a write waits for the flushes before its own."""

PlanKey = tuple[str, Operation]


@dataclass(slots=True, eq=False)
class WriteSet:
    """What one session commits at once, and the future that its caller awaits."""

    scope: Scope
    writes: list[PlannedWrite]
    done: asyncio.Future[list[Outcome]]
    plan_key: PlanKey | None
    size: int
    """Bytes of its values."""
    decider: Decider | None = field(default=None, kw_only=True)
    """What decides on the writes once the counter is held, where they are not known before. Such writes flush alone: the
    log of those before them, which they read, is written at the end of their flush.
    """
    since: float
    """When it began to wait, by the loop's clock."""


@dataclass(slots=True)
class Lane:
    """One tenant's waiting write sets, and their bytes."""

    waiting: deque[WriteSet] = field(default_factory=deque)
    size: int = 0
    busy: bool = False

    def is_full(self, size: int) -> bool:
        """Whether a write set of this size must come back later. A large one is let in where nothing waits."""
        return len(self.waiting) >= MAX_WAITING or (
            bool(self.waiting) and self.size + size > MAX_WAITING_BYTES
        )

    def append(self, write_set: WriteSet) -> None:
        """Let it wait."""
        self.waiting.append(write_set)
        self.size += write_set.size

    def next_group(self) -> list[WriteSet]:
        """The longest run of waiting write sets that can share a flush."""
        group = [self._next()]
        count, size = len(group[0].writes), group[0].size
        while self.waiting and self._shares(group[0], self.waiting[0]):
            count, size = count + len(self.waiting[0].writes), size + self.waiting[0].size
            if count > MAX_GROUP or size > MAX_GROUP_BYTES:
                break
            group.append(self._next())
        return group

    @staticmethod
    def _shares(first: WriteSet, other: WriteSet) -> bool:
        return first.decider is None and other.decider is None and first.plan_key == other.plan_key

    def _next(self) -> WriteSet:
        write_set = self.waiting.popleft()
        self.size -= write_set.size
        return write_set


def still_wanted(group: list[WriteSet]) -> list[WriteSet]:
    """Those whose callers are there. Who has waited too long is told so, and not made to wait for one flush more."""
    latest = asyncio.get_running_loop().time() - WAIT_SECONDS
    for write_set in group:
        if write_set.since < latest:
            fail(write_set, Busy("this write waited too long for others of its tenant"))
    return [write_set for write_set in group if not write_set.done.done()]


def succeed(write_set: WriteSet, outcomes: list[Outcome]) -> None:
    """Tell the caller, if there still is one, what became of the writes."""
    if not write_set.done.done():
        write_set.done.set_result(outcomes)


def fail(write_set: WriteSet, error: Exception) -> None:
    """Tell the caller, if there still is one, how it failed."""
    if not write_set.done.done():
        write_set.done.set_exception(error)
