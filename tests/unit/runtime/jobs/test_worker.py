"""A worker does what is due, once; puts down what it has; and goes on where another one stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from holdfast import JobContext
from holdfast.errors import Busy, Conflict, Unavailable
from holdfast.model.job import Job
from holdfast.model.schedule import Every
from holdfast.runtime.jobs.lease import Lease, Leases
from holdfast.runtime.jobs.rules import Timing
from holdfast.runtime.jobs.running import PARTLY_FAILED, run_now
from holdfast.runtime.jobs.watchdog import Watchdog
from holdfast.testing.clock import START
from tests.unit.runtime.jobs.conftest import QUICK, Site

HOUR = timedelta(hours=1)
UNHURRIED = Timing(silence=1.5)
Work = Callable[[JobContext], Awaitable[Any]]


def job(run: Work, *, name: str = "tidy", limit: timedelta = HOUR) -> Job:
    return Job(name, run, Every(HOUR), "Tidies.", limit=limit)


async def settle(site: Site, declared: Job, results: list[str], *, seconds: float = 5.0) -> None:
    """Wait until the job's runs have ended so."""
    deadline = time.monotonic() + seconds
    while [run.result for run in await site.runs(declared)] != results:
        assert time.monotonic() < deadline, [run.result for run in await site.runs(declared)]
        await asyncio.sleep(0.01)


async def at_work(site: Site, *jobs: Job, grace: float = 5.0) -> tuple[asyncio.Task[None], asyncio.Event]:
    stop = asyncio.Event()
    return asyncio.create_task(site.worker(*jobs).run(stop, grace=grace)), stop


async def due(site: Site, declared: Job) -> None:
    """Enter it, and let its time come."""
    await site.leases().states([declared])
    site.clock.advance(HOUR)


async def test_what_is_due_runs_once_and_again_at_its_next_time(site: Site) -> None:
    ran: list[int] = []

    async def work(context: JobContext) -> dict[str, int]:
        ran.append(context.fence)
        return {"count": len(ran)}

    tidy = job(work)
    worker = site.worker(tidy)
    await worker.look()
    assert (await site.state(tidy)).next_at == START + HOUR
    assert ran == []
    site.clock.advance(timedelta(days=30))  # all these times were missed
    for _ in range(3):
        await worker.look()
        await settle(site, tidy, ["done"])
    assert ran == [1]
    assert (await site.state(tidy)).next_at == START + timedelta(days=30) + HOUR
    assert (await site.runs(tidy))[0].report == {"count": 1}


async def test_a_clock_that_goes_back_keeps_no_job_from_running(site: Site) -> None:
    async def work(_: JobContext) -> None:
        return None

    tidy = job(work)
    worker = site.worker(tidy)
    await due(site, tidy)
    await worker.look()
    await settle(site, tidy, ["done"])
    site.clock.advance(-timedelta(days=400))
    await worker.look()
    await settle(site, tidy, ["done", "done"])
    assert (await site.state(tidy)).next_at == site.clock.now + HOUR


async def test_two_workers_do_nothing_twice(site: Site) -> None:
    inside = most = ran = 0

    async def work(_: JobContext) -> None:
        nonlocal inside, most, ran
        inside, ran = inside + 1, ran + 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    tidy = job(work)
    workers = [site.worker(tidy, pid=pid) for pid in range(4)]
    for turn in range(1, 11):
        await due(site, tidy)
        await asyncio.gather(*(worker.look() for worker in workers))
        await settle(site, tidy, ["done"] * turn)
    assert (most, ran) == (1, 10)


async def test_a_job_that_raises_is_recorded_and_tried_again_later(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(_: JobContext) -> None:
        raise Conflict("secret-value") if len(await site.runs(tidy)) == 1 else ValueError("secret-value")

    caplog.set_level(logging.INFO, "holdfast.jobs")
    tidy = job(work)
    worker = site.worker(tidy)
    await due(site, tidy)
    for turn in (1, 2):
        await worker.look()
        await settle(site, tidy, ["failed"] * turn)
        await worker.look()  # not yet
        state = await site.state(tidy)
        assert (state.failures, state.next_at - site.clock.now) == (turn, timedelta(seconds=10 * turn))
        site.clock.advance(timedelta(seconds=10 * turn))
    assert [run.code for run in await site.runs(tidy)] == ["conflict", "ValueError"]
    assert "job tidy failed after" in caplog.text
    assert "secret-value" not in caplog.text


async def test_a_job_that_takes_too_long_is_stopped(site: Site) -> None:
    async def work(_: JobContext) -> None:
        await asyncio.sleep(60)

    tidy = job(work, limit=timedelta(seconds=0.05))
    await due(site, tidy)
    await site.worker(tidy).look()
    await settle(site, tidy, ["failed"])
    assert (await site.runs(tidy))[0].code == "job_timed_out"


async def test_a_tenant_that_fails_stops_no_other(site: Site) -> None:
    for name in ("one", "two", "three"):
        await site.platform.accounts.add_user(f"{name}@example.com", name, "correct horse battery 1")
    seen: list[str] = []

    async def work(context: JobContext) -> dict[str, int]:
        async def each(tenant: Any, scope: Any) -> None:
            seen.append(tenant.slug)
            assert scope.whole_tenant
            assert scope.reason == "tidy"
            if len(seen) == 2:
                raise Busy("this tenant is busy")

        return {"tenants": await context.for_each_tenant(each, reason="tidy")}

    tidy = job(work)
    await due(site, tidy)
    await site.worker(tidy).look()
    await settle(site, tidy, ["failed"])
    (run,) = await site.runs(tidy)
    assert (run.code, run.report["tenants"]) == (PARTLY_FAILED, 2)
    assert run.report["problems"] == {seen[1]: "busy"}
    assert len(seen) == 3


async def test_the_retry_after_a_tenant_that_failed_does_it(site: Site) -> None:
    for name in ("one", "two", "three"):
        await site.platform.accounts.add_user(f"{name}@example.com", name, "correct horse battery 1")
    seen: list[str] = []

    async def work(context: JobContext) -> dict[str, int]:
        async def each(tenant: Any, _: Any) -> None:
            seen.append(tenant.slug)
            if len(seen) in {2, 5}:
                raise Busy("this tenant is busy")

        return {"tenants": await context.for_each_tenant(each, reason="tidy")}

    tidy = job(work)
    worker = site.worker(tidy)
    await due(site, tidy)
    for results in (["failed"], ["failed", "failed"], ["failed", "failed", "done"]):
        await worker.look()
        await settle(site, tidy, results)
        assert (await site.state(tidy)).checkpoint == {}
        site.clock.advance(timedelta(minutes=5))
    assert [run.report["tenants"] for run in await site.runs(tidy)] == [2, 2, 3]
    assert seen == seen[:3] * 3


async def test_a_tenant_that_failed_before_a_stop_is_done_by_the_next_run(site: Site) -> None:
    for name in ("one", "two", "three"):
        await site.platform.accounts.add_user(f"{name}@example.com", name, "correct horse battery 1")
    seen: list[str] = []

    async def work(context: JobContext) -> dict[str, int]:
        async def each(tenant: Any, _: Any) -> None:
            seen.append(tenant.slug)
            if len(seen) == 1:
                raise ValueError
            if len(seen) == 3:
                raise Unavailable("the database is gone")

        return {"tenants": await context.for_each_tenant(each, reason="tidy")}

    tidy = job(work)
    worker = site.worker(tidy)
    await due(site, tidy)
    await worker.look()
    await settle(site, tidy, ["failed"])
    site.clock.advance(timedelta(minutes=5))
    await worker.look()
    await settle(site, tidy, ["failed", "done"])
    assert seen[3:] == [seen[0], seen[2]]
    assert (await site.runs(tidy))[1].report == {"tenants": 2}


async def test_a_worker_that_ends_lets_short_work_finish_and_hands_back_the_rest(site: Site) -> None:
    release, counted = asyncio.Event(), 0

    async def short(_: JobContext) -> None:
        await asyncio.sleep(0.1)

    async def long(context: JobContext) -> None:
        nonlocal counted
        for number in range(context.checkpoint.get("next", 0), 10):
            counted += 1
            await context.save({"next": number + 1})
            if number == 4:
                await release.wait()

    jobs = job(short, name="short"), job(long, name="long")
    for each in jobs:
        await site.leases().states([each])
    site.clock.advance(HOUR)
    task, stop = await at_work(site, *jobs, grace=0.3)
    while counted < 5:
        await asyncio.sleep(0.01)
    stop.set()
    await task
    assert [run.result for run in await site.runs(jobs[0])] == ["done"]
    assert [run.result for run in await site.runs(jobs[1])] == ["handed_back"]
    state = await site.state(jobs[1])
    assert (state.run_id, state.checkpoint, state.next_at) == (None, {"next": 5}, site.clock.now)
    release.set()
    await site.worker(jobs[1], pid=2).look()
    await settle(site, jobs[1], ["handed_back", "done"])
    assert counted == 10


async def test_a_worker_that_has_gone_is_replaced_where_it_stopped(site: Site) -> None:
    async def work(context: JobContext) -> dict[str, Any]:
        return {"from": context.checkpoint["row"]}

    tidy = job(work)
    leases = site.leases(pid=7)
    await due(site, tidy)
    lease = await leases.claim((await leases.states([tidy]))["tidy"], "schedule")
    assert lease is not None
    await lease.renew(checkpoint={"row": 12})
    now = [0.0]
    worker = site.worker(tidy, monotonic=lambda: now[0])
    for moved in (0.0, 0.59):
        now[0] += moved
        await worker.look()
        assert (await site.state(tidy)).run_id == lease.run_id
    now[0] += 0.02
    await worker.look()
    await settle(site, tidy, ["lost", "done"])
    assert (await site.runs(tidy))[1].report == {"from": 12}


async def test_a_database_that_is_gone_is_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows: list[int] = []

    async def work(context: JobContext) -> None:
        for row in range(context.checkpoint.get("row", 0), 6):
            rows.append(row)
            await context.save({"row": row + 1})
            if row == 3 and len(rows) == 4:
                gone[0] = True

    gone = [False]
    engine = site.platform.store.engine
    begin = engine.begin

    def refusing(*arguments: Any, **options: Any) -> Any:
        if gone[0]:
            raise Unavailable("the database is gone")
        return begin(*arguments, **options)

    monkeypatch.setattr(engine, "begin", refusing)
    tidy = job(work)
    await due(site, tidy)
    task, stop = await at_work(site, tidy)
    while not gone[0]:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    gone[0] = False
    await settle(site, tidy, ["lost", "done"])
    assert rows == [0, 1, 2, 3, 4, 4, 5]  # what was done and could not be saved is done again
    stop.set()
    await task
    assert "the worker cannot look at its jobs" in caplog.text
    assert "the worker looks at its jobs again" in caplog.text


async def test_a_job_whose_heart_does_not_beat_is_stopped(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def work(_: JobContext) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def lost(*_: object, **__: object) -> None:
        raise Unavailable("no way to the database")

    tidy = job(work)
    await due(site, tidy)
    monkeypatch.setattr(Lease, "renew", lost)
    began = time.monotonic()
    await site.worker(tidy).look()
    async with asyncio.timeout(5):
        await ended.wait()
    assert time.monotonic() - began < QUICK.silence


async def test_a_job_that_blocks_its_process_is_bitten_before_anybody_takes_over(site: Site) -> None:
    bitten: list[tuple[str, float]] = []
    began = time.monotonic()

    async def work(_: JobContext) -> None:
        time.sleep(QUICK.silence)  # neither its heart beats nor can it be cancelled

    dog = Watchdog(QUICK, lambda name: bitten.append((name, time.monotonic() - began)))
    tidy = job(work)
    await due(site, tidy)
    worker = site.worker(tidy, watchdog=dog)
    began = time.monotonic()
    await worker.look()
    await settle(site, tidy, ["done"])
    name, after = bitten[0]
    assert name == "tidy"
    assert QUICK.last_resort <= after < QUICK.silence


async def test_a_thread_is_waited_for_and_the_job_is_held_meanwhile(site: Site) -> None:
    at_work: list[int] = []
    beside: list[int] = []

    def compute(context: JobContext, *, seconds: float) -> int:
        beside.extend(at_work)
        at_work.append(context.fence)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
        at_work.remove(context.fence)
        return context.fence

    async def work(context: JobContext) -> dict[str, int]:
        short = await context.in_thread(compute, context, seconds=0.01)
        await context.in_thread(compute, context, seconds=3.0 if short == 1 else 0)
        return {"short": short}

    tidy = job(work, limit=timedelta(seconds=0.5))
    leases = Leases(site.platform.store, UNHURRIED)
    bitten: list[str] = []
    dog = Watchdog(UNHURRIED, bitten.append)
    ended = await run_now(site.platform, tidy, leases, tell=lambda _: None, watchdog=dog)
    assert (ended.result, ended.code, at_work) == ("failed", "job_timed_out", [])
    assert ended.seconds > 2.9
    assert (await site.state(tidy)).beats > 5  # twice as long as it may be silent
    again = await run_now(site.platform, tidy, leases, tell=lambda _: None, watchdog=dog)
    assert (again.result, again.report) == ("done", {"short": 2})
    assert (beside, bitten) == ([], [])


async def test_the_work_in_a_thread_is_told_when_its_worker_ends(site: Site) -> None:
    turns: list[int] = []

    def compute(context: JobContext) -> None:
        while not context.stopping and len(turns) < 1_000:
            turns.append(1)
            time.sleep(0.01)

    async def work(context: JobContext) -> None:
        await context.in_thread(compute, context)

    tidy = job(work)
    await due(site, tidy)
    task, stop = await at_work(site, tidy, grace=0.05)
    while not turns:
        await asyncio.sleep(0.01)
    stop.set()
    await task
    assert [run.result for run in await site.runs(tidy)] == ["handed_back"]
    assert len(turns) < 1_000


@pytest.mark.parametrize("heeds", [2, 99])
async def test_a_job_that_swallows_its_end_is_told_again_and_bitten_at_last(site: Site, heeds: int) -> None:
    told = 0
    bitten = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work(_: JobContext) -> dict[str, int]:
        nonlocal told
        while not bitten.is_set():
            try:
                await asyncio.sleep(0.02)
            except asyncio.CancelledError:
                told += 1
                if told == heeds:
                    raise
        return {"told": told}

    tidy = job(work, limit=timedelta(seconds=0.05))

    def bite(_: str) -> None:
        loop.call_soon_threadsafe(bitten.set)

    leases = Leases(site.platform.store, UNHURRIED)
    dog = Watchdog(UNHURRIED, bite)
    ended = await run_now(site.platform, tidy, leases, tell=lambda _: None, watchdog=dog)
    assert (ended.result, ended.code) == ("failed", "job_timed_out")
    assert (told, bitten.is_set()) == ((2, False) if heeds == 2 else (told, True))
    assert told >= 2


@pytest.mark.parametrize(
    "report",
    [
        {"when": START},
        {"ratio": float("nan")},
        {"count": 2**64},
        {"text": "a\x00b"},
        {"text": "\ud800"},
        {1: 2},
        ["no", "object"],
        7,
        {"deep": json.loads("[" * 100 + "]" * 100)},
    ],
    ids=["time", "nan", "large", "nul", "surrogate", "key", "list", "number", "deep"],
)
async def test_a_report_that_is_no_json_spoils_nothing(
    site: Site, report: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(_: JobContext) -> Any:
        return report

    caplog.set_level(logging.INFO, "holdfast.jobs")
    tidy = job(work)
    await due(site, tidy)
    await site.worker(tidy).look()
    await settle(site, tidy, ["done"])
    assert (await site.runs(tidy))[0].report == {"report": "is no JSON"}
    assert (await site.state(tidy)).run_id is None
    assert "job tidy done" in caplog.text


async def test_a_problem_that_cannot_be_kept_spoils_no_report(site: Site) -> None:
    class Odd(Conflict):
        code = "odd" * 40

    async def work(context: JobContext) -> dict[str, int]:
        if not (await site.runs(tidy))[1:]:
            raise Odd("it is odd")
        context.problem("a\x00b", "odd")
        return {"count": 3}

    tidy = job(work)
    await due(site, tidy)
    for results in (["failed"], ["failed", "failed"]):
        await site.worker(tidy).look()
        await settle(site, tidy, results)
        site.clock.advance(timedelta(minutes=5))
    first, second = await site.runs(tidy)
    assert (first.code, second.code) == (Odd.code[:64], PARTLY_FAILED)
    assert second.report == {"count": 3, "report": "is no JSON"}
