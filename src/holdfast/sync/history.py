"""How far the history of a tenant may go: not what a device, a cursor or an open conflict still rests on.

A cursor behind the horizon is not answered, so no merge has its base there; the engine itself removes nothing above it.
What an open conflict shows of both sides stands in the history behind its base.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final
from uuid import UUID

from holdfast.engines.port import HistoryKey, Pruned, Transaction
from holdfast.store.store import Store
from holdfast.sync.entities import Conflict
from holdfast.tenancy.scope import Scope

_REASON: Final = "prune the history"
_PAGE: Final = 500


async def prune(
    store: Store,
    tenant_id: UUID,
    *,
    older_than: datetime,
    after: HistoryKey | None = None,
    limit: int = 5_000,
) -> AsyncIterator[Pruned]:
    """Remove old values that were replaced before `older_than` and are needed by nobody, batch by batch; each tells where
    the next begins, from where it may also be taken up later. The log stays.

    Raises ConfigurationError where the maintenance role's login is not at hand.
    """
    upto = await prunable(store, tenant_id, older_than=older_than)
    while upto > 0:
        pruned = await store.engine.prune_history(tenant_id, upto, after=after, limit=limit)
        yield pruned
        after = pruned.next
        if after is None:
            return


async def prunable(store: Store, tenant_id: UUID, *, older_than: datetime) -> int:
    """The number up to which the history may go; 0 where all of it is needed."""
    scope = Scope.system(tenant_id, reason=_REASON)
    async with store.engine.begin(scope, read_only=True) as tx:
        marks = await tx.marks()
        aged = await last_before(tx, min(marks.head, marks.horizon), older_than)
    return max(0, min(aged, await _needed_by_conflicts(store, scope, aged)))


async def last_before(tx: Transaction, upto: int, moment: datetime) -> int:
    """The last number up to `upto` whose change was made before `moment`, found by halving: numbers follow time, as far as
    the clock did.
    """
    low, high = 0, upto
    while low < high:
        middle = (low + high + 1) // 2
        (change,) = await tx.read_changes(middle - 1, limit=1)
        if change.at < moment:
            low = middle
        else:
            high = middle - 1
    return low


async def _needed_by_conflicts(store: Store, scope: Scope, upto: int) -> int:
    after: str | None = None
    while True:
        async with store.session(scope) as session:
            page = await session.select(Conflict, {"state": "open"}, limit=_PAGE, after=after)
        upto = min([upto, *(min(each.base, each.number - 1) for each in page.items)])
        after = page.next
        if after is None:
            return upto
