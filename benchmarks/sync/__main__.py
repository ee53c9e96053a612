"""`python -m benchmarks.sync`: start everything, measure, print, write, throw everything away."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.errors import BenchmarkError
from benchmarks.machine import choose_cores, machine_facts, pinned
from benchmarks.postgres import start_postgres
from benchmarks.sync.report import LOAD, Report, markdown, summarise, write_json, write_markdown
from benchmarks.sync.scenarios import FULL, QUICK, Sample, Sizes, Subject, SyncTarget, scenarios
from benchmarks.targets.sync_holdfast import SyncHoldfast
from benchmarks.targets.sync_reference import SyncReference
from benchmarks.targets.target import ServerConfig
from holdfast.errors import HoldfastError

LATEST = Path(__file__).parents[1] / "results" / "sync.json"
NAMES = ("ceiling", "twin", "holdfast")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each scenario is repeated (3)")
    parser.add_argument("--targets", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="few rows, one round: a smoke run, no figures")
    parser.add_argument("--output", type=Path, default=LATEST, help="the JSON file")
    parser.add_argument("--write", type=Path, help="a Markdown file to put the table into")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped as well
    console = Console()
    sizes, rounds = (QUICK, 1) if chosen.quick else (FULL, chosen.rounds)
    length = "--quick" if chosen.quick else f"--rounds {rounds}"
    try:
        report = measure(chosen.targets, sizes, rounds, f"{parser.prog} {length}", console)
    except (BenchmarkError, HoldfastError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    console.print(markdown(report), markup=False, soft_wrap=True)
    write_json(report, chosen.output)
    if chosen.write is not None:
        write_markdown(report, chosen.write)
    return 0


def measure(names: Sequence[str], sizes: Sizes, rounds: int, command: str, console: Console) -> Report:
    """Start and fill the targets, and let them take turns at every scenario."""
    cores = choose_cores()
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmark-") as folder, ExitStack() as running:
        home = Path(folder)
        running.enter_context(pinned(cores.load))
        postgres = running.enter_context(start_postgres(home / "postgres"))
        subjects = []
        for name in NAMES:
            if name in names:
                console.print(f"Starting and filling {name} …")
                target: SyncTarget = SyncHoldfast() if name == "holdfast" else SyncReference(f"sync_{name}")
                running.callback(target.stop)
                own = home / name
                own.mkdir()
                base_url = target.start(ServerConfig(postgres.admin_url, own, cores.server))
                subjects.append(Subject(target, base_url, postgres, sizes))
        postgres.settle()
        load = os.getloadavg()[0]
        samples = run(subjects, sizes, rounds, console)
        machine = {
            **machine_facts(home),
            "PostgreSQL": postgres.version,
            LOAD: f"{load:.1f}",
        }
    return Report(command, machine, summarise(samples, names), samples)


def run(subjects: Sequence[Subject], sizes: Sizes, rounds: int, console: Console) -> list[Sample]:
    """The targets take turns, so that a slow minute of the machine falls on all of them."""
    samples: list[Sample] = []
    for scenario in scenarios(sizes):
        for turn in range(rounds):
            start = turn % len(subjects)
            for subject in [*subjects[start:], *subjects[:start]]:
                made = scenario(subject)
                samples += made
                for sample in made:
                    console.print(f"  {sample.scenario}: {sample.target} {sample.rate:,.0f} {sample.unit}")
    return samples


if __name__ == "__main__":
    sys.exit(main())
