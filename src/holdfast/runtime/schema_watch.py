"""Whether the database holds the schema of this code, looked at now and then: one query, whoever asks how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from holdfast.engines.port import Engine
from holdfast.errors import MigrationsPending, SchemaError
from holdfast.migrations import migrate
from holdfast.migrations.migrate import Entry, State
from holdfast.migrations.revision import Revision

FRESH_SECONDS = 5.0


class SchemaWatch:
    """Remembers what was seen for a few seconds. The revisions of the code are read once: it does not change as it runs."""

    def __init__(self, engine: Engine, revisions: Callable[[], list[Revision]]) -> None:
        self._engine = engine
        self._revisions = revisions
        self._known: list[Revision] | None = None
        self._seen: SchemaError | None = None
        self._seen_at: float | None = None

    async def check(self) -> None:
        """Raises MigrationsPending for a database that is behind, SchemaError for an edited revision or one that is ahead."""
        if self._seen_at is None or time.monotonic() - self._seen_at >= FRESH_SECONDS:
            self._seen = await self._look()
            self._seen_at = time.monotonic()
        if self._seen is not None:
            raise type(self._seen)(self._seen.message, where=self._seen.where, hint=self._seen.hint)
        half = await migrate.interrupted(self._engine)
        if half:
            raise MigrationsPending(where=", ".join(half))

    async def _look(self) -> SchemaError | None:
        if self._known is None:
            self._known = await asyncio.to_thread(self._revisions)
        try:
            refuse_pending(migrate.status(self._known, await self._engine.history()))
        except SchemaError as error:
            return error
        return None


def refuse_pending(entries: Sequence[Entry]) -> None:
    """Raises MigrationsPending for a database that is behind the code, SchemaError for one that is ahead of it. Code and
    database may be a deployment apart: what waits for the old code to go, and what was done before the new code came.
    """
    migrate.refuse_strange(entries)
    behind = {State.PENDING, State.HALF_APPLIED, State.HALF_BACK}
    pending = [e.id for e in entries if e.state in behind and e.phase == "pre"]
    if pending:
        raise MigrationsPending(where=", ".join(pending))
