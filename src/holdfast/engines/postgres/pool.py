"""Connections, opened when they are needed; `engines.admission` says who may use one now.

The driver's own pool is not used: its bookkeeping on acquire and release costs 10 µs, a quarter of a point read, and does not
know tenants. There is nothing to reset between calls, because the context of a tenant is local to its transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

from holdfast.engines.admission import SHARE, Admission
from holdfast.engines.postgres._errors import translated

SETTLE_SECONDS = 5.0


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
