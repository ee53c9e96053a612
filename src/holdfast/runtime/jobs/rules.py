"""What is decided about jobs, without doing any of it: who is due, when again, whose lease has run out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from holdfast.model.job import Job
from holdfast.runtime.jobs.entities import JobState, Result

_FIRST_WAIT: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = timedelta(hours=1)
_LOST_AT_ONCE: Final = 2
"""So many lost runs in a row are taken up again at once; then the job may be what takes its workers down."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How quickly a worker that has gone is replaced. All follows from `silence`: seconds without a beat."""

    silence: float = 30.0

    @property
    def beat(self) -> float:
        """Between two beats of a holder, and two looks of a worker."""
        return self.silence / 6

    @property
    def give_up(self) -> float:
        """After so long without a beat that got through, a holder stops: before anybody takes over."""
        return self.silence / 2

    @property
    def last_resort(self) -> float:
        """After so long it is ended, whatever it does."""
        return self.silence * 3 / 4


def is_due(job: Job, state: JobState, now: datetime) -> bool:
    """Whether the job is to run. A time that lies further ahead than any can lie was set by a clock that was wrong, or for
    another schedule.
    """
    furthest = max(job.schedule.longest, _LONGEST_WAIT if state.failures else timedelta())
    return not now < state.next_at <= now + furthest


def failures_after(result: Result, failures: int) -> int:
    """How many runs have failed in a row, after this one."""
    match result:
        case "failed" | "lost":
            return failures + 1
        case "handed_back":
            return failures
        case _:
            return 0


def next_after(job: Job, result: Result, failures: int, now: datetime) -> datetime:
    """When the job is due again after a run; `failures` counts this one. What was not finished is taken up at once."""
    if result == "handed_back" or (result == "lost" and failures <= _LOST_AT_ONCE):
        return now
    if failures:
        return now + wait_after(failures)
    return job.schedule.after(now, name=job.name)


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, an hour at most."""
    doubled: int = 2 ** min(failures - 1, 20)
    return min(_FIRST_WAIT * doubled, _LONGEST_WAIT)


@dataclass(slots=True)
class Watch:
    """What this process has seen of others' leases, by its own watch: `monotonic`."""

    monotonic: Callable[[], float]
    timing: Timing
    _seen: dict[str, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def is_silent(self, state: JobState) -> bool:
        """Whether the holder has not moved for so long that it counts as gone."""
        now, mark = self.monotonic(), (state.fence, state.beats)
        known = self._seen.get(state.name)
        if known is None or known[0] != mark:
            self._seen[state.name] = mark, now
            return False
        return now - known[1] >= max(self.timing.silence, state.silence / 1000)


def names_at_once(states: Mapping[str, JobState], running: int, most: int, due: list[str]) -> list[str]:
    """Which of the due jobs are begun now: those that have waited longest, as far as there is room."""
    return sorted(due, key=lambda name: states[name].next_at)[: max(0, most - running)]
