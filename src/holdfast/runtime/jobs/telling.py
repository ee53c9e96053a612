"""What the commands and `status` show of jobs and workers, as plain values. Reads, and enters nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from holdfast.model.job import Job
from holdfast.model.query import MAX_LIMIT
from holdfast.runtime.jobs.entities import JobRun, JobState, WorkerRecord, state_id
from holdfast.runtime.jobs.rules import Timing
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

OVERDUE_AFTER: Final = timedelta(hours=1)
"""A job that is due for so long has nobody who runs it."""
_REASON: Final = "look at the jobs"


async def list_jobs(platform: Platform) -> list[dict[str, Any]]:
    """Each job: when it runs, what it does, how it stands."""
    jobs = platform.jobs
    states = await _states(platform)
    return [await _told(platform, job, states.get(name)) for name, job in jobs.items()]


async def _states(platform: Platform) -> dict[str, JobState]:
    ids = tuple(map(state_id, platform.jobs))
    async with platform.store.session(Scope.realm(reason=_REASON)) as session:
        page = await session.select(JobState, {"id__in": ids}, limit=MAX_LIMIT)
    return {state.name: state for state in page.items}


async def _told(platform: Platform, job: Job, state: JobState | None) -> dict[str, Any]:
    now = platform.store.clock()
    last = await _last_run(platform, job.name)
    return {
        "name": job.name,
        "schedule": str(job.schedule),
        "summary": job.summary,
        "state": _state(state, now),
        "last_run": last and last.started_at,
        "last_result": last and last.result,
        "last_code": last and last.code,
        "next_run": state and state.next_at,
        "failures": state.failures if state else 0,
        "held_by": f"{state.host}, process {state.pid}" if state and state.run_id else None,
        "held_since": state and state.held_since,
    }


async def _last_run(platform: Platform, name: str) -> JobRun | None:
    async with platform.store.session(Scope.realm(reason=_REASON)) as session:
        page = await session.select(JobRun, {"name": name}, sort="-started_at", limit=1)
    return page.items[0] if page.items else None


def _state(state: JobState | None, now: datetime) -> str:
    if state is None:
        return "waiting for a worker"
    if state.run_id is not None:
        return "running"
    if state.next_at + OVERDUE_AFTER < now:
        return "overdue"
    if state.failures:
        return "failing"
    return "due" if state.next_at <= now else "waiting"


async def list_runs(platform: Platform, name: str | None, *, limit: int) -> list[dict[str, Any]]:
    """The last runs, of one job or of all, the latest first."""
    where = {} if name is None else {"name": name}
    async with platform.store.session(Scope.realm(reason=_REASON)) as session:
        page = await session.select(JobRun, where, sort="-started_at", limit=limit)
    return [
        {
            "name": run.name,
            "started": run.started_at,
            "ended": run.ended_at,
            "host": run.host,
            "pid": run.pid,
            "trigger": run.trigger,
            "result": run.result,
            "code": run.code,
            "report": run.report,
        }
        for run in page.items
    ]


async def list_workers(platform: Platform) -> list[dict[str, Any]]:
    """The workers that have been seen just now."""
    latest = platform.store.clock() - timedelta(seconds=Timing(platform.settings.worker_silence).silence)
    async with platform.store.session(Scope.realm(reason=_REASON)) as session:
        page = await session.select(WorkerRecord, {"seen_at__gte": latest}, sort="seen_at")
    return [
        {"host": each.host, "pid": each.pid, "started": each.started_at, "seen": each.seen_at}
        for each in page.items
    ]


async def read_jobs(platform: Platform) -> dict[str, Any]:
    """Workers and jobs, for `status`."""
    listed = await list_jobs(platform)
    by_state = {state: [job["name"] for job in listed if job["state"] == state] for state in _LOUD}
    return {"workers": await list_workers(platform), "declared": len(listed), **by_state}


_LOUD: Final = ("running", "failing", "overdue")
