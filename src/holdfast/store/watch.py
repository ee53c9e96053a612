"""Who waits for a tenant's next change: told by the flushes of this process, and looked up for those of others.

It is a hint and no more. Whoever is told reads the log, so that one that gets lost costs a moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

POLL_SECONDS: Final = 2.0
LOOKS_A_SECOND: Final = 50
"""However many tenants are watched: beyond a hundred of them, each is looked at less often."""


AT_ONCE: Final = 32
"""So many watchers of a tenant are woken together; then others get their turn, before the next."""


class Heads:
    """The last number of each tenant that somebody watches."""

    def __init__(self, look_up: Callable[[UUID], Awaitable[int]], *, poll: float = POLL_SECONDS) -> None:
        """`look_up` reads a tenant's head: every `poll` seconds for each tenant that is watched, however many watch it, and at
        most `LOOKS_A_SECOND` times a second for all of them.
        """
        self._look_up = look_up
        self._poll = poll
        self._watched: dict[UUID, _Watched] = {}

    def tell(self, tenant_id: UUID, number: int) -> None:
        """A flush has committed."""
        watched = self._watched.get(tenant_id)
        if watched is not None:
            watched.move(number)

    async def next(self, tenant_id: UUID, after: int, *, seconds: float) -> int | None:
        """The tenant's head once it is beyond `after`; None if that takes longer than `seconds`."""
        watched = self._watched.get(tenant_id)
        if watched is None:
            watched = self._watched[tenant_id] = _Watched()
            watched.looking = asyncio.create_task(self._look(tenant_id, watched))
        watched.watchers += 1
        try:
            async with asyncio.timeout(seconds):
                while watched.head <= after:
                    await watched.moved()
            return watched.head
        except TimeoutError:
            return None
        finally:
            watched.watchers -= 1

    async def _look(self, tenant_id: UUID, watched: _Watched) -> None:
        """Look at other processes' flushes until nobody has watched for a whole round."""
        idle = 0
        while idle < 2:
            try:
                watched.move(await self._look_up(tenant_id))
            except Exception:  # noqa: BLE001 (a database that does not answer now is asked again; nobody waits for this)
                await asyncio.sleep(self._poll)
            await asyncio.sleep(max(self._poll, len(self._watched) / LOOKS_A_SECOND))
            idle = 0 if watched.watchers else idle + 1
        if self._watched.get(tenant_id) is watched:
            del self._watched[tenant_id]

    async def aclose(self) -> None:
        """Look no more."""
        looking = [watched.looking for watched in self._watched.values() if watched.looking is not None]
        self._watched.clear()
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


class _Watched:
    """One tenant's head, and who waits for it to move.

    They are woken some at a time: whoever was woken first has asked for the changes, and has them, before the last of many
    has even been told.
    """

    def __init__(self) -> None:
        self.head = -1
        self.watchers = 0
        self.looking: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._due: deque[asyncio.Future[None]] = deque()
        self._waking: asyncio.Handle | None = None

    async def moved(self) -> None:
        """Wait for the next move."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = None
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def move(self, number: int) -> None:
        if number <= self.head:
            return
        self.head = number
        self._due.extend(self._waiting)
        self._waiting.clear()
        if self._waking is None:
            self._wake()

    def _wake(self) -> None:
        for _ in range(min(AT_ONCE, len(self._due))):
            future = self._due.popleft()
            if not future.done():
                future.set_result(None)
        self._waking = asyncio.get_running_loop().call_soon(self._wake) if self._due else None
