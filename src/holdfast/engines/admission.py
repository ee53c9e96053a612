"""Who may use a connection now: never more calls than connections, and of one tenant never more than its share.

A hot tenant waits for itself while the others pass. Waiting is bounded, and ends in Busy.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from holdfast.errors import Busy

_Place = asyncio.Future[None]

SHARE = 0.75
WAIT_SECONDS = 5.0


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
