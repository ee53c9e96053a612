"""What is measured: each scenario on one target at a time, and that its answers are right."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Protocol

import psutil

from benchmarks.errors import BenchmarkError
from benchmarks.http.load import Load, run_load
from benchmarks.machine import cpu_seconds
from benchmarks.postgres import Postgres
from benchmarks.sync.device import Device, edited_row, fresh_id, new_row, push_body
from benchmarks.sync.hints import latencies
from benchmarks.targets.target import Seeded, Target

BATCH = 200
MET = 40
"""Of the rows of a push, how many another device has edited in the same field since."""
MIB = 1024**2


class SyncTarget(Target, Protocol):
    """A target that devices sync with, below `path`."""

    path: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything."""

    pulls: tuple[int, ...]
    tenants: int
    rows_each: int
    one_rows: int
    seconds: float
    pushes: int
    streams: int
    writes: int


FULL = Sizes((100_000, 1_000_000), 1_000, 10, 10_000, 2.0, 24, 1_000, 60)
QUICK = Sizes((2_000,), 5, 10, 200, 0.1, 2, 20, 3)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. `rate` is rows a second in pulls and pushes of batches, requests a second elsewhere; milliseconds; MiB."""

    target: str
    scenario: str
    rate: float
    unit: str
    p50_ms: float | None = None
    p99_ms: float | None = None
    server_us: float | None = None
    postgres_us: float | None = None
    memory: dict[str, float] = field(default_factory=dict)


class Subject:
    """A target that runs, is filled, and knows its devices."""

    def __init__(self, target: SyncTarget, base_url: str, postgres: Postgres, sizes: Sizes) -> None:
        self.name = target.name.removeprefix("sync_")
        self.hints = self.name == "holdfast"
        self.base_url = base_url
        self.path = target.path
        self.sizes = sizes
        self.process = psutil.Process(target.pid())
        self.postgres = postgres
        self.whole = {rows: target.seed(rows, 1)[0] for rows in sizes.pulls}
        self.one = target.seed(sizes.one_rows, 1)
        self.many = target.seed(sizes.tenants * sizes.rows_each, sizes.tenants)
        self._devices: dict[tuple[str, str], Device] = {}
        self._numbers = itertools.count()

    def device(self, tenant: Seeded, name: str) -> Device:
        """A device that has pulled what there is; the same one next time."""
        key = tenant.token, name
        if key not in self._devices:
            device = self._devices[key] = Device(self.base_url, self.path, tenant.token, name)
            device.pull()
            device.close()
        return self._devices[key]

    def spread(self, *, many: bool) -> list[Seeded]:
        return self.many if many else self.one

    def memory(self) -> float:
        """What the server holds, in MiB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return sum(float(process.memory_info().rss) for process in processes) / MIB

    def used(self) -> tuple[float, float]:
        """CPU seconds so far: the server's and PostgreSQL's."""
        return cpu_seconds(self.process), self.postgres.cpu_seconds()

    def number(self) -> int:
        return next(self._numbers)


def tenants_of(sizes: Sizes, *, many: bool) -> str:
    return f"{sizes.tenants:,} tenants" if many else "one tenant"


# -- pulls ------------------------------------------------------------------------------------------------------------


def pull(subject: Subject, rows: int) -> list[Sample]:
    """A first sync, read as fast as it comes."""
    device = Device(subject.base_url, subject.path, subject.whole[rows].token, "first")
    seen = [subject.memory()]
    before, reads = subject.used(), itertools.count()

    def watch() -> None:
        if next(reads) % 16 == 0:
            seen.append(subject.memory())

    pulled = device.first_pull(watch)
    server, postgres = (now - then for now, then in zip(subject.used(), before, strict=True))
    device.close()
    if pulled.rows != rows:
        raise BenchmarkError(f"{subject.name}: a pull of {rows} rows brought {pulled.rows}")
    return [
        Sample(
            subject.name,
            f"first pull, {rows:,} rows",
            pulled.rows / pulled.seconds,
            "rows/s",
            p50_ms=pulled.first_byte * 1e3,
            server_us=server / rows * 1e6,
            postgres_us=postgres / rows * 1e6,
            memory={"before": seen[0], "peak": max(seen), "after": subject.memory()},
        )
    ]


def empty_pull(subject: Subject, *, many: bool) -> list[Sample]:
    """An incremental pull of nothing, over one connection for the latency and over sixteen for the rate."""
    tenants = subject.spread(many=many)
    requests = []
    for tenant in tenants:
        device = subject.device(tenant, "a")
        for _ in range(2):  # the second shows the cursor that the first was given
            device.pull()
        if any(device.pull().values()):
            raise BenchmarkError(f"{subject.name}: a pull of nothing brought something")
        device.close()
        requests.append(device.request("GET", device.pull_path()))
    name = tenants_of(subject.sizes, many=many)
    return [
        _loaded(
            subject, f"empty pull, {name}, {connections} connections", itertools.cycle(requests), connections
        )
        for connections in (1, 16)
    ]


# -- pushes -----------------------------------------------------------------------------------------------------------


def push_new(subject: Subject, *, many: bool) -> list[Sample]:
    """Batches of new rows, from four devices at once, each on what it pulled first."""
    tenants = subject.spread(many=many)[:200]
    devices = [subject.device(tenant, name) for tenant in tenants for name in ("a", "b", "c", "d")]
    name = f"push {BATCH} new rows, {tenants_of(subject.sizes, many=many)}"
    return [_loaded(subject, name, _pushes(subject, devices, BATCH), 4, rows=BATCH)]


def push_one(subject: Subject, *, many: bool) -> list[Sample]:
    """One new row, over one connection."""
    devices = [subject.device(tenant, "a") for tenant in subject.spread(many=many)]
    return [
        _loaded(
            subject, f"push 1 row, {tenants_of(subject.sizes, many=many)}", _pushes(subject, devices, 1), 1
        )
    ]


def _pushes(subject: Subject, devices: list[Device], rows: int) -> Iterator[bytes]:
    for device in itertools.cycle(devices):
        body = push_body([new_row(subject.number()) for _ in range(rows)])
        yield device.request("POST", device.push_path(), body)


def _loaded(
    subject: Subject, name: str, requests: Iterator[bytes], connections: int, *, rows: int | None = None
) -> Sample:
    run_load(subject.base_url, requests, status=200, seconds=0.1, connections=connections)
    before = subject.used()
    load = run_load(
        subject.base_url, requests, status=200, seconds=subject.sizes.seconds, connections=connections
    )
    server, postgres = (now - then for now, then in zip(subject.used(), before, strict=True))
    if load.unexpected:
        raise BenchmarkError(f"{subject.name}: {name}: wrong answers: {dict(load.unexpected)}")
    each = rows or 1
    return _sample(subject, name, load, each, "rows/s" if rows else "req/s", server, postgres)


def _sample(
    subject: Subject, name: str, load: Load, each: int, unit: str, server: float, postgres: float
) -> Sample:
    done = load.operations * each
    return Sample(
        subject.name,
        name,
        load.rate * each,
        unit,
        load.percentile(0.5) * 1e3,
        load.percentile(0.99) * 1e3,
        server / done * 1e6,
        postgres / done * 1e6,
    )


def push_edits(subject: Subject, *, many: bool) -> list[Sample]:
    """Batches of edits, of which `MET` meet another device's edit of the same field. Timed is the push alone."""
    tenants = itertools.cycle(subject.spread(many=many)[:8])
    rows = {tenant.token: [fresh_id() for _ in range(BATCH)] for tenant in subject.spread(many=many)[:8]}
    taken = []
    server = postgres = 0.0
    for turn in range(-len(rows), subject.sizes.pushes):
        tenant = next(tenants)
        device, other = subject.device(tenant, "a"), subject.device(tenant, "b")
        ids = rows[tenant.token]
        if turn < 0:
            device.push(created=[new_row(place, row_id) for place, row_id in enumerate(ids)])
            continue
        device.pull()
        other.pull()
        other.push(updated=[edited_row(row_id, n, f"{turn}.5") for n, row_id in enumerate(ids[:MET])])
        mine = [edited_row(row_id, n, f"{turn}.25") for n, row_id in enumerate(ids)]
        before, started = subject.used(), perf_counter()
        answer = device.push(updated=mine)
        taken.append(perf_counter() - started)
        server, postgres = (
            so_far + now - then
            for so_far, now, then in zip((server, postgres), subject.used(), before, strict=True)
        )
        _check_edits(subject, answer)
        device.close()
        other.close()
    load = Load(sum(taken), sorted(taken), 0, Counter())
    name = f"push {BATCH} edits, {MET} of them conflicts, {tenants_of(subject.sizes, many=many)}"
    return [_sample(subject, name, load, BATCH, "rows/s", server, postgres)]


def _check_edits(subject: Subject, answer: dict[str, object]) -> None:
    """The references leave out what they do not merge; Holdfast takes all, and says what met."""
    met = answer.get("conflicts")
    right = (BATCH, MET) if isinstance(met, list) else (BATCH - MET, 0)
    if (answer["accepted"], len(met) if isinstance(met, list) else 0) != right:
        raise BenchmarkError(f"{subject.name}: a push of edits answers {answer['accepted']}")


# -- hints ------------------------------------------------------------------------------------------------------------


def hint(subject: Subject, *, many: bool) -> list[Sample]:
    """From a write to another device's having it, by the event and the pull that follows, while many others listen."""
    if not subject.hints:
        return []
    sizes, tenants = subject.sizes, subject.spread(many=many)
    writer, reader = subject.device(tenants[0], "a"), subject.device(tenants[0], "b")
    idle = [
        Device(subject.base_url, subject.path, tenants[number % len(tenants)].token, f"idle-{number}")
        for number in range(sizes.streams)
    ]
    writer.pull()
    reader.pull()
    taken = sorted(latencies(writer, reader, idle, sizes.writes, subject.number))
    load = Load(sum(taken), taken, 0, Counter())
    name = f"write to other device, {sizes.streams:,} streams, {tenants_of(sizes, many=many)}"
    return [
        Sample(
            subject.name, name, load.rate, "req/s", load.percentile(0.5) * 1e3, load.percentile(0.99) * 1e3
        )
    ]


Scenario = Callable[[Subject], list[Sample]]


def scenarios(sizes: Sizes) -> list[Scenario]:
    """All of them, in the order in which they are run and shown."""
    chosen: list[Scenario] = [partial(pull, rows=rows) for rows in sizes.pulls]
    for many in (False, True):
        chosen += [partial(each, many=many) for each in (push_new, push_edits, empty_pull, push_one, hint)]
    return chosen
