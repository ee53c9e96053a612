"""How the figures are shown: a table on the terminal, JSON for programs, Markdown for the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from benchmarks.errors import BenchmarkError
from benchmarks.http.results import Figure
from benchmarks.http.rounds import Sample
from benchmarks.http.workload import OPERATIONS

BEGIN, END = "<!-- benchmark: http -->", "<!-- end of benchmark: http -->"
QUIET = 0.05
GOALS = {operation.name: operation.goal for operation in OPERATIONS}
COLUMNS = {
    "target": 10,
    "ops/s": 7,
    "× twin": 11,
    "p50 ms": 7,
    "p99 ms": 7,
    "server µs": 9,
    "PG µs": 6,
    "busy": 5,
}
LEGEND = (
    "µs: CPU time an operation, of the server and of PostgreSQL. busy: how much of its core the server used."
)


@dataclass(frozen=True, slots=True)
class Report:
    """One run as a whole. `left_out` says of each target that was not measured why."""

    command: str
    machine: dict[str, str]
    left_out: dict[str, str]
    figures: list[Figure]
    samples: list[Sample]


def write_json(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def terminal_tables(report: Report) -> Group:
    """A small table for each scenario, all of the same columns."""
    tables = (_table(title, figures) for title, figures in _scenarios(report.figures))
    return Group(*tables, LEGEND, disturbance(report))


def disturbance(report: Report) -> str:
    """How far the figures can be trusted: what else the machine was doing. With two cores, a tenth of one shows."""
    others = median(sample.others for sample in report.samples)
    remark = "" if others < QUIET else " The machine was not quiet: compare the µs rather than the rates."
    return f"Other work took {max(others, 0):.2f} cores meanwhile.{remark}"


def _table(title: str, figures: Sequence[Figure]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=0)
    for heading, width in COLUMNS.items():
        table.add_column(heading, width=width, justify="left" if heading == "target" else "right")
    for figure in figures:
        table.add_row(*_cells(figure))
    return table


def write_markdown(report: Report, path: Path) -> None:
    """Put the table between the markers of this file; a file that is not there is begun."""
    before = path.read_text(encoding="utf-8") if path.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise BenchmarkError(f"{path.name} has no place for the table: {BEGIN} and then {END}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{BEGIN}\n{markdown(report)}{END}{tail}", encoding="utf-8")


def markdown(report: Report) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    lines = [f"Made by `{report.command}` on: {facts}.", "", LEGEND, disturbance(report)]
    lines += [f"Not measured: {name} ({reason})." for name, reason in report.left_out.items()]
    for title, figures in _scenarios(report.figures):
        lines += ["", f"**{title}**", "", _row(COLUMNS), _row(["---", *["---:"] * (len(COLUMNS) - 1)])]
        lines += [_row(_cells(figure)) for figure in figures]
    return "\n".join([*lines, "", ""])


def _scenarios(figures: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    grouped = groupby(figures, key=lambda figure: f"{figure.operation}, {figure.spread}")
    return [(title, list(group)) for title, group in grouped]


def _cells(figure: Figure) -> list[str]:
    return [
        figure.target,
        f"{figure.rate:,.0f}",
        _ratio(figure),
        f"{figure.p50_ms:.2f}",
        f"{figure.p99_ms:.2f}",
        f"{figure.server_us:,.0f}",
        f"{figure.postgres_us:,.0f}",
        f"{figure.busy:.0%}",
    ]


def _ratio(figure: Figure) -> str:
    if figure.ratio is None:
        return "–"
    goal = f" of {GOALS[figure.operation]:.1f}" if figure.target == "holdfast" else ""
    return f"{figure.ratio:.2f}{goal}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
