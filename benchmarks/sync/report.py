"""How the figures are shown: JSON for programs, a table for the terminal and the documentation."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from statistics import median

from benchmarks.errors import BenchmarkError
from benchmarks.sync.scenarios import Sample

BEGIN, END = "<!-- benchmark: sync -->", "<!-- end of benchmark: sync -->"
TWIN = "twin"
LOAD = "load average at the start"
QUIET = 1.5
NOISE = "The machine was not quiet: compare the µs and the ratios rather than the rates."
COLUMNS = ("target", "rate", "× twin", "p50 ms", "p99 ms", "server µs", "PG µs", "memory MiB")
LEGEND = (
    "rate: rows a second for pulls and batches, requests a second elsewhere. µs: CPU time a row, or a request. p50 of a first\n"
    "pull: its first byte. memory: the server's before, at its peak and after. The references leave out edits that conflict."
)


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over the rounds; `ratio` is to the twin's rate, `goal` the least ratio that we are content with."""

    target: str
    scenario: str
    unit: str
    rate: float
    ratio: float | None
    goal: float | None
    p50_ms: float | None
    p99_ms: float | None
    server_us: float | None
    postgres_us: float | None
    memory: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """One run as a whole."""

    command: str
    machine: dict[str, str]
    figures: list[Figure]
    samples: list[Sample]


def summarise(samples: Sequence[Sample], targets: Sequence[str]) -> list[Figure]:
    """One figure for each scenario and target, in the order in which they were run."""
    groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.scenario, sample.target].append(sample)
    names = list(dict.fromkeys(sample.scenario for sample in samples))
    return [
        _figure(groups[name, target], groups.get((name, TWIN), []))
        for name in names
        for target in targets
        if (name, target) in groups
    ]


def _figure(group: Sequence[Sample], twin: Sequence[Sample]) -> Figure:
    first = group[0]
    ratios = [one.rate / other.rate for one, other in zip(group, twin, strict=False)]
    return Figure(
        first.target,
        first.scenario,
        first.unit,
        median(sample.rate for sample in group),
        median(ratios) if ratios else None,
        _goal(first),
        _median(sample.p50_ms for sample in group),
        _median(sample.p99_ms for sample in group),
        _median(sample.server_us for sample in group),
        _median(sample.postgres_us for sample in group),
        {name: median(sample.memory[name] for sample in group) for name in first.memory},
    )


def _goal(sample: Sample) -> float | None:
    if sample.target != "holdfast" or sample.unit != "rows/s":
        return None
    return 0.8 if "pull" in sample.scenario else 0.6


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def write_json(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_markdown(report: Report, path: Path) -> None:
    """Put the table between the markers of this file; a file that is not there is begun."""
    before = path.read_text(encoding="utf-8") if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"{path.name} has no place for the table: {BEGIN} and then {END}")
    path.write_text(f"{head}{BEGIN}\n{markdown(report)}{END}{tail}", encoding="utf-8")


def markdown(report: Report) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    lines = [f"Made by `{report.command}` on: {facts}.", "", LEGEND]
    if float(report.machine.get(LOAD, "0")) > QUIET:
        lines.append(NOISE)
    for scenario, figures in groupby(report.figures, key=lambda figure: figure.scenario):
        lines += ["", f"**{scenario}**", "", _row(COLUMNS), _row(["---", *["---:"] * (len(COLUMNS) - 1)])]
        lines += [_row(_cells(figure)) for figure in figures]
    return "\n".join([*lines, "", ""])


def _cells(figure: Figure) -> list[str]:
    ratio = "–" if figure.ratio is None else f"{figure.ratio:.2f}"
    goal = f" of {figure.goal:.1f}" if figure.goal and figure.ratio is not None else ""
    memory = " / ".join(f"{size:.0f}" for size in figure.memory.values()) or "–"
    return [
        figure.target,
        f"{figure.rate:,.0f} {figure.unit}",
        ratio + goal,
        *(_number(value, 2) for value in (figure.p50_ms, figure.p99_ms)),
        *(_number(value, 1) for value in (figure.server_us, figure.postgres_us)),
        memory,
    ]


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
