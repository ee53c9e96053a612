"""What a server holds at a moment, and whether that grows. The judgement is pure; only `read` looks at a process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

import psutil

FEWEST = 9
"""Readings below which nothing is said about growth."""
MEMORY_SHARE, MEMORY_BYTES = 0.05, 4 * 1024**2
FEW = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment, between two rounds of load. `connections` are those that the database sees."""

    memory: int
    files: int
    threads: int
    processes: int
    connections: int


def read(process: psutil.Process, connections: int) -> Reading:
    """What the server's process holds. Memory is what it shares with nobody, in bytes."""
    with process.oneshot():
        return Reading(
            memory=process.memory_full_info().uss,
            files=process.num_fds(),
            threads=process.num_threads(),
            processes=len(process.children(recursive=True)),
            connections=connections,
        )


def grown(readings: Sequence[Reading]) -> list[str]:
    """What grows, in words; empty where nothing does.

    The first third is warming up: caches fill, the pool opens its connections. Of the rest the medians of both halves are
    compared. Memory may differ by 5 % or 4 MiB, whichever is more, anything else by 2. Raises ValueError for fewer than 9
    readings: too few to tell.
    """
    if len(readings) < FEWEST:
        raise ValueError(f"growth cannot be told from fewer than {FEWEST} readings")
    third = len(readings) // 3
    middle, last = readings[third : 2 * third], readings[-third:]
    found = []
    for field in fields(Reading):
        before, after = (median(getattr(reading, field.name) for reading in part) for part in (middle, last))
        if after - before > _tolerance(field.name, before):
            found.append(f"{field.name} grew from {before:,.0f} to {after:,.0f}")
    return found


def _tolerance(name: str, before: float) -> float:
    return max(before * MEMORY_SHARE, MEMORY_BYTES) if name == "memory" else FEW
