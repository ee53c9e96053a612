"""The queue of a tenant: what waits is bounded in time and in bytes, and nobody is told of what was never committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast import Store, new_id
from holdfast.engines.port import WritePlan
from holdfast.engines.postgres import engine as postgres_engine
from holdfast.engines.postgres.engine import PostgresEngine
from holdfast.errors import Busy, Duplicate, HoldfastError
from holdfast.store import _lane
from holdfast.store.store import Store as AnyStore
from holdfast.testing.planned import WithoutPlans
from tests.attack.entities import Folder, Notice
from tests.attack.wall import CATALOG, SECRET, Wall


async def put(store: AnyStore, scope: Any, *rows: Any) -> None:
    async with store.session(scope) as session:
        await session.batch(rows)


async def patch(store: AnyStore, scope: Any, entity: Any, row_id: Any, **changes: Any) -> None:
    async with store.session(scope) as session:
        await session.patch(entity, row_id, changes)


async def delete(store: AnyStore, scope: Any, *rows: Any) -> None:
    async with store.session(scope) as session:
        for row in rows:
            await session.delete(type(row), row.id)


@asynccontextmanager
async def counter_held(store: Store, wall: Wall) -> AsyncIterator[None]:
    """As another process would hold it."""
    other = await PostgresEngine.open(wall.logins, pool_size=1)
    try:
        async with other.begin(wall.ann) as tx:
            await tx.lock()
            yield
    finally:
        await other.aclose()


async def test_no_write_waits_longer_than_the_bound_whatever_waits_before_it(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes of different kinds cannot share a flush, and each flush waits for the counter anew."""
    monkeypatch.setattr(postgres_engine, "_LOCK_TIMEOUT", "400ms")
    monkeypatch.setattr(_lane, "WAIT_SECONDS", 0.5)
    row_id = wall.rows["ann"][2].id
    async with wall.store() as store, counter_held(store, wall):
        began = time.monotonic()
        waiting = []
        for number in range(10):
            waiting.append(put(store, wall.ann, Notice(text=f"held {number}")))
            waiting.append(patch(store, wall.ann, Notice, row_id, text=f"held {number}"))
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(error, Busy) for error in told)
        assert time.monotonic() - began < 2


async def test_a_flush_holds_no_more_bytes_than_the_bound(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lane, "MAX_GROUP_BYTES", 100_000)
    sizes: list[int] = []
    async with wall.store() as store:
        run = store.engine.run

        async def counted(scope: Any, plan: Any) -> Any:
            if isinstance(plan, WritePlan):
                sizes.append(len(plan.writes))
            return await run(scope, plan)

        monkeypatch.setattr(store.engine, "run", counted)
        rows = [Notice(text="x" * 30_000) for _ in range(10)]
        await asyncio.gather(*(put(store, wall.ann, row) for row in rows))
        assert sum(sizes) == 10
        assert max(sizes) == 3
        large = [Notice(text="y" * 300_000), Notice(text="z" * 300_000)]
        await put(store, wall.ann, *large)  # what one session commits at once is not torn apart
        await delete(store, wall.ann, *rows, *large)


async def test_what_waits_for_one_tenant_is_bounded_in_bytes(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lane, "MAX_WAITING_BYTES", 1_000_000)
    monkeypatch.setattr(_lane, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(postgres_engine, "_LOCK_TIMEOUT", "400ms")
    async with wall.store() as store:
        async with counter_held(store, wall):
            rows = [Notice(text="x" * 300_000) for _ in range(9)]
            tasks = [asyncio.create_task(put(store, wall.ann, row)) for row in rows]
            await asyncio.sleep(0.1)
            refused = [task for task in tasks if task.done()]
            assert 4 <= len(refused) < 9
            assert all(isinstance(task.exception(), Busy) for task in refused)
            assert all(isinstance(e, Busy) for e in await asyncio.gather(*tasks, return_exceptions=True))
        await put(store, wall.ann, rows[0])
        await delete(store, wall.ann, rows[0])


async def test_nobody_is_told_of_a_state_that_was_never_committed(wall: Wall) -> None:
    """Three share a flush: a row is deleted, then patched, and the third breaks it. Alone, the first may fail as well."""
    taken, row = f"taken {new_id()}", Notice(text="there")
    async with wall.store() as planned:
        store = AnyStore(WithoutPlans(planned.engine), CATALOG, cursor_secret=SECRET)
        await put(store, wall.ann, row, first := Folder(label=taken))
        begin, begun = store.engine.begin, 0

        @asynccontextmanager
        async def second_fails(scope: Any, **options: Any) -> AsyncIterator[Any]:
            nonlocal begun
            begun += 1
            if begun == 3:  # the opening write, the shared flush, the deletion alone
                raise HoldfastError("no luck")
            async with begin(scope, **options) as tx:
                yield tx

        store.engine.begin = second_fails  # type: ignore[method-assign]
        told = await asyncio.gather(
            put(store, wall.ann, opening := Notice(text="opens the queue")),
            delete(store, wall.ann, row),
            patch(store, wall.ann, Notice, row.id, text="still there"),
            put(store, wall.ann, Folder(label=taken)),
            return_exceptions=True,
        )
        assert told[0] is None
        assert type(told[1]) is HoldfastError
        assert told[2] is None, "the row was never deleted"
        assert isinstance(told[3], Duplicate)
        await delete(planned, wall.ann, row, first, opening)
