"""Connections, and who may use one now: never more calls than connections, and of one tenant never more than its share.

A hot tenant waits for itself while the others pass. Waiting is bounded, and ends in Busy. The driver's own pool is not
used: its bookkeeping on acquire and release costs 10 µs, a quarter of a point read, and does not know tenants. There is
nothing to reset between calls, because the context of a tenant is local to its transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from holdfast.engines.postgres._errors import translated
from holdfast.errors import Busy

_Place = asyncio.Future[None]

SHARE = 0.75
WAIT_SECONDS = 5.0
SETTLE_SECONDS = 5.0


class Admission:
    """Counts calls in flight, in all and by tenant. For one event loop.

    Who waits is looked at once: either it gets a place, or it is parked with its tenant, which has its share, until that
    tenant gives one back. So a call costs the same however many wait.
    """

    def __init__(self, connections: int, *, share: float = SHARE, wait: float = WAIT_SECONDS) -> None:
        self._free = connections
        self._share = max(1, int(connections * share))
        self._wait = wait
        self._busy: dict[UUID, int] = {}
        self._waiting: dict[_Place, UUID] = {}
        self._parked: dict[UUID, dict[_Place, None]] = {}

    async def enter(self, tenant_id: UUID) -> None:
        """Take a place, at once or within the bounded wait. Raises Busy."""
        if not self._waiting and self._take(tenant_id):
            return
        place: _Place = asyncio.get_running_loop().create_future()
        self._waiting[place] = tenant_id
        self._admit()
        try:
            async with asyncio.timeout(self._wait):
                await place
        except TimeoutError:
            raise Busy("too many calls are waiting for the database") from None
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(tenant_id)
            raise
        finally:
            if not place.done() or place.cancelled():
                self._forget(tenant_id, place)

    def leave(self, tenant_id: UUID) -> None:
        """Give the place back; whoever waits longest and may have it gets it."""
        self._free += 1
        left = self._busy[tenant_id] - 1
        if left:
            self._busy[tenant_id] = left
        else:
            del self._busy[tenant_id]
        if tenant_id in self._parked:
            self._admit_parked(tenant_id)
        if self._waiting:
            self._admit()

    def _take(self, tenant_id: UUID) -> bool:
        held = self._busy.get(tenant_id, 0)
        if self._free == 0 or held >= self._share:
            return False
        self._free -= 1
        self._busy[tenant_id] = held + 1
        return True

    def _admit_parked(self, tenant_id: UUID) -> None:
        """Whoever is parked was there before all that have not been looked at yet."""
        parked = self._parked[tenant_id]
        while parked:
            place = next(iter(parked))
            if not place.done():
                if not self._take(tenant_id):
                    return
                place.set_result(None)
            del parked[place]
        del self._parked[tenant_id]

    def _admit(self) -> None:
        while self._waiting and self._free:
            place, tenant_id = next(iter(self._waiting.items()))
            del self._waiting[place]
            if place.done():
                continue
            if self._take(tenant_id):
                place.set_result(None)
            else:
                self._parked.setdefault(tenant_id, {})[place] = None

    def _forget(self, tenant_id: UUID, place: _Place) -> None:
        self._waiting.pop(place, None)
        parked = self._parked.get(tenant_id)
        if parked is not None:
            parked.pop(place, None)
            if not parked:
                del self._parked[tenant_id]


class Pool:
    """Up to `size` connections, opened when they are needed, the one used last first. For one event loop."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int, *, share: float = SHARE
    ) -> None:
        self.size = size
        self._connect = connect
        self._admission = Admission(size, share=share)
        self._idle: list[asyncpg.Connection] = []
        self._lent: set[asyncpg.Connection] = set()
        self._closed = False
        self._all_back = asyncio.Event()
        self._settling: set[asyncio.Task[None]] = set()

    async def take(self, tenant_id: UUID) -> asyncpg.Connection:
        """A connection for a call of this tenant; give it back with `give`. Raises Busy or Unavailable."""
        await self._admission.enter(tenant_id)
        try:
            connection = self._next_idle()
            if connection is None:
                with translated():
                    connection = await self._connect()
        except BaseException:
            self._admission.leave(tenant_id)
            raise
        self._lent.add(connection)
        return connection

    def give(self, tenant_id: UUID, connection: asyncpg.Connection) -> None:
        """Take it back. One that was closed, or left in the middle of something, is dropped."""
        self._lent.discard(connection)
        if self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)
        if self._closed and not self._lent:
            self._all_back.set()
        self._admission.leave(tenant_id)

    def settle(self, tenant_id: UUID, connection: asyncpg.Connection) -> None:
        """Take back one whose call was cancelled, once the server has stopped what it did. Until then its place is taken."""
        task = asyncio.get_running_loop().create_task(self._settle(tenant_id, connection))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle(self, tenant_id: UUID, connection: asyncpg.Connection) -> None:
        """The driver asks the server to stop, and lets the next statement wait until it has."""
        try:
            await connection.execute("rollback", timeout=SETTLE_SECONDS)
        except BaseException as error:
            connection.terminate()
            if not isinstance(error, Exception):
                raise
        finally:
            self.give(tenant_id, connection)

    def _next_idle(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    @property
    def open_connections(self) -> int:
        """How many are open, idle ones included."""
        return len(self._idle) + len(self._lent)

    @property
    def idle_connections(self) -> int:
        """How many wait for work."""
        return len(self._idle)

    async def aclose(self) -> None:
        """Close what is idle; what is lent is closed when it comes back, or cut after ten seconds."""
        self._closed = True
        if self._lent:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10):
                    await self._all_back.wait()
        for connection in self._lent:
            connection.terminate()
        for connection in self._idle:
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)
        self._idle.clear()
