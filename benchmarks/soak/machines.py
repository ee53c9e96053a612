"""The state machines of the tests, with more examples than a test run has time for, seed by seed.

`seeds.txt` beside this file holds the seeds that have found something once; they come first, every time. After them come
new ones for as long as there is time. A seed that fails is printed, with the line that runs it again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).with_name("seeds.txt")
FACTOR = "HOLDFAST_TEST_EXAMPLES"
"""How many times the usual number of examples a machine runs: see `tests/machines.py`."""


def machine_files(root: Path = ROOT) -> list[str]:
    """Every test file that holds a state machine, so that a new one is not forgotten."""
    found = (
        path for path in (root / "tests").rglob("test_*.py") if "(RuleBasedStateMachine)" in path.read_text()
    )
    return sorted(str(path.relative_to(root)) for path in found)


def stored_seeds(path: Path = SEEDS) -> list[int]:
    """The seeds of the file, one a line; what follows a # is a remark."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [int(line) for line in lines if line]


def soak_machines(*, seconds: float, factor: int, tell: Callable[[str], None]) -> list[str]:
    """Run all machines with the stored seeds, then with new ones until `seconds` are over; returns what failed."""
    files, wrong = machine_files(), []
    deadline = time.monotonic() + seconds
    for number, seed in enumerate(_seeds(deadline)):
        command = [sys.executable, "-m", "pytest", "-q", "-x", f"--hypothesis-seed={seed}", *files]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, FACTOR: str(factor)},
            capture_output=True,
            text=True,
            check=False,
        )
        tell(f"seed {seed}, the {number + 1}.: {(done.stdout.splitlines() or ['nothing was said'])[-1]}")
        if done.returncode != 0:
            again = f"{FACTOR}={factor} python {' '.join(command[1:])}"
            tell(done.stdout + done.stderr)
            wrong.append(f"seed {seed} fails; again with: {again}")
    return wrong


def _seeds(deadline: float) -> Iterator[int]:
    yield from stored_seeds()
    while time.monotonic() < deadline:
        yield random.SystemRandom().randrange(2**32)
