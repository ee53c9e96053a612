"""Who waits for a tenant's next change."""

from __future__ import annotations

import asyncio
from uuid import UUID

from holdfast.store.watch import Heads

TENANT, OTHER = UUID(int=1), UUID(int=2)


class Log:
    """Heads as another process moves them."""

    def __init__(self) -> None:
        self.heads: dict[UUID, int] = {}
        self.looked = 0
        self.broken = False

    async def look_up(self, tenant_id: UUID) -> int:
        self.looked += 1
        if self.broken:
            raise ConnectionError
        return self.heads.get(tenant_id, 0)


async def test_what_stands_already_is_told_at_once() -> None:
    log = Log()
    log.heads[TENANT] = 7
    heads = Heads(log.look_up, poll=0.01)
    assert await heads.next(TENANT, 3, seconds=5) == 7
    await heads.aclose()


async def test_a_flush_of_this_process_is_told_without_looking() -> None:
    log = Log()
    heads = Heads(log.look_up, poll=60)
    waiting = asyncio.create_task(heads.next(TENANT, 4, seconds=5))
    await asyncio.sleep(0.02)
    heads.tell(OTHER, 9)
    heads.tell(TENANT, 4)
    await asyncio.sleep(0.02)
    assert not waiting.done()
    heads.tell(TENANT, 5)
    assert await waiting == 5
    assert log.looked == 1
    await heads.aclose()


async def test_a_flush_of_another_process_is_found_and_nothing_is_none() -> None:
    log = Log()
    heads = Heads(log.look_up, poll=0.01)
    assert await heads.next(TENANT, 0, seconds=0.05) is None
    waiting = asyncio.create_task(heads.next(TENANT, 0, seconds=5))
    await asyncio.sleep(0.02)
    log.heads[TENANT] = 1
    assert await waiting == 1
    await heads.aclose()


async def test_one_look_serves_all_who_watch_and_ends_with_them() -> None:
    log = Log()
    heads = Heads(log.look_up, poll=0.02)
    await asyncio.gather(*(heads.next(TENANT, 0, seconds=0.1) for _ in range(50)))
    assert log.looked < 12
    await asyncio.sleep(0.15)
    looked = log.looked
    await asyncio.sleep(0.1)
    assert log.looked == looked
    await heads.aclose()


async def test_a_database_that_does_not_answer_ends_no_stream() -> None:
    log = Log()
    log.broken = True
    heads = Heads(log.look_up, poll=0.01)
    waiting = asyncio.create_task(heads.next(TENANT, 0, seconds=5))
    await asyncio.sleep(0.05)
    log.broken, log.heads[TENANT] = False, 3
    assert await waiting == 3
    await heads.aclose()


async def test_many_are_woken_some_at_a_time_and_all_of_them() -> None:
    log = Log()
    heads = Heads(log.look_up, poll=60)
    told: list[int] = []

    async def watch(place: int) -> None:
        assert await heads.next(TENANT, 0, seconds=5) == 3
        told.append(place)

    watching = [asyncio.create_task(watch(place)) for place in range(100)]
    await asyncio.sleep(0.02)
    heads.tell(TENANT, 2)
    heads.tell(TENANT, 3)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < len(told) < 100
    await asyncio.gather(*watching)
    assert told == list(range(100))
    await heads.aclose()
