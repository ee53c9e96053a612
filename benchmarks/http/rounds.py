"""The measuring: short runs, the targets taking turns, so that a slow minute of the machine falls on all of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

from benchmarks.errors import BenchmarkError
from benchmarks.http.load import Load, run_load
from benchmarks.http.workload import OPERATIONS, Operation, Spread
from benchmarks.machine import busy_seconds, cpu_seconds
from benchmarks.postgres import Postgres
from benchmarks.targets.target import Seeded, Target

WARM_UP = 0
WARM_UP_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds` runs of `seconds` for each target, operation and spread, after a short round that is not counted."""

    rounds: int
    seconds: float
    connections: int
    spreads: tuple[Spread, ...]

    @property
    def scenarios(self) -> list[tuple[Spread, Operation]]:
        return list(itertools.product(self.spreads, OPERATIONS))

    @property
    def runs_per_target(self) -> int:
        return (1 + self.rounds) * len(self.scenarios)

    def seconds_of(self, number: int) -> float:
        return self.seconds * (WARM_UP_SHARE if number == WARM_UP else 1)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. Rates a second; latencies in milliseconds; CPU in microseconds an operation.

    `busy` is how much of a core the server used, `others` how many cores were used by what is no part of the benchmark.
    """

    target: str
    operation: str
    spread: str
    round: int
    rate: float
    p50_ms: float
    p99_ms: float
    server_us: float
    postgres_us: float
    busy: float
    others: float
    bytes: float


class Subject:
    """A target that runs and holds its rows."""

    def __init__(self, target: Target, base_url: str, seeded: dict[str, list[Seeded]]) -> None:
        self.name = target.name
        self.base_url = base_url
        self.process = psutil.Process(target.pid())
        self._collection = target.collection
        self._seeded = seeded
        self._requests: dict[tuple[str, str], Iterator[bytes]] = {}

    def requests(self, operation: Operation, spread: Spread) -> Iterator[bytes]:
        """Endless. It goes on where the last run stopped: an update never repeats the one before it."""
        key = operation.name, spread.name
        if key not in self._requests:
            ready = operation.requests(self._collection, self._seeded[spread.name])
            self._requests[key] = itertools.cycle(ready)
        return self._requests[key]


@dataclass(frozen=True, slots=True)
class _Used:
    """CPU seconds, so far or in one run."""

    server: float
    postgres: float
    others: float

    @classmethod
    def so_far(cls, subject: Subject, postgres: Postgres) -> Self:
        server, database = cpu_seconds(subject.process), postgres.cpu_seconds()
        return cls(server, database, busy_seconds() - server - database - time.process_time())

    def since(self, before: Self) -> _Used:
        return _Used(
            self.server - before.server, self.postgres - before.postgres, self.others - before.others
        )


def run_rounds(
    subjects: Sequence[Subject], postgres: Postgres, plan: Plan, progress: Callable[[str], None]
) -> list[Sample]:
    """Warm up, then measure. BenchmarkError if any answer had another status than the right one."""
    samples = []
    for number in range(WARM_UP, plan.rounds + 1):
        for spread, operation in plan.scenarios:
            for subject in _rotated(subjects, number):
                progress(f"{operation.name}, {spread.name}: {subject.name}")
                load, used = _run(subject, postgres, operation, spread, number, plan)
                if number != WARM_UP:
                    samples.append(_sample(subject, operation, spread, number, load, used))
    return samples


def _rotated(subjects: Sequence[Subject], by: int) -> list[Subject]:
    start = by % len(subjects)
    return [*subjects[start:], *subjects[:start]]


def _run(
    subject: Subject, postgres: Postgres, operation: Operation, spread: Spread, number: int, plan: Plan
) -> tuple[Load, _Used]:
    requests = subject.requests(operation, spread)
    before = _Used.so_far(subject, postgres)
    load = run_load(
        subject.base_url,
        requests,
        status=operation.status,
        seconds=plan.seconds_of(number),
        connections=plan.connections,
    )
    used = _Used.so_far(subject, postgres).since(before)
    if load.unexpected:
        counts = ", ".join(f"{count} times {status}" for status, count in load.unexpected.items())
        raise BenchmarkError(f"{subject.name}: {operation.name}, {spread.name}: wrong answers: {counts}")
    return load, used


def _sample(
    subject: Subject, operation: Operation, spread: Spread, number: int, load: Load, used: _Used
) -> Sample:
    return Sample(
        target=subject.name,
        operation=operation.name,
        spread=spread.name,
        round=number,
        rate=load.rate,
        p50_ms=load.percentile(0.5) * 1e3,
        p99_ms=load.percentile(0.99) * 1e3,
        server_us=used.server / load.operations * 1e6,
        postgres_us=used.postgres / load.operations * 1e6,
        busy=used.server / load.seconds,
        others=used.others / load.seconds,
        bytes=load.received / load.operations,
    )
