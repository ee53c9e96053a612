"""A lease has one holder, and who has lost it cannot write any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from holdfast.errors import JobHeld, LeaseLost
from holdfast.model.job import Job
from holdfast.model.schedule import Every
from holdfast.runtime.jobs.entities import JobRun, JobState, state_id
from holdfast.runtime.jobs.lease import KEPT_RUNS, Lease, Leases
from holdfast.runtime.jobs.rules import Timing
from holdfast.testing.clock import START
from tests.unit.runtime.jobs.conftest import Site


async def _nothing(_: object) -> None:
    """A job's work."""


JOB = Job("tidy", _nothing, Every(timedelta(hours=1)), "Tidies.")


async def claimed(leases: Leases) -> Lease | None:
    return await leases.claim((await leases.states([JOB]))["tidy"], "schedule")


async def test_of_many_that_take_it_at_once_one_gets_it(site: Site) -> None:
    everybody = [site.leases(pid) for pid in range(20)]
    states = [(await leases.states([JOB]))["tidy"] for leases in everybody]
    taken = await asyncio.gather(
        *(leases.claim(state, "schedule") for leases, state in zip(everybody, states, strict=True))
    )
    assert sum(lease is not None for lease in taken) == 1
    assert len(await site.runs(JOB)) == 1


async def test_its_end_says_what_became_of_it_and_frees_it(site: Site) -> None:
    lease = await claimed(site.leases())
    assert lease is not None
    await lease.renew(checkpoint={"row": 7})
    assert (await site.state(JOB)).checkpoint == {"row": 7}
    due = await lease.end(JOB, "done", code=None, report={"removed": 3})
    state, (run,) = await site.state(JOB), await site.runs(JOB)
    assert (due, state.next_at) == (START + timedelta(hours=1), START + timedelta(hours=1))
    assert (state.run_id, state.checkpoint, state.fence) == (None, {}, 1)
    assert (run.result, run.report, run.pid, run.ended_at) == ("done", {"removed": 3}, 1, START)
    with pytest.raises(LeaseLost):
        await lease.renew()


async def test_who_was_replaced_writes_nothing_any_more(site: Site) -> None:
    first, others = await claimed(site.leases(1)), site.leases(2)
    assert first is not None
    await first.renew(checkpoint={"row": 1})
    assert await others.end_lost(JOB, await site.state(JOB))
    second = await claimed(others)
    assert second is not None
    assert (second.fence, second.checkpoint) == (first.fence + 1, {"row": 1})
    for refused in (first.renew(checkpoint={"row": 0}), first.end(JOB, "done", code=None, report={})):
        with pytest.raises(LeaseLost):
            await refused
    await second.end(JOB, "done", code=None, report={})
    assert [run.result for run in await site.runs(JOB)] == ["lost", "done"]


async def test_an_answer_that_got_lost_does_not_lose_the_lease(site: Site) -> None:
    lease = await claimed(site.leases())
    assert lease is not None
    async with site.leases().session() as session:  # what a beat writes whose answer never came
        await session.patch(JobState, state_id("tidy"), {"beats": 77})
    await lease.renew(checkpoint={"row": 2})
    assert (await site.state(JOB)).checkpoint == {"row": 2}


async def test_whoever_wants_it_by_hand_is_told_who_has_it(site: Site) -> None:
    lease = await claimed(site.leases(41))
    assert lease is not None
    with pytest.raises(JobHeld, match="process 41 on here, since 2026-01-31T12:00:00"):
        await site.leases(2).take(JOB)
    await lease.end(JOB, "done", code=None, report={})
    assert (await site.leases(2).take(JOB)).fence == 2


async def test_by_hand_a_holder_that_seems_gone_is_watched_first(site: Site) -> None:
    lease = await claimed(site.leases(41))
    assert lease is not None
    site.clock.advance(timedelta(hours=2))
    other = Leases(site.platform.store, Timing(silence=0.3))
    taking = asyncio.create_task(other.take(JOB))
    await asyncio.sleep(0.1)
    await lease.renew()  # it lives, whatever its clock says
    with pytest.raises(JobHeld):
        await taking
    site.clock.advance(timedelta(hours=2))
    assert (await Leases(site.platform.store, Timing(silence=0.3)).take(JOB)).fence == 2


async def test_the_history_is_bounded(site: Site) -> None:
    leases = site.leases()
    async with leases.session() as session:
        for number in range(KEPT_RUNS + 30):
            at = START - timedelta(days=100 if number < 60 else 1, seconds=-number)
            run = {"fence": number, "trigger": "schedule", "host": "here", "pid": 1, "started_at": at}
            await session.put(JobRun(name="tidy", **run))
    await leases.forget_runs("tidy")
    kept = await site.runs(JOB)
    assert [run.fence for run in kept] == list(range(60, KEPT_RUNS + 30))
