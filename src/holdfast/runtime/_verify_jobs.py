"""The check of jobs: a throw-away job is run under a lease, and the real ones are looked at."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import uuid4

from holdfast.model.job import Job
from holdfast.model.query import MAX_LIMIT
from holdfast.model.schedule import Every
from holdfast.runtime.assembly import Platform
from holdfast.runtime.checking import Failed, must
from holdfast.runtime.jobs.context import JobContext
from holdfast.runtime.jobs.entities import JobState, state_id
from holdfast.runtime.jobs.lease import Leases
from holdfast.runtime.jobs.rules import Timing
from holdfast.runtime.jobs.running import carry_out
from holdfast.runtime.jobs.telling import read_jobs
from holdfast.runtime.jobs.watchdog import Watchdog

_PREFIX: Final = "verify-"
_STALE: Final = timedelta(hours=1)


async def check_leases(platform: Platform) -> str:
    """One takes the lease and another is refused it; the run is entered, and both are removed again."""
    timing = Timing(platform.settings.worker_silence)
    one, other = Leases(platform.store, timing), Leases(platform.store, timing)
    await _remove_leftovers(one)
    job = Job(f"{_PREFIX}{uuid4().hex[:12]}", _try_out, Every(timedelta(days=1)), "Tries the leases out.")
    try:
        state = (await one.states([job]))[job.name]
        lease = await one.claim(state, "command")
        must(lease is not None, "a free job's lease could not be had")
        must(await other.claim(state, "command") is None, "two had the lease of one job")
        if lease is not None:
            ended = await carry_out(
                platform, job, lease, tell=lambda _: None, watchdog=Watchdog(timing, bite=None)
            )
            must(ended.result == "done", f"a throw-away job is {ended.result}: {ended.code}")
    finally:
        await _remove(one, job.name)
    found = await read_jobs(platform)
    wrong = [f"{state}: {', '.join(found[state])}" for state in ("failing", "overdue") if found[state]]
    if wrong:
        raise Failed(f"{'; '.join(wrong)}; see `holdfast jobs list`")
    workers = len(found["workers"])
    return f"a lease taken, kept and given back; {found['declared']} jobs, none fails or is overdue, {workers} workers"


async def _try_out(context: JobContext) -> None:
    await context.save({"half": True})
    await context.guard()


async def _remove(leases: Leases, name: str) -> None:
    await leases.forget_runs(name, kept=0)
    async with leases.session() as session:
        if await session.find(JobState, state_id(name)) is not None:
            await session.delete(JobState, state_id(name))


async def _remove_leftovers(leases: Leases) -> None:
    """What a verification that was killed has left."""
    latest = leases.store.clock() - _STALE
    async with leases.session() as session:
        states = (await session.select(JobState, limit=MAX_LIMIT)).items
    for state in states:
        if state.name.startswith(_PREFIX) and (state.created_at or latest) < latest:
            await _remove(leases, state.name)
