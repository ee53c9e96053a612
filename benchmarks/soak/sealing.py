"""A million altered envelopes, none of which may open: the attack tests on sealed values, a hundred times as long."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from benchmarks.soak.machines import FACTOR, ROOT

FILE = "tests/attack/test_sealed_values.py"
TIMES = 100


def soak_sealing(*, times: int = TIMES, tell: Callable[[str], None]) -> list[str]:
    """Run them; returns what failed."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", FILE]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, FACTOR: str(times)},
        capture_output=True,
        text=True,
        check=False,
    )
    tell(f"{times * 10_000:,} altered envelopes: {(done.stdout.splitlines() or ['nothing was said'])[-1]}")
    if done.returncode == 0:
        return []
    tell(done.stdout + done.stderr)
    return [f"sealed values fail; again with: {FACTOR}={times} python {' '.join(command[1:])}"]
