"""Connections, each with a thread of its own: one that writes, and as many readers as are needed."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

from holdfast.engines.admission import Admission
from holdfast.engines.sqlite._errors import translated
from holdfast.engines.sqlite._log import BEGIN_WRITING
from holdfast.engines.sqlite._threads import Worker
from holdfast.engines.sqlite.files import Medium
from holdfast.errors import Busy
from holdfast.model.schema import EntitySchema

T = TypeVar("T")
Raw = sqlite3.Connection
_AGAIN_SECONDS = 0.005


class Closing(Protocol):
    """What holds a cursor."""

    def close(self) -> None:
        """Close it."""


C = TypeVar("C", bound=Closing)


class Connection:
    """A connection, used by one transaction at a time, on its own thread."""

    def __init__(self, worker: Worker, raw: Raw) -> None:
        self._worker = worker
        self.raw = raw
        self._left = False
        """Whether a job was left alone while it ran: then the thread has it still."""
        self.interrupted = False
        """Whether a job was stopped while it ran."""
        self._cursors: list[Closing] = []

    @classmethod
    async def open(cls, name: str, connect: Callable[[], Raw]) -> Connection:
        """A new one, its file opened on its thread."""
        worker = Worker(name)
        try:
            return cls(worker, await worker.run(connect))
        except BaseException:
            worker.close()
            raise

    async def call(self, job: Callable[[Raw], T], schema: EntitySchema | None = None) -> T:
        """What `job` makes of the connection. Whoever is cancelled meanwhile stops what it does."""
        try:
            return await self._worker.run(partial(job, self.raw))
        except asyncio.CancelledError:
            self._left = self.interrupted = True
            self.raw.interrupt()
            raise
        except Exception:
            with translated(schema):
                raise

    async def finish(self, job: Callable[[Raw], T]) -> T:
        """The same for a job that is not to be interrupted: it is waited for, whoever is cancelled meanwhile."""
        with translated():
            running = self._worker.run(partial(job, self.raw))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                while not running.done():
                    with contextlib.suppress(asyncio.CancelledError):
                        await asyncio.wait([running])
                running.exception()
                raise

    @property
    def was_left(self) -> bool:
        """Whether the thread may still be doing something that nobody waits for."""
        return self._left

    def keep(self, cursor: C) -> C:
        """Own what stays open from one job to the next: it is closed with what is undone, whoever has lost it. On the thread."""
        self._cursors.append(cursor)
        return cursor

    def close_cursor(self, cursor: Closing) -> None:
        """Have the thread close it when it comes to it."""
        self._left = True
        self._worker.leave(partial(self._close_cursor, cursor))

    def _close_cursor(self, cursor: Closing) -> None:
        if cursor in self._cursors:
            self._cursors.remove(cursor)
            cursor.close()

    def undo(self, *, here: bool) -> None:
        """Undo what is open, after all that the thread still does. `here`: to end a read costs less than to wake a thread."""
        if self._left or not here:
            self._worker.leave(self._undo)
            self._left = False
        else:
            self._undo()

    def _undo(self) -> None:
        # While a cursor is open, whatever is done after an interrupt is interrupted too: the rollback as well.
        while self._cursors:
            with contextlib.suppress(sqlite3.Error):
                self._cursors.pop().close()
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was closed
            _undo(self.raw)

    async def is_free(self) -> bool:
        """Whether nothing is open, once the thread has done what it was left with."""
        if self.raw.in_transaction:
            await self._worker.run(_nothing)
        return not self.raw.in_transaction

    def drop(self) -> asyncio.Future[None]:
        """Close it, after all that its thread still does; whatever goes wrong with that, it is used no more."""
        closed = self._worker.run(self._drop)
        self._worker.close()
        return closed

    def _drop(self) -> None:
        self._undo()
        with contextlib.suppress(sqlite3.Error):
            self.raw.close()

    async def aclose(self) -> None:
        """Close it, after all that its thread still does."""
        try:
            await self._worker.run(self.raw.close)
        finally:
            self._worker.close()


def _nothing() -> None:
    """What a thread does that is only waited for."""


def _undo(raw: Raw) -> None:
    if raw.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            raw.execute("rollback")


class Writer:
    """The connection that writes, lent to one transaction after another. For one event loop."""

    def __init__(self, connection: Connection, medium: Medium, wait: float) -> None:
        """`wait` bounds, in seconds, how long a transaction waits for those before it, in this process and in others."""
        self.connection = connection
        self._medium = medium
        self._wait = wait
        self._turn = asyncio.Lock()

    async def begin(self, job: Callable[[Raw], T], *, references: bool = True) -> T:
        """Begin a transaction that writes, and with it what `job` does. Raises Busy. `end` gives the connection back.

        `references`: foreign keys are looked at. That is not to be changed within a transaction.
        """
        deadline = time.monotonic() + self._wait
        try:
            async with asyncio.timeout(self._wait):
                await self._turn.acquire()
        except TimeoutError:
            raise Busy("other transactions write for too long") from None
        try:
            if not await self.connection.is_free():
                await self._replace()
            return await self._begin(job, deadline, references=references)
        except BaseException:
            self.end()
            raise

    async def _replace(self) -> None:
        connection = await Connection.open("holdfast-writer", self._medium.open_again)
        old, self.connection = self.connection, connection
        await old.drop()

    async def _begin(self, job: Callable[[Raw], T], deadline: float, *, references: bool) -> T:
        pause = _AGAIN_SECONDS
        begin = partial(_begin, job, self._medium.demand_same, references=references)
        while True:
            try:
                return await self.connection.call(begin)
            except Busy:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.1)

    def end(self) -> None:
        """Undo what is not committed, and let the next one begin."""
        if self.connection.raw.in_transaction or self.connection.was_left:
            self.connection.undo(here=False)
        self.connection.interrupted = False
        self._turn.release()


def _begin(job: Callable[[Raw], T], same: Callable[[], None], raw: Raw, *, references: bool) -> T:
    _undo(raw)
    raw.execute(f"pragma foreign_keys = {'on' if references else 'off'}")
    raw.execute("begin immediate")
    try:
        same()  # what is written into a file that was removed is nowhere
        raw.execute(BEGIN_WRITING)
        return job(raw)
    except BaseException:
        _undo(raw)
        raise


class Readers:
    """Up to `size` connections that read, opened when they are needed, the one used last first. For one event loop."""

    def __init__(self, medium: Medium, size: int, *, wait: float) -> None:
        self.size = size
        self._medium = medium
        self._admission = Admission(size, wait=wait)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._dropped: set[asyncio.Future[None]] = set()

    async def take(self, tenant_id: UUID) -> Connection:
        """A connection for a transaction of this tenant; give it back with `give`. Raises Busy or Unavailable."""
        await self._admission.enter(tenant_id)
        try:
            return await self._free() or await self._opened()
        except BaseException:
            self._admission.leave(tenant_id)
            raise

    async def _free(self) -> Connection | None:
        """An idle one. One that still stands in a moment of the past is not lent to anybody."""
        if self._idle:
            self._medium.demand_same()
        while self._idle:
            connection = self._idle.pop()
            try:
                free = await connection.is_free()
            except BaseException:
                self._drop(connection)
                raise
            if free:
                return connection
            self._drop(connection)
        return None

    async def _opened(self) -> Connection:
        connection = await Connection.open(f"holdfast-reader-{len(self._open)}", self._medium.open_reader)
        self._open.add(connection)
        return connection

    def give(self, tenant_id: UUID, connection: Connection) -> None:
        """Take it back, whatever it was left in the middle of. One that was interrupted is not used again."""
        if connection.interrupted:
            self._drop(connection)
        else:
            connection.undo(here=True)
            self._idle.append(connection)
        self._admission.leave(tenant_id)

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        closed = connection.drop()
        self._dropped.add(closed)
        closed.add_done_callback(self._dropped.discard)

    @contextlib.asynccontextmanager
    async def lent(self, tenant_id: UUID) -> AsyncIterator[Connection]:
        """A connection for one statement."""
        connection = await self.take(tenant_id)
        try:
            yield connection
        finally:
            self.give(tenant_id, connection)

    @property
    def open_connections(self) -> int:
        """How many are open, idle ones included."""
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        """How many wait for work."""
        return len(self._idle)

    async def aclose(self) -> None:
        """Close them all, what is lent too."""
        self._idle.clear()
        while self._open:
            await self._open.pop().aclose()
        for closed in list(self._dropped):
            await closed
