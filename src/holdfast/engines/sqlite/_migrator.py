"""Carries out the steps of a revision on a file that is in use, and remembers how far it has come.

Each step is a transaction, and its line in the ledger is part of it: it is done or it is not. A table is filled batch by batch,
with a pause behind each, in which others write. Whoever is killed begins again where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from holdfast.engines.port import Control
from holdfast.engines.sqlite import _ledger
from holdfast.engines.sqlite._alter import carry_out, refuse
from holdfast.engines.sqlite._ddl import Making
from holdfast.engines.sqlite._fill import Fill, Walk
from holdfast.engines.sqlite._reshape import can_edit
from holdfast.engines.sqlite._values import microseconds
from holdfast.engines.sqlite.connections import Raw
from holdfast.errors import Busy
from holdfast.model.steps import Backfill, Step

if TYPE_CHECKING:
    from holdfast.engines.sqlite.engine import SqliteEngine
    from holdfast.engines.sqlite.files import Medium

T = TypeVar("T")
WAIT_SECONDS = 60.0
"""How long a migrator waits for another one, and for whoever writes."""
_FIRST_BATCH, _LEAST_BATCH, _MOST_BATCH = 500, 10, 20_000
_BATCH_SECONDS = 0.05
_PAUSE_SECONDS = 0.02
"""At least, behind a batch. Other processes ask for the file again and again, and are not told when it is free."""


@asynccontextmanager
async def one_migrator(medium: Medium) -> AsyncIterator[None]:
    """While it lasts no other migrator works on this file. Raises Busy after a bounded wait."""
    until = time.monotonic() + WAIT_SECONDS
    while (held := medium.hold()) is None:
        if time.monotonic() > until:
            raise Busy("another migration of this database is under way", hint="Wait for it.")
        await asyncio.sleep(0.1)
    try:
        yield
    finally:
        held.release()


@dataclass(slots=True)
class Migrator:
    """One revision that is brought in or taken back. `key` is its name in the ledger of steps."""

    engine: SqliteEngine
    key: str
    control: Control

    async def run(self, steps: Sequence[Step], last: Callable[[Raw], None]) -> None:
        """Carry out what is not done yet, and `last` with what comes last."""
        refuse(steps)

        def begin(raw: Raw) -> tuple[set[int], bool]:
            return _ledger.begin(raw, self.key, steps, self.control), can_edit(raw)

        # Where a table has to be made anew, the references to it must not be looked at meanwhile.
        done, references = await self.alone(begin)
        place = 0
        while place < len(steps):
            until = place + 1
            while until < len(steps) and all(isinstance(steps[at], Making) for at in (place, until)):
                until += 1
            if not all(at in done for at in range(place, until)):
                await self._step(steps, place, until, references=references)
            place = until
        await self.alone(last)

    async def alone(self, job: Callable[[Raw], T], *, references: bool = True) -> T:
        """A transaction alone in the file, after a bounded wait for whoever writes. Raises Busy."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                return await self.engine.maintained(job, references=references)
            except Busy:
                self.control.tell(f"{self.key}: waiting for whoever writes")
                if time.monotonic() > until:
                    raise

    async def _step(self, steps: Sequence[Step], place: int, until: int, *, references: bool) -> None:
        """One step, or several that only make new things."""
        step = steps[place]
        if not isinstance(step, Making):
            told = [at for at, each in enumerate(steps) if not isinstance(each, Making)]
            name = self.key.removesuffix(_ledger.DOWN)
            self.control.tell(f"{name}, step {told.index(place) + 1} of {len(told)}: {step.title}")
        if isinstance(step, Backfill):
            await self._fill(step, place)
            return

        def job(raw: Raw) -> None:
            for at in range(place, until):
                carry_out(raw, steps[at], self.control)
                _ledger.finish(raw, self.key, at)

        await self.alone(job, references=references)

    async def _fill(self, step: Backfill, place: int) -> None:
        def look(raw: Raw) -> tuple[Fill, Walk, int]:
            cursor = _ledger.read_cursor(raw, self.key, place)
            fill = Fill(raw, step)
            walk = Walk.read(cursor) if cursor else fill.start(raw, microseconds(datetime.now(UTC)))
            return fill, walk, fill.total(raw)

        fill, walk, total = await self.engine.looked_at(look)
        size, seen = _FIRST_BATCH, 0
        while True:
            began = time.monotonic()
            count, walk = await self.alone(partial(self._batch, fill=fill, walk=walk, size=size, place=place))
            seen += count
            self.control.progress(seen, max(total, seen))
            if count < size:
                return
            took = max(time.monotonic() - began, 0.001)
            size = int(min(max(size * min(max(_BATCH_SECONDS / took, 0.5), 2.0), _LEAST_BATCH), _MOST_BATCH))
            await asyncio.sleep(max(_PAUSE_SECONDS, took))

    def _batch(self, raw: Raw, *, fill: Fill, walk: Walk, size: int, place: int) -> tuple[int, Walk]:
        """One batch; the cursor is kept with it, and behind the last one that the step is done."""
        count, walk = fill.batch(raw, walk, size)
        _ledger.keep_cursor(raw, self.key, place, walk.spelled())
        if count < size:
            _ledger.finish(raw, self.key, place)
        return count, walk
