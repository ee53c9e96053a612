"""The benchmark itself, run for real and briefly: the tests of the parts cannot show that they fit."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON and the Markdown of one quick run."""
    folder = tmp_path_factory.mktemp("benchmark")
    output, page = folder / "latest.json", folder / "performance.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http", "--quick", "--output", output, "--write", page],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(output.read_text(encoding="utf-8")), page.read_text(encoding="utf-8")


def test_every_target_is_measured_in_every_scenario_or_left_out_with_a_reason(
    smoke_run: tuple[dict[str, Any], str],
) -> None:
    report, _ = smoke_run
    measured = {"ceiling", "twin", "orm", "holdfast"} - set(report["left_out"])
    assert {"ceiling", "twin"} <= measured
    assert all(report["left_out"].values())
    scenarios = {(figure["operation"], figure["spread"]) for figure in report["figures"]}
    assert len(scenarios) == 8
    assert {(f["operation"], f["spread"], f["target"]) for f in report["figures"]} == {
        (*scenario, target) for scenario in scenarios for target in measured
    }


def test_figures_are_plausible(smoke_run: tuple[dict[str, Any], str]) -> None:
    report, _ = smoke_run
    for figure in report["figures"]:
        assert figure["rate"] > 0
        assert 0 < figure["p50_ms"] <= figure["p99_ms"]
        assert figure["busy"] < 1.5, "a server used more than the one core that it was given"
        if figure["target"] == "twin":
            assert figure["ratio"] == 1.0
    reads = {f["target"]: f["ratio"] for f in report["figures"] if f["operation"] == "point read"}
    assert reads["ceiling"] > 1.0


def test_the_page_names_its_command_and_nothing_of_this_machine(
    smoke_run: tuple[dict[str, Any], str],
) -> None:
    report, page = smoke_run
    assert f"`{report['command']}`" in page
    assert "| twin |" in page
    for text in (page, json.dumps(report)):
        assert str(ROOT) not in text
        assert platform.node() not in text.split()
        assert f"/{getpass.getuser()}/" not in text
