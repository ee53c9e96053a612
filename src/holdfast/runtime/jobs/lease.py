"""Leases: who runs a job, held by compare-and-set on the job's state. Of two that take one at once, one gets it.

Each write names the version that it replaces. A version that has moved on is looked at: where the run is still ours, an
answer was lost on its way and the write is repeated; where it is not, LeaseLost.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from holdfast.errors import AlreadyExists, Duplicate, JobHeld, LeaseLost, NotFound, StaleVersion, Unavailable
from holdfast.model.ids import new_id
from holdfast.model.job import Job
from holdfast.runtime.jobs.entities import JobRun, JobState, Result, state_id
from holdfast.runtime.jobs.rules import Timing, Watch, failures_after, next_after
from holdfast.store.session import Session
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

Trigger = Literal["schedule", "command"]
KEPT_RUNS: Final = 100
KEPT_FOR: Final = timedelta(days=90)
_TRIES: Final = 5
_FREE: Final[Mapping[str, Any]] = {
    "run_id": None,
    "host": None,
    "pid": None,
    "held_since": None,
    "beat_at": None,
}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease: a process of a machine."""

    host: str = field(default_factory=lambda: socket.gethostname()[:255])
    pid: int = field(default_factory=os.getpid)


class Leases:
    """The leases of a store, as one process takes them."""

    def __init__(
        self,
        store: Store,
        timing: Timing,
        *,
        who: Holder | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`monotonic` measures how long others have been silent."""
        self.store = store
        self.timing = timing
        self.who = who or Holder()
        self.monotonic = monotonic
        self.watch = Watch(monotonic, timing)

    def session(self) -> Session:
        """Rows of the realm."""
        return self.store.session(Scope.realm(reason="run jobs"))

    async def states(self, jobs: Iterable[Job]) -> dict[str, JobState]:
        """Where each job stands. One that was never heard of is entered, due at its next time."""
        known = {job.name: job for job in jobs}
        found = await self._read(known)
        new = [job for name, job in known.items() if name not in found]
        for job in new:
            await self._enter(job)
        return {**found, **(await self._read([job.name for job in new]) if new else {})}

    async def _read(self, names: Iterable[str]) -> dict[str, JobState]:
        ids = tuple(map(state_id, names))
        async with self.session() as session:
            page = await session.select(JobState, {"id__in": ids}, limit=1_000)
        return {state.name: state for state in page.items}

    async def _enter(self, job: Job) -> None:
        due = job.schedule.after(self.store.clock(), name=job.name)
        try:
            async with self.session() as session:
                await session.put(JobState(id=state_id(job.name), name=job.name, next_at=due))
        except (AlreadyExists, Duplicate):
            return  # another worker has entered it

    async def claim(self, state: JobState, trigger: Trigger) -> Lease | None:
        """The lease of a job that nobody holds; None where somebody else has been faster."""
        now, run_id = self.store.clock(), new_id()
        who = {"host": self.who.host, "pid": self.who.pid}
        held = {
            **who,
            "run_id": run_id,
            "fence": state.fence + 1,
            "held_since": now,
            "beat_at": now,
            "beats": state.beats + 1,
            "silence": round(self.timing.silence * 1000),
        }
        began = self.monotonic()
        try:
            async with self.session() as session:
                receipt = await session.patch(JobState, state.id, held, if_version=state.version)
                await session.put(
                    JobRun(
                        id=run_id,
                        name=state.name,
                        fence=state.fence + 1,
                        trigger=trigger,
                        started_at=now,
                        **who,
                    )
                )
        except (StaleVersion, NotFound):
            return None
        return Lease(self, state, run_id, receipt.outcome.version, began)

    async def take(self, job: Job) -> Lease:
        """The lease of a job, now. A holder that seems to have gone is watched first, for as long as it may be silent.

        Raises JobHeld where somebody holds it.
        """
        state = (await self.states([job]))[job.name]
        watched = state
        while state.run_id is not None:
            if (state.fence, state.beats) != (watched.fence, watched.beats) or self._seems_alive(state):
                raise held_by(state)
            if self.watch.is_silent(state):
                await self.end_lost(job, state)
            else:
                await asyncio.sleep(self.timing.beat)
            state = (await self.states([job]))[job.name]
        lease = await self.claim(state, "command")
        if lease is None:
            raise held_by((await self.states([job]))[job.name])
        return lease

    def _seems_alive(self, state: JobState) -> bool:
        """By the clocks on the wall, which may be wrong: then it is merely watched in vain, or refused too soon."""
        span = timedelta(seconds=self.timing.silence / 2)
        return state.beat_at is not None and abs(self.store.clock() - state.beat_at) < span

    async def end_lost(self, job: Job, state: JobState) -> bool:
        """Free a job whose holder has gone; whether it was this process that did it."""
        now = self.store.clock()
        failures = failures_after("lost", state.failures)
        freed = {**_FREE, "failures": failures, "next_at": next_after(job, "lost", failures, now)}
        try:
            async with self.session() as session:
                run = None if state.run_id is None else await session.find(JobRun, state.run_id)
                await session.patch(JobState, state.id, freed, if_version=state.version)
                if run is not None:
                    lost = {"result": "lost", "code": LeaseLost.code, "ended_at": now}
                    await session.patch(JobRun, run.id, lost)
        except (StaleVersion, NotFound):
            return False
        return True

    async def forget_runs(self, name: str, *, kept: int = KEPT_RUNS) -> None:
        """Keep the last runs of a job, and none that is too old."""
        oldest = self.store.clock() - KEPT_FOR
        async with self.session() as session:
            page = await session.select(JobRun, {"name": name}, sort="-started_at", limit=kept + 50)
        recent = [run for run in page.items[:kept] if run.started_at >= oldest]
        for run in page.items[len(recent) :]:
            try:
                async with self.session() as session:
                    await session.delete(JobRun, run.id)
            except NotFound:
                continue  # another worker keeps house too


class Lease:
    """The right to run a job, until it is ended or lost."""

    def __init__(self, leases: Leases, state: JobState, run_id: UUID, version: int, began: float) -> None:
        """Private: see `Leases.claim`."""
        self.name = state.name
        self.fence = state.fence + 1
        self.run_id = run_id
        self.checkpoint: dict[str, Any] = state.checkpoint
        self.notes: dict[str, Any] = state.notes
        self._leases = leases
        self._state_id = state.id
        self._version = version
        self._beats = state.beats + 1
        self._failures = state.failures
        self._kept_at = began
        self._turn = asyncio.Lock()
        self.ended = False

    @property
    def timing(self) -> Timing:
        """How long it may be silent."""
        return self._leases.timing

    @property
    def silent_for(self) -> float:
        """Seconds since the last beat that got through was begun."""
        return self._leases.monotonic() - self._kept_at

    async def renew(self, **values: Any) -> None:
        """A beat, and with it a new checkpoint or notes. Raises LeaseLost."""
        began = self._leases.monotonic()
        self._beats += 1
        beat = {"beats": self._beats, "beat_at": self._leases.store.clock()}
        await self._write({**beat, **values})
        self._kept_at = max(began, self._kept_at)

    async def keep(self) -> None:
        """Beat until cancelled. Raises LeaseLost where somebody else has it, or no beat got through for too long."""
        timing = self._leases.timing
        while True:
            await asyncio.sleep(timing.beat)
            try:
                async with asyncio.timeout(max(0.0, timing.give_up - self.silent_for)):
                    await self.renew()
            except (Unavailable, TimeoutError):
                if self.silent_for >= timing.give_up:
                    raise LeaseLost("no heartbeat got through", where=self.name) from None

    async def end(self, job: Job, result: Result, *, code: str | None, report: Mapping[str, Any]) -> datetime:
        """Enter what became of the run and give the lease back; returns when the job is due again. Raises LeaseLost."""
        now = self._leases.store.clock()
        failures = failures_after(result, self._failures)
        due = next_after(job, result, failures, now)
        freed = {**_FREE, "failures": failures, "next_at": due}
        if result == "done":
            freed["checkpoint"] = {}
        entry = {"result": result, "code": code, "report": dict(report), "ended_at": now}
        await self._insist(lambda: self._write(freed, entry))
        self.ended = True
        return due

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write while the lease is surely ours, and at least once: a database that does not answer may do so in a moment."""
        timing = self._leases.timing
        try:
            async with asyncio.timeout(max(timing.beat, timing.give_up - self.silent_for)):
                while True:
                    try:
                        return await write()
                    except Unavailable:
                        await asyncio.sleep(timing.beat / 4)
        except TimeoutError:
            raise Unavailable("the lease could not be given back in time", where=self.name) from None

    async def _write(self, values: Mapping[str, Any], entry: Mapping[str, Any] | None = None) -> None:
        async with self._turn:
            for _ in range(0 if self.ended else _TRIES):
                try:
                    async with self._leases.session() as session:
                        receipt = await session.patch(
                            JobState, self._state_id, values, if_version=self._version
                        )
                        if entry is not None:
                            await session.patch(JobRun, self.run_id, entry)
                    self._version = receipt.outcome.version
                    return
                except (StaleVersion, NotFound):
                    self._version = await self._version_if_ours()
        raise LeaseLost(where=self.name)

    async def _version_if_ours(self) -> int:
        async with self._leases.session() as session:
            state = await session.find(JobState, self._state_id)
        if state is None or state.run_id != self.run_id:
            raise LeaseLost(where=self.name)
        return state.version


def held_by(state: JobState) -> JobHeld:
    """Who runs a job, and since when."""
    since = f", since {state.held_since.isoformat(timespec='seconds')}" if state.held_since else ""
    who = f"process {state.pid} on {state.host}{since}" if state.pid else "another process, a moment ago"
    return JobHeld(
        f"This job is being run by {who}.",
        where=state.name,
        hint="Wait until it has ended; `holdfast jobs history` shows when. One that has died is replaced in a moment.",
    )
