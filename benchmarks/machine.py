"""The machine: which core does what, what a process has used of it, and the facts that a table of figures needs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil

PACKAGES = ("asyncpg", "fastapi", "pydantic", "sqlalchemy", "uvicorn", "uvloop")
CAN_PIN = hasattr(os, "sched_setaffinity")


@dataclass(frozen=True, slots=True)
class Cores:
    """One core for the server that is measured; the other for PostgreSQL and the load. None: not pinned."""

    server: int | None
    load: int | None


def choose_cores() -> Cores:
    """The first and the last core that this process may use, where the system lets a process choose at all."""
    if not CAN_PIN:
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[-1])


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Stay on this core; what is started meanwhile stays there for good."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(root: psutil.Process) -> float:
    """User and system time of a process and of all below it, those that have ended included."""
    used = root.cpu_times()
    total = used.user + used.system + used.children_user + used.children_system
    for child in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def busy_seconds() -> float:
    """CPU time that anything on this machine has used, or a neighbour on the same hardware has taken, since it began."""
    times = psutil.cpu_times()
    kinds = ("user", "nice", "system", "irq", "softirq", "steal")
    return sum(getattr(times, kind, 0.0) for kind in kinds)


def machine_facts(folder: Path) -> dict[str, str]:
    """What a reader needs to place the figures; nothing that tells whose machine it is. `folder` is on the data's disk."""
    return {
        "cores": str(os.cpu_count()),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "fsync of 8 kB": f"{sync_seconds(folder) * 1e6:.0f} µs",
        **{package: version(package) for package in PACKAGES},
    }


def sync_seconds(folder: Path, *, times: int = 50) -> float:
    """How long this disk takes to make one 8 kB write durable: the floor under every commit. A median."""
    taken = []
    path = folder / "sync-probe"
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.seek(0)
            file.write(os.urandom(8192))
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    path.unlink()
    return median(taken)
