"""From samples to figures: medians over the rounds, and the ratio to the twin, taken within each round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.http.rounds import Sample
from benchmarks.http.workload import OPERATIONS
from benchmarks.targets.catalogue import TWIN, all_targets


@dataclass(frozen=True, slots=True)
class Figure:
    """What a table says of one target in one scenario. Units are those of `Sample`; `ratio` is to the twin's rate."""

    target: str
    operation: str
    spread: str
    rate: float
    ratio: float | None
    p50_ms: float
    p99_ms: float
    server_us: float
    postgres_us: float
    busy: float
    bytes: float


def summarise(samples: Sequence[Sample]) -> list[Figure]:
    """One figure for each operation, spread and target, sorted by them in this order."""
    groups: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.operation, sample.spread, sample.target].append(sample)
    twin = {(s.operation, s.spread, s.round): s.rate for s in samples if s.target == TWIN}
    operations = [operation.name for operation in OPERATIONS]
    spreads = list(dict.fromkeys(sample.spread for sample in samples))
    targets = [target.name for target in all_targets()]

    def place(figure: Figure) -> tuple[int, int, int]:
        return (
            operations.index(figure.operation),
            spreads.index(figure.spread),
            targets.index(figure.target),
        )

    return sorted((_figure(group, twin) for group in groups.values()), key=place)


def _figure(group: list[Sample], twin: dict[tuple[str, str, int], float]) -> Figure:
    first = group[0]
    rounds = [(s.rate, twin.get((s.operation, s.spread, s.round))) for s in group]
    ratios = [rate / reference for rate, reference in rounds if reference]
    return Figure(
        target=first.target,
        operation=first.operation,
        spread=first.spread,
        rate=median(s.rate for s in group),
        ratio=median(ratios) if ratios else None,
        p50_ms=median(s.p50_ms for s in group),
        p99_ms=median(s.p99_ms for s in group),
        server_us=median(s.server_us for s in group),
        postgres_us=median(s.postgres_us for s in group),
        busy=median(s.busy for s in group),
        bytes=median(s.bytes for s in group),
    )
