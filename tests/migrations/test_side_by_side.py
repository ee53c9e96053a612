"""Old and new code at once, while each phase is carried out under them: no error for either, and nobody waits long."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from holdfast.model.entity import Entity
from holdfast.model.ids import new_id
from holdfast.model.markers import Converted, MaxLength, Ref, Was
from holdfast.model.policies import Index, Owned, Unique
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope
from holdfast.testing.conformance.world import World
from tests.conformance.postgres import PostgresHarness
from tests.migrations.bench import SECRET, Bench, catalog

ROWS = {True: 300, False: 5_000}
"""On memory, and elsewhere."""
LONGEST = 0.5
_counter = itertools.count()


class Folder(Entity, table="folders", policies=(Owned(),)):
    user_id: UUID | None = None
    name: str


class OldNote(Entity, table="notes", policies=(Owned(),)):
    user_id: UUID | None = None
    title: Annotated[str, MaxLength(50)]
    kind: Literal["a", "b"] = "a"
    amount: str = "0"
    gone: int
    shelf: UUID | None = None


class NewNote(Entity, table="memos", policies=(Owned(), Was("notes"), Index("stars"), Unique("label"))):
    user_id: UUID | None = None
    headline: Annotated[str, MaxLength(80), Was("title")]
    kind: Literal["a", "b", "c"] = "a"
    amount: Annotated[int, Converted("amount")] = 0
    stars: Annotated[int, Field(ge=0, le=5)] = 3
    label: str | None = None
    shelf: Annotated[UUID, Ref("folders")] | None = None


def old_row() -> Entity:
    number = next(_counter)
    return OldNote(title=f"old {number}", amount=str(number), gone=number)


def new_row() -> Entity:
    number = next(_counter)
    return NewNote(headline=f"new {number}", kind="c", amount=number, label=str(new_id()))


async def work(
    store: Store, scope: Scope, entity: type[Entity], make: Callable[[], Entity], values: Callable[[], Any]
) -> int:
    """What code does all day, until it is stopped; how often."""
    kept: list[UUID] = []
    done = 0
    while True:
        row = make()
        async with store.session(scope) as session:
            await session.put(row)
        kept.append(row.id)
        async with store.session(scope) as session:
            found = await session.get(entity, kept[done % len(kept)])
            assert found.id == kept[done % len(kept)]
            await session.patch(entity, row.id, values())
        async with store.session(scope) as session:
            await session.select(entity, limit=5)
        if done % 3 == 2:
            async with store.session(scope) as session:
                await session.delete(entity, kept.pop())
        done += 1
        await asyncio.sleep(0)


@asynccontextmanager
async def at_work(*loops: Awaitable[int]) -> AsyncIterator[None]:
    """The loops run while the block does; what one of them raises fails the test."""
    tasks = [asyncio.ensure_future(loop) for loop in loops]
    await asyncio.sleep(0.3)
    try:
        yield
        await asyncio.sleep(0.3)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if not isinstance(error, asyncio.CancelledError):
            assert isinstance(error, BaseException)
            raise error


@asynccontextmanager
async def waits_measured(bench: Bench) -> AsyncIterator[list[float]]:
    """The longest waits for locks of anybody but the migrator, sampled."""
    assert isinstance(bench.harness, PostgresHarness)
    connection = await bench.harness._admin(bench.engine)
    waits: list[float] = [0.0]
    text = """select coalesce(max(extract(epoch from clock_timestamp() - l.waitstart)), 0)::double precision
      from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where not l.granted and l.waitstart is not null and a.application_name = 'holdfast'"""

    async def sample() -> None:
        while True:
            waits.append(await connection.fetchval(text))
            await asyncio.sleep(0.02)

    task = asyncio.ensure_future(sample())
    try:
        yield waits
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await connection.close()


@contextlib.asynccontextmanager
async def nothing_measured(_: Bench) -> AsyncIterator[list[float]]:
    yield [0.0]


async def fill(store: Store, scope: Scope, count: int) -> None:
    for _ in range(0, count, 100):
        async with store.session(scope) as session:
            await session.batch([old_row() for _ in range(100)])


async def test_every_phase_runs_under_old_and_new_code(bench: Bench) -> None:
    await bench.become(Folder, OldNote)
    world: World = await bench.world()
    async with bench.elsewhere() as other:
        # Old code runs in another process, where the medium is more than this one's.
        old = Store(other, catalog(Folder, OldNote), cursor_secret=SECRET)
        await under_old_and_new_code(bench, world, old, bench.store(Folder, NewNote))


async def under_old_and_new_code(bench: Bench, world: World, old: Store, new: Store) -> None:
    await fill(old, world.ann, ROWS[bench.on_memory])

    def as_before(scope: Scope) -> Awaitable[int]:
        return work(old, scope, OldNote, old_row, lambda: {"amount": str(next(_counter)), "kind": "b"})

    def as_after(scope: Scope) -> Awaitable[int]:
        return work(new, scope, NewNote, new_row, lambda: {"amount": next(_counter), "stars": 5})

    made = bench.plan(Folder, NewNote)
    measured = waits_measured if bench.on_postgres else nothing_measured
    async with measured(bench) as waits:
        async with at_work(as_before(world.ann), as_before(world.bob), as_before(world.cleo)):
            await bench.apply(made.pre)
        async with at_work(
            as_before(world.ann), as_before(world.cleo), as_after(world.bob), as_after(world.ann)
        ):
            await asyncio.sleep(1)
        async with at_work(as_after(world.ann), as_after(world.bob), as_after(world.cleo)):
            await bench.apply(made.post)
    assert max(waits) < LONGEST
    assert await bench.findings() == ()
    await check_rows(bench, new, world)


async def check_rows(bench: Bench, store: Store, world: World) -> None:
    """What old code wrote reads as it should in new code."""
    after: str | None = None
    seen = 0
    while True:
        async with store.session(world.everyone) as session:
            page = await session.select(NewNote, limit=200, after=after)
        for note in page.items:
            assert isinstance(note, NewNote)
            assert note.stars in {3, 5}
            assert note.amount >= 0
        seen += len(page.items)
        after = page.next
        if after is None:
            break
    assert seen > ROWS[bench.on_memory]
