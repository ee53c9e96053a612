"""Which life of the store this is. A new one begins when the database has gone back in time: then no cursor holds any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from uuid import UUID, uuid4

from holdfast.store.store import Store
from holdfast.sync.entities import STORE_ID, Epoch
from holdfast.tenancy.scope import Scope

KEPT_SECONDS: Final = 2.0
_REASON: Final = "which life of the store"


class StoreEpochs:
    """The store's epoch, read at most every two seconds: another process may begin a new one."""

    def __init__(self, store: Store, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._known: tuple[float, UUID] | None = None

    async def __call__(self) -> UUID:
        """The epoch now; the first one is begun where there is none."""
        now = self._monotonic()
        if self._known is None or self._known[0] < now:
            self._known = now + KEPT_SECONDS, (await self.current()).epoch
        return self._known[1]

    async def current(self) -> Epoch:
        """The store's id and epoch, with when it began and why."""
        scope = Scope.realm(reason=_REASON)
        async with self._store.session(scope) as session:
            found = await session.find(Epoch, STORE_ID)
        return found or await self.begin("the first")

    async def begin(self, reason: str) -> Epoch:
        """Begin a new epoch. Of two that begin one at once, one stands, and both are told which."""
        self._known = None
        scope = Scope.realm(reason=_REASON)
        now = self._store.clock()
        async with self._store.session(scope) as session:
            found = await session.find(Epoch, STORE_ID)
            if found is None:
                await session.put(
                    Epoch(id=STORE_ID, store=uuid4(), epoch=uuid4(), began_at=now, reason=reason)
                )
            else:
                values = {"epoch": uuid4(), "began_at": now, "reason": reason[:128]}
                await session.patch(Epoch, STORE_ID, values)
        async with self._store.session(scope) as session:
            return await session.get(Epoch, STORE_ID)
