"""Who may use a connection now: in the order of asking, a tenant within its share, at the same cost however many wait."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest

from holdfast import new_id
from holdfast.engines.admission import Admission
from holdfast.errors import Busy

HOT, COLD = new_id(), new_id()


async def ask(admission: Admission, order: list[str], name: str, tenant_id: UUID) -> None:
    await admission.enter(tenant_id)
    order.append(name)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_hot_tenant_waits_for_itself_and_the_others_pass() -> None:
    admission, order = Admission(4), list[str]()
    tasks = [asyncio.create_task(ask(admission, order, f"hot{n}", HOT)) for n in range(6)]
    await settle()
    assert order == ["hot0", "hot1", "hot2"]
    tasks += [asyncio.create_task(ask(admission, order, f"cold{n}", COLD)) for n in range(2)]
    await settle()
    assert order[3:] == ["cold0"]
    admission.leave(COLD)
    await settle()
    assert order[4:] == ["cold1"]
    admission.leave(HOT)
    await settle()
    assert order[5:] == ["hot3"]
    for tenant_id in (HOT, HOT, HOT, COLD):
        admission.leave(tenant_id)
    await settle()
    assert order[6:] == ["hot4", "hot5"]
    await asyncio.gather(*tasks)


async def test_who_goes_away_while_waiting_takes_no_place_along() -> None:
    admission = Admission(2, share=0.5)
    await admission.enter(HOT)
    waiting = [asyncio.create_task(admission.enter(HOT)) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    admission.leave(HOT)  # to the first, who is gone and has not been told yet
    waiting[1].cancel()
    await settle()
    assert waiting[2].done()
    assert not waiting[2].cancelled()
    admission.leave(HOT)
    await asyncio.wait_for(admission.enter(HOT), 1)
    await asyncio.wait_for(admission.enter(COLD), 1)


async def test_waiting_is_bounded_and_leaves_nothing_behind() -> None:
    admission = Admission(1, wait=0.05)
    await admission.enter(HOT)
    for tenant_id in (HOT, COLD):
        with pytest.raises(Busy):
            await admission.enter(tenant_id)
    admission.leave(HOT)
    assert not admission._waiting
    assert not admission._parked
    assert not admission._busy


async def cost_of_a_call(waiting: int) -> float:
    admission = Admission(8, wait=60)
    for _ in range(6):
        await admission.enter(HOT)

    async def call() -> None:
        await admission.enter(HOT)
        admission.leave(HOT)

    tasks = [asyncio.create_task(call()) for _ in range(waiting)]
    await asyncio.sleep(0.1)
    began = time.perf_counter()
    for _ in range(6):
        admission.leave(HOT)
    await asyncio.gather(*tasks)
    return (time.perf_counter() - began) / waiting


async def test_a_call_costs_the_same_however_many_wait() -> None:
    """It was 2 ms a call with 8,000 waiting, for every tenant of the process."""
    few = min([await cost_of_a_call(400) for _ in range(3)])
    many = min([await cost_of_a_call(8_000) for _ in range(3)])
    assert many < 8 * few
