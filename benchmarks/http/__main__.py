"""`python -m benchmarks.http`: start everything, measure, print, write, throw everything away."""  # noqa: A005  (reached as benchmarks.http alone)

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.errors import BenchmarkError
from benchmarks.http.contract import check_contract
from benchmarks.http.report import Report, terminal_tables, write_json, write_markdown
from benchmarks.http.results import summarise
from benchmarks.http.rounds import Plan, Subject, run_rounds
from benchmarks.http.workload import MANY_TENANTS, ONE_TENANT, Spread
from benchmarks.machine import choose_cores, machine_facts, pinned
from benchmarks.postgres import Postgres, start_postgres
from benchmarks.targets.catalogue import all_targets
from benchmarks.targets.target import ServerConfig, Target
from holdfast.errors import HoldfastError

LATEST = Path(__file__).parents[1] / "results" / "latest.json"
CONNECTIONS = 16
QUICK = Plan(1, 0.25, CONNECTIONS, (Spread("one tenant", 1_000, 1), Spread("10 tenants", 1_000, 10)))


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. `command` is the line itself, without what belongs to this machine."""

    plan: Plan
    targets: list[str]
    output: Path
    write: Path | None
    command: str


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped as well
    console = Console()
    wanted = [target for target in all_targets() if target.name in options.targets]
    left_out = {target.name: reason for target in wanted if (reason := target.missing())}
    for name, reason in left_out.items():
        console.print(f"[yellow]{name} is left out: {reason}.[/yellow]")
    try:
        report = measure(
            [target for target in wanted if target.name not in left_out], left_out, options, console
        )
    except (BenchmarkError, HoldfastError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    console.print(terminal_tables(report))
    write_json(report, options.output)
    if options.write is not None:
        write_markdown(report, options.write)
    return 0


def parse(arguments: Sequence[str] | None) -> Options:
    names = [target.name for target in all_targets()]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is repeated (3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long a run takes (3)")
    parser.add_argument(
        "--targets", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rows, one short round: a smoke run, no figures"
    )
    parser.add_argument(
        "--output", type=Path, default=LATEST, help="the JSON file (benchmarks/results/latest.json)"
    )
    parser.add_argument(
        "--write", type=Path, help="a Markdown file to put the table into, between its markers"
    )
    chosen = parser.parse_args(arguments)
    plan = Plan(chosen.rounds, chosen.seconds, CONNECTIONS, (ONE_TENANT, MANY_TENANTS))
    length = "--quick" if chosen.quick else f"--rounds {chosen.rounds} --seconds {chosen.seconds:g}"
    return Options(
        plan=QUICK if chosen.quick else plan,
        targets=chosen.targets,
        output=chosen.output,
        write=chosen.write,
        command=f"{parser.prog} {length} --targets {' '.join(chosen.targets)}",
    )


def measure(targets: list[Target], left_out: dict[str, str], options: Options, console: Console) -> Report:
    cores = choose_cores()
    with tempfile.TemporaryDirectory(prefix="holdfast-benchmark-") as folder, ExitStack() as running:
        home = Path(folder)
        running.enter_context(pinned(cores.load))
        postgres = running.enter_context(start_postgres(home / "postgres"))
        subjects = []
        for target in targets:
            console.print(f"Starting and filling {target.name} …")
            running.callback(target.stop)
            subjects.append(start(target, postgres, home, cores.server, options.plan))
        postgres.settle()
        with progress_bar(console, options.plan.runs_per_target * len(subjects)) as progress:
            samples = run_rounds(subjects, postgres, options.plan, progress)
        machine = {**machine_facts(home), "PostgreSQL": postgres.version}
    return Report(options.command, machine, left_out, summarise(samples), samples)


def start(target: Target, postgres: Postgres, home: Path, core: int | None, plan: Plan) -> Subject:
    """Start a target, fill it, and see that it does its job."""
    own = home / target.name
    own.mkdir()
    base_url = target.start(ServerConfig(postgres.admin_url, own, core))
    seeded = {spread.name: target.seed(spread.rows, spread.tenants) for spread in plan.spreads}
    check_contract(target, base_url, seeded[plan.spreads[0].name][0])
    return Subject(target, base_url, seeded)


@contextmanager
def progress_bar(console: Console, runs: int) -> Iterator[Callable[[str], None]]:
    """Drawn between the runs alone: a thread that redraws it would take its time from the load generator."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        task = progress.add_task("", total=runs)

        def step(what: str) -> None:
            progress.update(task, description=what, advance=1)
            progress.refresh()

        yield step


if __name__ == "__main__":
    sys.exit(main())
