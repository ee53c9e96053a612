"""`python -m benchmarks.soak`: a server under load, the state machines, a million altered envelopes; exit code 1 where something
grew or broke.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.soak.machines import soak_machines, soak_operations
from benchmarks.soak.sealing import soak_sealing
from benchmarks.soak.server import soak_server
from holdfast.errors import HoldfastError

PARTS = ("server", "machines", "sealing")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long each part runs (10)")
    parser.add_argument("--burst", type=float, default=1.0, help="seconds of load an operation and round (1)")
    parser.add_argument("--factor", type=int, default=10, help="how many times the usual examples (10)")
    parser.add_argument(
        "--operations",
        type=int,
        help="run the sync machine alone, until it has carried out so many operations",
    )
    parser.add_argument(
        "--select", default="", help="with --operations: on which engine: memory, postgres (both)"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="server, machines, sealing (all)"
    )
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped as well
    parts = chosen.parts if chosen.operations is None else ()
    wrong: list[str] = []
    try:
        if chosen.operations is not None:
            wrong += soak_operations(
                operations=chosen.operations, select=chosen.select, factor=chosen.factor, tell=_tell
            )
        if "server" in parts:
            wrong += _server(chosen.minutes * 60, chosen.burst)
        if "machines" in parts:
            wrong += soak_machines(seconds=chosen.minutes * 60, factor=chosen.factor, tell=_tell)
        if "sealing" in parts:
            wrong += soak_sealing(tell=_tell)
    except (BenchmarkError, HoldfastError) as error:
        wrong.append(str(error))
    _tell("\n".join(f"WRONG: {line}" for line in wrong) or "Nothing grew, nothing broke.")
    return bool(wrong)


def _server(seconds: float, burst: float) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="holdfast-soak-") as folder:
        outcome = soak_server(Path(folder), seconds=seconds, burst=burst, tell=_tell)
    _tell(f"{outcome.requests:,} requests in {len(outcome.readings)} rounds")
    return outcome.wrong


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
