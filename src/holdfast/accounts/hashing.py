"""Passwords are hashed in threads, no more of them at once than there are processors: a hash takes 64 MiB."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from holdfast.errors import Busy
from holdfast.identity.passwords import PasswordHasher

MAX_WAITING: Final = 200
"""Hashes that wait or run; whoever comes then is asked to come back."""

T = TypeVar("T")


class HashingPool:
    """A hasher's slow half. The bound is the pool's size: a caller who goes away does not make room for another hash."""

    def __init__(self, hasher: PasswordHasher, *, threads: int | None = None) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="password")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """See `PasswordHasher.hash`."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """See `PasswordHasher.verify`: one hash is computed whatever the arguments."""
        return await self._run(lambda: self._hasher.verify(stored, password))

    def needs_rehash(self, stored: str) -> bool:
        """Whether a record was made at another cost than today's."""
        return self._hasher.needs_rehash(stored)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Busy("too many passwords are being checked")
        self._waiting += 1
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        running.add_done_callback(self._done)
        return await running

    def _done(self, _running: asyncio.Future[T]) -> None:
        self._waiting -= 1

    def close(self) -> None:
        """Start no further hash."""
        self._pool.shutdown(wait=False, cancel_futures=True)
