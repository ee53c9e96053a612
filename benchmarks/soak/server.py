"""A server under load for as long as is asked, read between the rounds, and its log counted at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.errors import BenchmarkError
from benchmarks.http.contract import check_contract
from benchmarks.http.load import run_load
from benchmarks.http.rounds import Subject
from benchmarks.http.workload import OPERATIONS, Operation, Spread, request_bytes
from benchmarks.machine import choose_cores, pinned
from benchmarks.postgres import Postgres, database_url, start_postgres
from benchmarks.soak.watch import FEWEST, Reading, grown, read
from benchmarks.targets.holdfast import DATABASE, Holdfast
from benchmarks.targets.target import Seeded, ServerConfig

TENANTS = Spread("10 tenants", 1_000, 10)
CONNECTIONS = 16
_GAPS = """
select count(*) from holdfast.tenant_heads h
where h.head <> (select count(*) from holdfast.changes c where c.tenant_id = h.tenant_id)
   or h.head <> (select coalesce(max(c.number), 0) from holdfast.changes c where c.tenant_id = h.tenant_id)
"""
_CONNECTIONS = """
select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""
_OPEN = f"{_CONNECTIONS} and state like 'idle in transaction%'"


def missing_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    """Rows of one tenant, asked for by the next: not there."""
    others = [*seeded[1:], seeded[0]]
    pairs = zip(seeded, others, strict=True)
    return [request_bytes("GET", f"{collection}/{other.ids[0]}", own.token) for own, other in pairs]


def forged_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    """Tokens whose signature does not hold, each another, so that no cache knows them."""
    return [
        request_bytes("GET", collection, f"{seeded[0].token[:-20]}{number:020}") for number in range(1_000)
    ]


def invalid_requests(collection: str, seeded: Sequence[Seeded]) -> list[bytes]:
    """Rows that are refused."""
    return [request_bytes("POST", collection, tenant.token, {"balance": "many"}) for tenant in seeded]


REFUSED = (
    Operation("another tenant's row", 404, 0.0, missing_requests),
    Operation("forged token", 401, 0.0, forged_requests),
    Operation("invalid row", 422, 0.0, invalid_requests),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went: the readings, requests answered, and what is wrong, in words."""

    readings: list[Reading]
    requests: int
    wrong: list[str]


def soak_server(folder: Path, *, seconds: float, burst: float, tell: Callable[[str], None]) -> Outcome:
    """Load a server for `seconds`, in bursts of `burst` seconds an operation, each on connections of its own."""
    cores = choose_cores()
    target = Holdfast()
    with pinned(cores.load), start_postgres(folder / "postgres") as postgres:
        try:
            home = folder / target.name
            home.mkdir()
            base_url = target.start(ServerConfig(postgres.admin_url, home, cores.server))
            seeded = target.seed(TENANTS.rows, TENANTS.tenants)
            check_contract(target, base_url, seeded[0])
            subject = Subject(target, base_url, {TENANTS.name: seeded})
            readings, requests = _load(subject, postgres, seconds, burst, tell)
            wrong = [*grown(readings), *_told(home / "server.log"), *_counted(postgres)]
            return Outcome(readings, requests, wrong)
        finally:
            target.stop()


def _load(
    subject: Subject, postgres: Postgres, seconds: float, burst: float, tell: Callable[[str], None]
) -> tuple[list[Reading], int]:
    readings: list[Reading] = []
    requests, began = 0, time.monotonic()
    while len(readings) < FEWEST or time.monotonic() - began < seconds:
        requests += sum(_burst(subject, operation, burst) for operation in (*OPERATIONS, *REFUSED))
        readings.append(read(subject.process, _asked(postgres, _CONNECTIONS)))
        tell(_line(time.monotonic() - began, requests, readings[-1]))
    return readings, requests


def _burst(subject: Subject, operation: Operation, seconds: float) -> int:
    load = run_load(
        subject.base_url,
        subject.requests(operation, TENANTS),
        status=operation.status,
        seconds=seconds,
        connections=CONNECTIONS,
    )
    if load.unexpected:
        counts = ", ".join(f"{count} times {status}" for status, count in load.unexpected.items())
        raise BenchmarkError(f"{operation.name}: wrong answers: {counts}")
    return load.operations


def _line(seconds: float, requests: int, reading: Reading) -> str:
    return (
        f"{seconds:6.0f} s  {requests:>11,} requests  {reading.memory / 1024**2:7.1f} MiB  {reading.files} files  "
        f"{reading.threads} threads  {reading.connections} connections"
    )


def _told(log: Path) -> list[str]:
    """Whether the server complained of anything."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    bad = [
        line for line in lines if " ERROR " in line or " CRITICAL " in line or line.startswith("Traceback")
    ]
    return [f"the server's log holds {len(bad)} errors, the first: {bad[0][:200]}"] if bad else []


def _counted(postgres: Postgres) -> list[str]:
    """Whether every tenant's numbers are without gaps, and no transaction was left open."""
    counts = {"tenants have gaps in their numbers": _GAPS, "transactions were left open": _OPEN}
    found = {told: _asked(postgres, question) for told, question in counts.items()}
    return [f"{count} {told}" for told, count in found.items() if count]


def _asked(postgres: Postgres, question: str) -> int:
    """The number that a question to Holdfast's database is answered with."""
    with psycopg.connect(database_url(postgres.admin_url, DATABASE)) as connection:
        (row,) = connection.execute(question).fetchall()
    return int(row[0])
