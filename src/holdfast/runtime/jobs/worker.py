"""The worker: looks at the jobs every few seconds, takes those that are due, and puts all down in order when it ends.

It also frees the jobs of workers that have gone. A database that does not answer is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from holdfast.errors import HoldfastError, NotFound
from holdfast.model.ids import new_id
from holdfast.model.job import Job
from holdfast.runtime.jobs.entities import JobState, WorkerRecord
from holdfast.runtime.jobs.lease import Holder, Lease, Leases
from holdfast.runtime.jobs.rules import Timing, is_due, names_at_once
from holdfast.runtime.jobs.running import Ended, carry_out
from holdfast.runtime.jobs.watchdog import Watchdog

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

MOST_AT_ONCE: Final = 4
GRACE_SECONDS: Final = 5.0
"""How long running jobs may go on when the worker is asked to end."""
_KEPT_WORKERS: Final = timedelta(days=1)
_log = logging.getLogger("holdfast.jobs")


class Worker:
    """Runs a platform's jobs until it is asked to stop. Several beside one another share the work."""

    def __init__(
        self,
        platform: Platform,
        jobs: Iterable[Job],
        timing: Timing,
        *,
        who: Holder | None = None,
        watchdog: Watchdog | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`watchdog` is for a process that does nothing else."""
        self._platform = platform
        self._jobs = {job.name: job for job in jobs}
        self._leases = Leases(platform.store, timing, who=who, monotonic=monotonic)
        self._watchdog = watchdog or Watchdog(timing, bite=None)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._id = new_id()
        self._started_at = platform.store.clock()
        self._unreachable = False

    async def run(self, stop: asyncio.Event, *, grace: float = GRACE_SECONDS) -> None:
        """Work until `stop`. Then what runs may go on for `grace` seconds; what is not done by then is handed back."""
        _log.info("the worker runs, with %d jobs", len(self._jobs))
        try:
            while not stop.is_set():
                await self._look_again()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._leases.timing.beat):
                        await stop.wait()
            if self._running:
                await asyncio.wait(self._running.values(), timeout=grace)
        finally:
            await self._put_down()
        _log.info("the worker has ended")

    async def _look_again(self) -> None:
        try:
            await self.look()
        except HoldfastError as error:
            if not self._unreachable:
                _log.warning("the worker cannot look at its jobs, and tries again: %s", error.code)
            self._unreachable = True
        else:
            if self._unreachable:
                _log.warning("the worker looks at its jobs again")
            self._unreachable = False

    async def look(self) -> None:
        """Free what nobody runs any more, and begin what is due."""
        await self._say_alive()
        states = await self._leases.states(self._jobs.values())
        await self._free_lost(states)
        now = self._platform.store.clock()
        due = [
            name
            for name, state in states.items()
            if state.run_id is None and name not in self._running and is_due(self._jobs[name], state, now)
        ]
        for name in names_at_once(states, len(self._running), MOST_AT_ONCE, due):
            lease = await self._leases.claim(states[name], "schedule")
            if lease is not None:
                self._begin(self._jobs[name], lease)

    async def _free_lost(self, states: dict[str, JobState]) -> None:
        for name, state in states.items():
            held = state.run_id is not None and name not in self._running
            if held and self._leases.watch.is_silent(state):
                if await self._leases.end_lost(self._jobs[name], state):
                    _log.warning("job %s: process %s on %s has gone", name, state.pid, state.host)
                states[name] = (await self._leases.states([self._jobs[name]]))[name]

    def _begin(self, job: Job, lease: Lease) -> None:
        task = asyncio.create_task(self._run(job, lease))
        self._running[job.name] = task
        task.add_done_callback(lambda _: self._running.pop(job.name, None))

    async def _run(self, job: Job, lease: Lease) -> None:
        ended = await carry_out(self._platform, job, lease, tell=_log.debug, watchdog=self._watchdog)
        _log_run(ended)
        with contextlib.suppress(HoldfastError):  # the next run does it
            await self._leases.forget_runs(job.name)

    async def _put_down(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        with contextlib.suppress(HoldfastError, TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                async with self._leases.session() as session:
                    await session.delete(WorkerRecord, self._id)

    async def _say_alive(self) -> None:
        now, leases = self._platform.store.clock(), self._leases
        try:
            async with leases.session() as session:
                await session.patch(WorkerRecord, self._id, {"seen_at": now})
        except NotFound:
            record = WorkerRecord(
                id=self._id,
                host=leases.who.host,
                pid=leases.who.pid,
                started_at=self._started_at,
                seen_at=now,
            )
            async with leases.session() as session:
                await session.put(record)
            await self._forget_workers()

    async def _forget_workers(self) -> None:
        latest = self._platform.store.clock() - _KEPT_WORKERS
        async with self._leases.session() as session:
            gone = (await session.select(WorkerRecord, {"seen_at__lt": latest}, sort="seen_at")).items
        for record in gone:
            with contextlib.suppress(NotFound):
                async with self._leases.session() as session:
                    await session.delete(WorkerRecord, record.id)


def _log_run(ended: Ended) -> None:
    report = json.dumps(ended.report) if ended.report else ""  # it is as the store keeps it
    again = f"; again at {ended.due.isoformat(timespec='seconds')}" if ended.due else ""
    if ended.result == "done":
        _log.info("job %s done in %.1f s%s %s", ended.name, ended.seconds, again, report)
    else:
        _log.warning(
            "job %s %s after %.1f s: %s%s %s",
            ended.name,
            ended.result,
            ended.seconds,
            ended.code,
            again,
            report,
        )
