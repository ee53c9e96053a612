"""The soak: its judgement on readings that are known, and the whole of it once, briefly."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak import machines
from benchmarks.soak.machines import machine_files, stored_seeds
from benchmarks.soak.watch import FEWEST, Reading, grown

ROOT = Path(__file__).parents[2]
MIB = 1024**2
CALM = Reading(memory=100 * MIB, files=30, threads=4, processes=0, connections=20)


def readings(change: Callable[[int], Reading], count: int = 30) -> list[Reading]:
    return [change(number) for number in range(count)]


@pytest.mark.parametrize(
    "change",
    [
        lambda _: CALM,
        lambda n: replace(CALM, memory=CALM.memory + n % 5 * 10 * MIB),
        lambda n: replace(CALM, memory=CALM.memory + min(n, 8) * 20 * MIB, connections=min(n, 8)),
        lambda n: replace(CALM, files=30 + n % 3),
        lambda n: replace(CALM, memory=(100 - n) * MIB),
    ],
    ids=["flat", "sawtooth", "warms up", "wavers", "shrinks"],
)
def test_what_does_not_grow_is_left_in_peace(change: Callable[[int], Reading]) -> None:
    assert grown(readings(change)) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda n: replace(CALM, memory=CALM.memory + n * MIB), "memory grew"),
        (lambda n: replace(CALM, memory=CALM.memory + n * MIB + n % 3 * 2 * MIB), "memory grew"),
        (lambda n: replace(CALM, files=30 + n // 3), "files grew from 34 to 38"),
        (lambda n: replace(CALM, threads=4 + n), "threads grew"),
        (lambda n: replace(CALM, processes=n), "processes grew"),
        (lambda n: replace(CALM, connections=20 + n), "connections grew"),
    ],
)
def test_what_grows_is_told(change: Callable[[int], Reading], told: str) -> None:
    (line,) = grown(readings(change))
    assert line.startswith(told)


def test_too_few_readings_are_no_judgement() -> None:
    with pytest.raises(ValueError, match="fewer than"):
        grown([CALM] * (FEWEST - 1))


def test_every_state_machine_is_soaked_and_can_be_made_longer() -> None:
    files = machine_files()
    assert "tests/unit/accounts/test_session_machine.py" in files
    short = [name for name in files if "tests.machines import examples" not in (ROOT / name).read_text()]
    assert not short, "these would run no longer in a soak than in a test"
    assert stored_seeds()


def test_a_soak_from_start_to_end() -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.soak",
        "--parts",
        "server",
        "--minutes",
        "0",
        "--burst",
        "0.05",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(rf"[\d,]+ requests in {FEWEST} rounds", lines[-2])
    assert lines[-1] == "Nothing grew, nothing broke."


@pytest.mark.parametrize(
    ("counted", "told", "wrong"),
    [("40\n2\n", "126 operations", 0), ("", "0 operations", 1)],
    ids=["some", "none"],
)
def test_operations_are_counted_until_there_are_enough(
    monkeypatch: pytest.MonkeyPatch, counted: str, told: str, wrong: int
) -> None:
    def run(*given: Any) -> tuple[str, list[str]]:
        given[-1].write_text(counted)
        return "2 passed", []

    monkeypatch.setattr(machines, "_run", run)
    lines: list[str] = []
    found = machines.soak_operations(operations=100, select="", factor=1, tell=lines.append)
    assert lines[-1] == f"{told} of the sync machine, {wrong} findings"
    assert len(found) == wrong
