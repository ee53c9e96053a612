"""Jobs on a store that forgets and on a SQLite file, with a clock and a watch that tests set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from holdfast.model.job import Job
from holdfast.runtime.assembly import Platform, open_platform
from holdfast.runtime.jobs.entities import JobRun, JobState, state_id
from holdfast.runtime.jobs.lease import Holder, Leases
from holdfast.runtime.jobs.rules import Timing
from holdfast.runtime.jobs.worker import Worker
from holdfast.runtime.settings import Settings, load_settings
from holdfast.tenancy.scope import Scope
from holdfast.testing.clock import ManualClock

QUICK = Timing(silence=0.6)


@dataclass
class Site:
    """A platform, and what its jobs have left."""

    platform: Platform
    clock: ManualClock
    watch: list[float] = field(default_factory=lambda: [0.0])
    workers: list[Worker] = field(default_factory=list)

    def leases(self, pid: int = 1, timing: Timing = QUICK) -> Leases:
        """Those of a process that is called so. It measures silence by `watch`."""
        return Leases(self.platform.store, timing, who=Holder("here", pid), monotonic=lambda: self.watch[0])

    def worker(self, *jobs: Job, pid: int = 1, **options: Any) -> Worker:
        """One that is put down with the test."""
        made = Worker(self.platform, jobs, QUICK, who=Holder("here", pid), **options)
        self.workers.append(made)
        return made

    async def state(self, job: Job) -> JobState:
        async with self.platform.store.session(Scope.realm(reason="test")) as session:
            return await session.get(JobState, state_id(job.name))

    async def runs(self, job: Job) -> list[JobRun]:
        """The oldest first."""
        async with self.platform.store.session(Scope.realm(reason="test")) as session:
            page = await session.select(JobRun, {"name": job.name}, sort="started_at", limit=1_000)
        return sorted(page.items, key=lambda run: run.fence)


@pytest.fixture(params=["memory", "sqlite"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that lead to each engine, with a home of their own."""
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    return load_settings(tmp_path, {"DATABASE_URL": url, "HOLDFAST_HOME": str(tmp_path / "home")})


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    async with open_platform(settings, make=True) as platform:
        clock = ManualClock()
        platform.store.clock = platform.store.flusher._clock = platform.accounts._clock = clock
        made = Site(platform, clock)
        yield made
        for worker in made.workers:
            await worker._put_down()
