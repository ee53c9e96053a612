"""From samples to a table: what is compared with what, and where the table goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.errors import BenchmarkError
from benchmarks.http.report import BEGIN, END, Report, markdown, write_markdown
from benchmarks.http.results import summarise
from benchmarks.http.rounds import Sample

SAMPLE = Sample("twin", "update", "one tenant", 1, 100.0, 1.0, 2.0, 150.0, 30.0, 0.99, 0.01, 700.0)


def samples(target: str, *rates: float) -> list[Sample]:
    return [replace(SAMPLE, target=target, round=turn, rate=rate) for turn, rate in enumerate(rates, start=1)]


def test_the_ratio_is_taken_within_a_round() -> None:
    twin, ceiling = samples("twin", 100.0, 10.0, 50.0), samples("ceiling", 200.0, 30.0, 55.0)
    first, second = summarise([*twin, *ceiling])
    assert (first.target, first.rate, first.ratio) == ("ceiling", 55.0, 2.0)
    assert (second.target, second.rate, second.ratio) == ("twin", 50.0, 1.0)


def test_without_the_twin_there_is_no_ratio() -> None:
    (figure,) = summarise(samples("orm", 100.0))
    assert figure.ratio is None
    assert "| orm | 100 | – |" in markdown(report(samples("orm", 100.0)))


def test_the_goal_stands_beside_holdfast_alone() -> None:
    page = markdown(report([*samples("twin", 100.0), *samples("holdfast", 110.0)]))
    assert "| holdfast | 110 | 1.10 of 1.2 |" in page
    assert "| twin | 100 | 1.00 |" in page


def test_a_disturbed_run_says_so() -> None:
    assert "not quiet" not in markdown(report(samples("twin", 100.0, 90.0, 95.0)))
    noisy = [replace(sample, others=0.6) for sample in samples("twin", 100.0, 90.0)]
    assert "Other work took 0.60 cores meanwhile. The machine was not quiet" in markdown(report(noisy))


def test_a_page_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"Before.\n{BEGIN}\nold figures\n{END}\nAfter.\n", encoding="utf-8")
    for _ in range(2):
        write_markdown(report(samples("twin", 100.0)), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"Before.\n{BEGIN}\nMade by `command`")
    assert text.endswith(f"{END}\nAfter.\n")
    assert "old figures" not in text
    assert text.count("| twin |") == 1


def test_a_page_without_a_place_for_the_table_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("Text.\n", encoding="utf-8")
    with pytest.raises(BenchmarkError, match="no place"):
        write_markdown(report(samples("twin", 100.0)), page)
    assert page.read_text(encoding="utf-8") == "Text.\n"


def report(made: list[Sample]) -> Report:
    return Report("command", {"cores": "2"}, {}, summarise(made), made)
