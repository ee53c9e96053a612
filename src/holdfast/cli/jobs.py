"""`holdfast jobs`: what is done in the background, when, and what became of it; each of it by hand, too."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli._output import note, print_json, print_table, progress, say
from holdfast.cli._running import run as run_async
from holdfast.cli._running import with_platform
from holdfast.cli.settings import AsJson
from holdfast.runtime.settings import load_settings

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform
    from holdfast.runtime.jobs.running import Ended

app = typer.Typer(help="What is done in the background.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the jobs: when each runs, how it stands, when it ran and runs again, and what it does."""
    from holdfast.runtime.jobs.telling import list_jobs

    found = with_platform(list_jobs)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            job["name"],
            job["schedule"],
            _state(job),
            _last(job),
            _time(job["next_run"]),
            job["summary"],
        )
        for job in found
    ]
    print_table(["Job", "Runs", "State", "Last run", "Next run", "What it does"], rows)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="The job's name; `holdfast jobs list` shows them.")],
    as_json: AsJson = False,
) -> None:
    """Run a job now, here, with progress. Nobody else runs it meanwhile; where somebody does already, say who."""
    from holdfast.errors import HoldfastError

    ended = run_async(_run(name))
    if as_json:
        print_json(
            {
                "name": name,
                "result": ended.result,
                "code": ended.code,
                "seconds": ended.seconds,
                **_report(ended),
            }
        )
    else:
        counts = ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in ended.report.items())
        say(f"{name} is {ended.result} after {ended.seconds:.1f} s{'; ' if counts else ''}{counts}")
    if ended.result == "done":
        return
    if isinstance(ended.error, HoldfastError) or (ended.error is not None and _debugging()):
        raise ended.error
    hint = "`holdfast --debug jobs run …` shows where." if ended.error else "The report names what failed."
    note(f"[{ended.code}] The job did not succeed.\n  Hint: {hint}")
    raise typer.Exit(1)


def _report(ended: Ended) -> dict[str, Any]:
    return {"report": ended.report, "next_run": ended.due}


def _debugging() -> bool:
    return "--debug" in sys.argv


async def _run(name: str) -> Ended:
    from holdfast.runtime.assembly import open_platform
    from holdfast.runtime.jobs.known import find_job
    from holdfast.runtime.jobs.lease import Leases
    from holdfast.runtime.jobs.rules import Timing
    from holdfast.runtime.jobs.running import run_now
    from holdfast.runtime.jobs.watchdog import Watchdog

    settings = load_settings()
    timing = Timing(settings.worker_silence)
    with progress() as steps:
        async with open_platform(settings, tell=steps) as platform:
            job = find_job(platform.jobs, name)
            steps(f"Running {name}.")
            leases = Leases(platform.store, timing)
            return await run_now(platform, job, leases, tell=steps, watchdog=Watchdog(timing))


@app.command("history")
def history(
    name: Annotated[str | None, typer.Argument(help="One job; all without it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many, the latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the last runs: when, by whom, and what became of them. The last 100 of a job are kept, for 90 days at most."""
    from holdfast.runtime.jobs.known import find_job
    from holdfast.runtime.jobs.telling import list_runs

    async def work(platform: Platform) -> list[dict[str, Any]]:
        if name is not None:
            find_job(platform.jobs, name)
        return await list_runs(platform, name, limit=limit)

    found = with_platform(work)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            _time(each["started"]),
            _time(each["ended"]),
            f"{each['host']}, process {each['pid']}",
            each["result"],
            each["code"],
        )
        for each in found
    ]
    print_table(["Job", "Started", "Ended", "By", "Result", "Code"], rows)


def _state(job: dict[str, Any]) -> str:
    return f"running: {job['held_by']}" if job["held_by"] else str(job["state"])


def _last(job: dict[str, Any]) -> str:
    code = f", {job['last_code']}" if job["last_code"] else ""
    return f"{_time(job['last_run'])} ({job['last_result']}{code})" if job["last_run"] else "never"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
