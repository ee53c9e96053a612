"""The state machines of the tests, with more examples than a test run has time for, seed by seed.

`seeds.txt` beside this file holds the seeds that have found something once; they come first, every time. After them come
new ones: for as long as there is time, or until the sync machine has carried out as many operations as were asked for. A
seed that fails is printed, with the line that runs it again.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).with_name("seeds.txt")
SYNC = "tests/property/test_sync_machine.py"
FACTOR = "HOLDFAST_TEST_EXAMPLES"
"""How many times the usual number of examples a machine runs: see `tests/machines.py`."""
OPERATIONS = "HOLDFAST_TEST_OPERATIONS"
"""The file into which a machine writes how many operations it has carried out: see there."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed, and with how many times the usual examples it has found something: with others it draws otherwise."""

    number: int
    factor: int | None = None


def machine_files(root: Path = ROOT) -> list[str]:
    """Every test file that holds a state machine, so that a new one is not forgotten."""
    found = (
        path for path in (root / "tests").rglob("test_*.py") if "(RuleBasedStateMachine)" in path.read_text()
    )
    return sorted(str(path.relative_to(root)) for path in found)


def stored_seeds(path: Path = SEEDS) -> list[Seed]:
    """The seeds of the file, one a line, with a factor or without; what follows a # is a remark."""
    lines = (line.partition("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return [Seed(*map(int, words)) for words in lines if words]


def soak_machines(*, seconds: float, factor: int, tell: Tell) -> list[str]:
    """Run all machines with the stored seeds, then with new ones until `seconds` are over; returns what failed."""
    files, wrong = machine_files(), []
    deadline = time.monotonic() + seconds
    for number, seed in enumerate(_seeds()):
        if number >= len(stored_seeds()) and time.monotonic() >= deadline:
            break
        last, failed = _run(seed, files, factor, tell)
        tell(f"seed {seed.number}, the {number + 1}.: {last}")
        wrong += failed
    return wrong


def soak_operations(*, operations: int, select: str, factor: int, tell: Tell) -> list[str]:
    """Run the sync machine until it has carried out so many operations; returns what failed. `select` is what pytest's `-k`
    takes: which engines.
    """
    wrong: list[str] = []
    total, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder:
        counts = Path(folder, "operations")
        for seed in _seeds():
            counts.write_text("")
            last, failed = _run(seed, [SYNC, *(["-k", select] if select else [])], factor, tell, counts)
            done = sum(map(int, counts.read_text().split()))
            total += done
            wrong += failed
            rate = total / (time.monotonic() - began)
            tell(f"seed {seed.number}: {last}; {total:,} of {operations:,} operations, {rate:,.0f} a second")
            if not done:
                wrong.append("the machine carried out nothing")
            if total >= operations or not done:
                break
    tell(f"{total:,} operations of the sync machine, {len(wrong)} findings")
    return wrong


def _run(
    seed: Seed, what: Sequence[str], factor: int, tell: Tell, counts: Path | None = None
) -> tuple[str, list[str]]:
    """The last line of what pytest says, and what failed."""
    times = seed.factor or factor
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"--hypothesis-seed={seed.number}", *what]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, FACTOR: str(times)} | ({OPERATIONS: str(counts)} if counts else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    last = (done.stdout.splitlines() or ["nothing was said"])[-1]
    if done.returncode == 0:
        return last, []
    tell(done.stdout + done.stderr)
    return last, [f"seed {seed.number} fails; again with: {FACTOR}={times} python {' '.join(command[1:])}"]


def _seeds() -> Iterator[Seed]:
    yield from stored_seeds()
    while True:
        yield Seed(random.SystemRandom().randrange(2**32))
