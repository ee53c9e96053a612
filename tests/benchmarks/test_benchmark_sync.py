"""The benchmark of sync, run for real and briefly: that it measures what it says."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.sync.device import edited_row, fresh_id, new_row, push_body
from benchmarks.sync.report import BEGIN, END, summarise
from benchmarks.sync.scenarios import Sample

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON and the Markdown of one quick run."""
    folder = tmp_path_factory.mktemp("benchmark")
    output, page = folder / "sync.json", folder / "performance.md"
    command = [sys.executable, "-m", "benchmarks", "sync", "--quick"]
    where = ["--output", str(output), "--write", str(page)]
    done = subprocess.run(
        [*command, *where], check=False, cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(output.read_text(encoding="utf-8")), page.read_text(encoding="utf-8")


def test_every_target_is_measured_in_every_scenario(smoke_run: tuple[dict[str, Any], str]) -> None:
    report, _ = smoke_run
    by_scenario: dict[str, set[str]] = {}
    for figure in report["figures"]:
        by_scenario.setdefault(figure["scenario"], set()).add(figure["target"])
    assert len(by_scenario) == 13
    for scenario, targets in by_scenario.items():
        hints = scenario.startswith("write to other device")
        assert targets == ({"holdfast"} if hints else {"ceiling", "twin", "holdfast"})


def test_figures_are_plausible(smoke_run: tuple[dict[str, Any], str]) -> None:
    report, _ = smoke_run
    for figure in report["figures"]:
        assert figure["rate"] > 0
        assert figure["p99_ms"] is None or 0 < figure["p50_ms"] <= figure["p99_ms"]
        if figure["target"] == "twin":
            assert figure["ratio"] == 1.0
        if figure["scenario"].startswith("first pull"):
            memory = figure["memory"]
            assert 0 < memory["before"] <= memory["peak"] < 1_000


def test_the_page_names_its_command_and_nothing_of_this_machine(
    smoke_run: tuple[dict[str, Any], str],
) -> None:
    report, page = smoke_run
    assert page.count(BEGIN) == page.count(END) == 1
    assert f"`{report['command']}`" in page
    for text in (page, json.dumps(report)):
        assert str(ROOT) not in text
        assert platform.node() not in text.split()
        assert f"/{getpass.getuser()}/" not in text


def test_the_ratio_is_taken_within_a_round() -> None:
    twin = [Sample("twin", "push", rate, "rows/s") for rate in (100.0, 10.0, 50.0)]
    ours = [Sample("holdfast", "push", rate, "rows/s") for rate in (60.0, 8.0, 35.0)]
    first, second = summarise([*twin, *ours], ["twin", "holdfast"])
    assert (first.rate, first.ratio, first.goal) == (50.0, 1.0, None)
    assert (second.rate, second.ratio, second.goal) == (35.0, 0.7, 0.6)


def test_rows_are_what_a_device_sends() -> None:
    row_id = fresh_id()
    assert len(row_id) == 16
    assert row_id.isalnum()
    body = json.loads(push_body([new_row(1)], [edited_row(row_id, 1_001, "7.25")]))["financial_accounts"]
    assert body["created"][0]["_status"] == "created"
    (edited,) = body["updated"]
    assert (edited["id"], edited["_changed"], edited["balance"]) == (row_id, "balance", 7.25)
    assert {**edited, "id": 0, "balance": 0, "_changed": "", "_status": ""} == {
        **body["created"][0],
        "id": 0,
        "balance": 0,
        "_changed": "",
        "_status": "",
    }
