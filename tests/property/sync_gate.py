"""An engine whose flushes can be stopped right before they commit, or made to fail there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from holdfast.engines.port import Engine, Transaction
from holdfast.errors import Unavailable
from holdfast.tenancy.scope import Scope


class GatedEngine:
    """Everything is the inner engine's; `hold` and `fail` are about the flushes that take the counter."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner
        self._hold_at = self._fail_at = 0
        self._reached = asyncio.Event()
        self._open = asyncio.Event()
        self.pause = False
        """Let others go first at the end of each transaction, as a network does."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def hold(self, flush: int = 1) -> None:
        """Stop the flush that is the `flush`th from now, before it commits."""
        self._hold_at = flush
        self._reached, self._open = asyncio.Event(), asyncio.Event()

    def fail(self, flush: int = 1) -> None:
        """Let the `flush`th from now fail before it commits."""
        self._fail_at = flush

    async def reached(self, task: asyncio.Task[Any]) -> None:
        """Wait until a flush is stopped, or the task is over without one."""
        waiting = asyncio.create_task(self._reached.wait())
        await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def release(self) -> None:
        """Let everything go on."""
        self._hold_at = self._fail_at = 0
        self._open.set()

    @asynccontextmanager
    async def begin(self, scope: Scope, *, read_only: bool = False) -> AsyncIterator[Transaction]:
        async with self.inner.begin(scope, read_only=read_only) as tx:
            seen = _Seen(tx)
            yield cast("Transaction", seen)
            if self.pause:
                await asyncio.sleep(0)
            if seen.locked:
                await self._before_commit()

    async def _before_commit(self) -> None:
        self._hold_at -= 1
        self._fail_at -= 1
        if self._fail_at == 0:
            raise Unavailable("the machine says so")
        if self._hold_at == 0:
            self._reached.set()
            await self._open.wait()


class _Seen:
    """A transaction of which is known whether it has taken the counter."""

    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self.locked = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def lock(self) -> int:
        self.locked = True
        return await self._inner.lock()
