"""One run of a job: the work and the heartbeat beside each other; whichever ends first decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from holdfast.errors import HoldfastError, JobTimedOut, LeaseLost
from holdfast.model.job import Job
from holdfast.model.types import JsonType
from holdfast.runtime.jobs.context import JobContext
from holdfast.runtime.jobs.entities import Result
from holdfast.runtime.jobs.lease import Lease, Leases
from holdfast.runtime.jobs.watchdog import Watchdog

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

PARTLY_FAILED: Final = "partly_failed"
_HANDING_BACK_SECONDS: Final = 5.0
_TOLD_TO_STOP: Final = 3
"""So often a job is told to stop before its process is ended."""
_LARGEST_REPORT: Final = 16_384
_log = logging.getLogger("holdfast.jobs")


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a run. `due` is when the job runs again, where that is known."""

    name: str
    result: Result
    code: str | None = None
    report: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    due: datetime | None = None
    error: BaseException | None = None


async def run_now(
    platform: Platform, job: Job, leases: Leases, *, tell: Callable[[str], None], watchdog: Watchdog
) -> Ended:
    """Run a job in the foreground, under the lease that workers take. Raises JobHeld."""
    return await carry_out(platform, job, await leases.take(job), tell=tell, watchdog=watchdog)


async def carry_out(
    platform: Platform, job: Job, lease: Lease, *, tell: Callable[[str], None], watchdog: Watchdog
) -> Ended:
    """Do the work and keep the lease meanwhile. Whoever is cancelled hands the job back, to be taken up from its checkpoint."""
    context = JobContext(platform, lease, tell)
    began = time.monotonic()
    with watchdog.over(lease):
        work = asyncio.create_task(_begun(job, context))
        keeping = asyncio.create_task(lease.keep())
        both: set[asyncio.Task[Any]] = {work, keeping}
        try:
            await asyncio.wait(both, timeout=job.limit.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _stop(work, context, lease, watchdog)
            await _put_down(keeping)
            await _hand_back(job, lease)
            raise
        finished, late = work.done(), not keeping.done()
        await _stop(work, context, lease, watchdog)
        lost = keeping.done()
        await _put_down(keeping)
        if finished:
            ended = _judged(job, work, context)
        else:
            ended = _lost(job) if lost or not late else _judged_late(job, work, context)
        due = None if ended.result == "lost" else await _entered(job, lease, ended)
    return Ended(job.name, ended.result, ended.code, ended.report, time.monotonic() - began, due, ended.error)


async def _begun(job: Job, context: JobContext) -> Any:
    return await job.run(context)


def _judged_late(job: Job, work: asyncio.Task[Any], context: JobContext) -> Ended:
    """Whatever it did in the end: it was past its limit, and told to stop."""
    error = None if work.cancelled() else work.exception()
    return _lost(job) if isinstance(error, LeaseLost) else _failed(job, JobTimedOut(where=job.name), context)


def _judged(job: Job, work: asyncio.Task[Any], context: JobContext) -> Ended:
    if work.cancelled():
        return Ended(job.name, "failed", "cancelled", _kept(context.told_problems()))
    error = work.exception()
    if isinstance(error, LeaseLost):
        return _lost(job)
    if error is not None:
        return _failed(job, error, context)
    failed = bool(context.problems)
    report = _reported(work.result(), context)
    return Ended(job.name, "failed" if failed else "done", PARTLY_FAILED if failed else None, report)


def _failed(job: Job, error: BaseException, context: JobContext) -> Ended:
    code = error.code if isinstance(error, HoldfastError) else type(error).__name__
    return Ended(job.name, "failed", code[:64], _kept(context.told_problems()), error=error)


def _lost(job: Job) -> Ended:
    return Ended(job.name, "lost", LeaseLost.code, error=LeaseLost(where=job.name))


def _reported(said: Any, context: JobContext) -> dict[str, Any]:
    report = _kept({} if said is None else said)
    problems = _kept(context.told_problems())
    return {**report, **problems}


def _kept(report: Any) -> dict[str, Any]:
    """A report as the store keeps it. A bad one spoils no work that is done."""
    try:
        given = dict(report)
        plain = JsonType().normalise(given)
    except (TypeError, ValueError):
        return {"report": "is no JSON"}
    if not isinstance(plain, dict) or len(json.dumps(plain)) > _LARGEST_REPORT:
        return {"report": "is too large"}
    return {name: plain[name] for name in given}


async def _entered(job: Job, lease: Lease, ended: Ended) -> datetime | None:
    """When the job is due again; None where what became of it could not be entered: then it is taken for lost, and repeated."""
    try:
        return await lease.end(job, ended.result, code=ended.code, report=ended.report)
    except HoldfastError as error:
        _log.warning("job %s is %s, which could not be entered: %s", job.name, ended.result, error.code)
        return None


async def _hand_back(job: Job, lease: Lease) -> None:
    """Bounded: who could not hand back is found to be silent."""
    with contextlib.suppress(HoldfastError, TimeoutError):
        async with asyncio.timeout(_HANDING_BACK_SECONDS):
            await lease.end(job, "handed_back", code=None, report={})
            _log.info("job %s is handed back", job.name)


async def _stop(work: asyncio.Task[Any], context: JobContext, lease: Lease, watchdog: Watchdog) -> None:
    """Cancel the work, again and again, while the lease is kept, until it ends: nobody may begin beside it. The watchdog ends
    the process of a job that does not heed it; a thread is waited for.
    """
    told = 0
    while not work.done():
        work.cancel()
        await _wait(work, lease.timing.give_up)
        told = 0 if context.threads else told + 1
        if told >= _TOLD_TO_STOP and not work.done():
            watchdog.give_up(lease)


async def _wait(task: asyncio.Task[Any], seconds: float) -> None:
    """For a task or until so long has passed, however often this task is cancelled meanwhile."""
    deadline = time.monotonic() + seconds
    while not task.done() and (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=left)


async def _put_down(keeping: asyncio.Task[None]) -> None:
    keeping.cancel()
    while not keeping.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({keeping})
    if not keeping.cancelled():
        keeping.exception()  # that the lease is lost is known
