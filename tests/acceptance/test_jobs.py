"""Workers as processes of their own on PostgreSQL: together, killed, ended, beside a server and without one."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import pytest
from psycopg.rows import dict_row

from holdfast.engines.postgres.embedded import EmbeddedServer
from tests.acceptance.chores import STEPS
from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment

SILENCE = 3
PATIENCE = 30.0


class Site(Deployment):
    """A deployment with chores, on a database of its own."""

    def touch(self, name: str) -> None:
        (self.folder / name).touch()

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines() if self.has(name) else []

    def remove(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def history(self, name: str) -> list[dict[str, Any]]:
        """The runs of a job, the oldest first, read where they are kept: a command takes a second to begin."""
        with self.sql as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                "select * from jobs.runs where name = %s order by fence", (name,)
            ).fetchall()

    def state(self, name: str) -> dict[str, Any]:
        """Where a job stands."""
        with self.sql as connection, connection.cursor(row_factory=dict_row) as cursor:
            found = cursor.execute("select * from jobs.states where name = %s", (name,)).fetchone()
        return found or {}

    def workers(self) -> list[int]:
        """The processes that count as workers."""
        with self.sql as connection:
            return [pid for (pid,) in connection.execute("select pid from jobs.workers order by started_at")]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        with (self.folder / "worker.log").open("a") as log:
            return subprocess.Popen(
                [*HOLDFAST, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[str]]:
        process = self.start("worker")
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @property
    def sql(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.env["DATABASE_ADMIN_URL"], autocommit=True)


def wait_until(holds: Callable[[], object], *, seconds: float = PATIENCE) -> float:
    """How long it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + seconds, "it does not come to that"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def site(wheel_server: EmbeddedServer) -> Iterator[Site]:
    name = f"chores_{secrets.token_hex(4)}"
    with psycopg.connect(wheel_server.admin_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    url = urlunsplit(urlsplit(wheel_server.admin_url)._replace(path=f"/{name}"))
    env = {
        "DATABASE_ADMIN_URL": url,
        "HOLDFAST_PACKS": "finance,chores:PACK",
        "HOLDFAST_WORKER_SILENCE": str(SILENCE),
    }
    with new_deployment(**env) as made:
        shutil.copy(Path(__file__).with_name("chores.py"), made.folder / "chores.py")
        assert made.run("migrate", "up").returncode == 0
        yield Site(made.folder, made.env)


def test_workers_side_by_side_do_everything_once(site: Site) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(site.worker()) for _ in range(3)]
        wait_until(lambda: len(site.lines("count.log")) >= 4)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(PATIENCE) for worker in workers] == [0, 0, 0]
    assert not site.has("count.overlap")
    runs = site.history("count")
    assert {run["result"] for run in runs} == {"done"}
    assert [str(run["report"]["fence"]) for run in runs] == site.lines("count.log")
    assert site.state("count")["run_id"] is None
    told = site.json("jobs", "history", "count", "--limit", "1000")
    assert [run["report"]["fence"] for run in told[::-1]] == [run["fence"] for run in runs]
    assert {(run["result"], run["trigger"], run["code"]) for run in told} == {("done", "schedule", None)}


def test_a_killed_workers_job_is_taken_over_where_it_was(site: Site) -> None:
    site.touch("climb.wanted")
    with site.worker() as first:
        wait_until(lambda: len(site.lines("climb.log")) > 5)
        first.kill()
        with site.worker():
            took = wait_until(lambda: len({line.split()[1] for line in site.lines("climb.log")}) == 2)
            assert took < SILENCE + 10
            wait_until(lambda: not site.has("climb.wanted"))
    steps = [int(line.split()[0]) for line in site.lines("climb.log")]
    assert sorted(set(steps)) == list(range(STEPS))
    assert len(steps) <= STEPS + 1  # the step that was done and not saved
    runs = [run for run in site.history("climb") if run["result"] == "lost" or run["report"].get("steps")]
    assert (runs[0]["result"], runs[0]["pid"], runs[0]["code"]) == ("lost", first.pid, "lease_lost")
    assert runs[-1]["report"]["first"] > 0
    site.remove("climb.log")


def test_connections_that_are_cut_lose_nothing(site: Site) -> None:
    def climbed(steps: int) -> bool:
        """A run that has failed is tried again at once: how long it would wait is tested elsewhere."""
        with site.sql as connection:
            connection.execute(
                "update jobs.states set next_at = now() where name = 'climb' and run_id is null and failures > 0"
            )
        return len(site.lines("climb.log")) > steps or not site.has("climb.wanted")

    site.touch("climb.wanted")
    with site.worker() as worker:
        for steps in (5, 15, 25):
            wait_until(lambda least=steps: climbed(least))  # type: ignore[misc]
            with site.sql as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
        wait_until(lambda: climbed(STEPS * 10))
        assert worker.poll() is None
    assert sorted({int(line.split()[0]) for line in site.lines("climb.log")}) == list(range(STEPS))


def test_by_hand_under_the_same_lease(site: Site) -> None:
    site.touch("linger.wanted")
    running = site.start("jobs", "run", "linger")
    try:
        wait_until(lambda: site.has("linger.begun"))
        refused = site.run("jobs", "run", "linger", "--json")
        assert refused.returncode == 1
        assert refused.stderr.splitlines()[-2].startswith("[job_held] This job is being run by process ")
        assert f"process {running.pid} on" in refused.stderr
        (listed,) = [job for job in site.json("jobs", "list") if job["name"] == "linger"]
        assert (listed["state"], str(running.pid) in listed["held_by"]) == ("running", True)
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 130
    finally:
        running.kill()
        running.wait()
    assert [run["result"] for run in site.history("linger")] == ["handed_back"]
    site.remove("linger.wanted", "linger.begun")


def test_a_worker_hands_back_what_does_not_end(site: Site) -> None:
    before = len(site.history("linger"))
    site.touch("linger.wanted")
    with site.sql as connection:
        connection.execute("update jobs.states set next_at = now() where name = 'linger'")
    with site.worker() as worker:
        wait_until(lambda: site.has("linger.begun"))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0
    assert [run["result"] for run in site.history("linger")[before:]] == ["handed_back"]
    state = site.state("linger")
    assert (state["run_id"], state["host"], state["failures"]) == (None, None, 0)
    site.remove("linger.wanted", "linger.begun")


def test_a_worker_that_a_job_blocks_ends_before_another_takes_over(site: Site) -> None:
    site.touch("block.wanted")
    with site.worker() as worker:
        wait_until(lambda: not site.has("block.wanted"))
        assert worker.wait(SILENCE) == 75
        # All that began with it are as silent, and the first of them is named.
        assert re.search(r"job (block|climb|count) does not stop where it must", site.lines("worker.log")[-1])


def test_what_a_job_raises_is_told_by_its_kind_alone(site: Site) -> None:
    failed = site.run("jobs", "run", "fail", "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["code"] == "ValueError"
    assert "[ValueError] The job did not succeed." in failed.stderr
    assert "somebody's" not in failed.stdout + failed.stderr
    assert site.state("fail")["failures"] == 1
    unknown = site.run("jobs", "run", "cuont")
    assert (unknown.returncode, "Did you mean count?" in unknown.stderr) == (1, True)


def test_plans_of_old_code_go_after_a_week(site: Site) -> None:
    old = "finance.get_accounts_0badc0de"
    with site.sql as connection:
        connection.execute(f"create function {old}(a text) returns text language sql return a")
        assert site.json("jobs", "run", "clean-up-plans")["report"] == {"dropped": 0, "stale": 1}
        week = (datetime.now(UTC) - timedelta(days=7)).isoformat()
        connection.execute(
            "update jobs.states set notes = %s where name = 'clean-up-plans'",
            (json.dumps({'"finance"."get_accounts_0badc0de"': week}),),
        )
        serving = Site(site.folder, {**site.env, "DATABASE_URL": runtime_url(site)})
        del serving.env["DATABASE_ADMIN_URL"]
        report = serving.json("jobs", "run", "clean-up-plans")["report"]
        assert (report["dropped"], report["due"]) == (0, 1)
        assert "DATABASE_ADMIN_URL" in report["why"]
        assert site.json("jobs", "run", "clean-up-plans")["report"] == {"dropped": 1, "stale": 0}
        (there,) = connection.execute("select to_regproc(%s)", (old,)).fetchone() or (None,)
        assert there is None


def runtime_url(site: Site) -> str:
    password = json.loads((site.home / "database.json").read_text())["runtime"]
    parts = urlsplit(site.env["DATABASE_ADMIN_URL"])
    login = f"{parts.path.strip('/')}_runtime:{password}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def test_a_server_has_a_worker_that_lives_and_ends_with_it(site: Site) -> None:
    with site.up() as up:
        first = the_worker(up.process.pid)
        wait_until(lambda: first.pid in site.workers())
        assert first.pid in {worker["pid"] for worker in site.json("status")["jobs"]["workers"]}
        first.kill()
        wait_until(lambda: the_worker(up.process.pid, missing_ok=True) not in {None, first})
        assert "the worker has ended with exit code -9; starting it again in 1 s" in site.err()
        second = the_worker(up.process.pid)
        up.kill()
        wait_until(lambda: not second.is_running() or second.status() == psutil.STATUS_ZOMBIE, seconds=10)
    with site.up("--no-worker") as up:
        assert the_worker(up.process.pid, missing_ok=True) is None
        assert up.end() == 0
    with site.up() as up:
        third = the_worker(up.process.pid)
        assert up.end() == 0
        assert not third.is_running()


def the_worker(pid: int, *, missing_ok: bool = False) -> Any:
    found = [child for child in psutil.Process(pid).children() if "worker" in _command(child)]
    assert found or missing_ok
    return found[0] if found else None


def _command(process: psutil.Process) -> list[str]:
    """What it runs; nothing where it has just ended and nobody has taken note of it yet."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []
