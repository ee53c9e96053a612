"""`holdfast up` as a newcomer meets it: from nothing to an answer, and in order down again."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.deployment import Deployment, new_deployment
from tests.acceptance.embedded import has_ended


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with new_deployment() as made:
        yield made


@pytest.fixture(scope="module")
def standing() -> Iterator[Deployment]:
    """A deployment that has been up once and is down now: a second start is quick."""
    with new_deployment() as made:
        with made.up() as up:
            assert up.end() == 0
        yield made


def test_from_nothing_to_an_answer_and_down_again(deployment: Deployment) -> None:
    with deployment.up() as up:
        pid = deployment.postgres()
        assert pid is not None
        told = deployment.err()
        for earlier, later in (
            ("Making a new database", "Starting PostgreSQL"),
            ("Starting PostgreSQL", "Checking roles and migrations"),
            ("Checking roles and migrations", "Making a demo person"),
        ):
            assert told.index(earlier) < told.index(later)
        assert deployment.out().rstrip().endswith(f"{up.url}/docs")
        assert httpx.get(f"{up.url}/health", trust_env=False).json()["status"] == "ok"
        assert up.end(signal.SIGINT) == 0
    assert deployment.postgres() is None
    assert has_ended(pid)
    assert "Traceback" not in deployment.err() + deployment.out()


def test_what_it_prints_at_the_end_can_be_pasted(standing: Deployment) -> None:
    with standing.up() as up:
        lines = [line[2:] for line in standing.out().splitlines() if line.startswith("  ")]
        pasted = subprocess.run(
            ["sh", "-eu", "-c", "\n".join(lines)],
            cwd=standing.folder,
            env={**standing.environment, "no_proxy": "*"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        listed, _, status = pasted.stdout.partition("\n")
        rows, _ = json.JSONDecoder().raw_decode(pasted.stdout)
        assert [row["name"] for row in rows["items"]] == ["Everyday", "Rainy days"]
        assert up.url in status or up.url in listed
        docs = standing.out().split()[-1]
        assert httpx.get(docs, trust_env=False).status_code == 200


def test_secrets_are_for_their_owner_alone(standing: Deployment) -> None:
    assert stat.S_IMODE(standing.home.stat().st_mode) == 0o700
    files = [path for path in standing.home.iterdir() if path.is_file()]
    assert {"demo.json", "database.json", "signing-key.pem"} <= {path.name for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    password = json.loads((standing.home / "demo.json").read_text())["password"]
    assert password not in standing.out() + standing.err()


def test_sigterm_ends_it_in_order_too(standing: Deployment) -> None:
    with standing.up() as up:
        assert up.end(signal.SIGTERM) == 0
    assert standing.postgres() is None
    assert not (standing.home / "serving.json").exists()


def test_it_is_quick_the_second_time_and_makes_nothing_twice(standing: Deployment) -> None:
    began = time.monotonic()
    with standing.up() as up:
        assert time.monotonic() - began < 15
        assert "Making" not in standing.err()
        with standing.login(up.url) as client:
            assert len(client.get("/financial/accounts").json()["items"]) == 2


def test_a_second_up_says_so(standing: Deployment) -> None:
    with standing.up() as up:
        pid = standing.postgres()
        second = standing.run("up", "--port", "0")
        assert second.returncode == 1
        assert f"already serves this home: process {up.process.pid} at {up.url}" in second.stderr
        assert "holdfast stop" in second.stderr
        assert standing.run("up", "--detach").returncode == 1
        assert standing.postgres() == pid
        assert httpx.get(f"{up.url}/health", trust_env=False).status_code == 200


def test_a_port_in_use_is_told_before_anything_starts(deployment: Deployment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments in (("up", "--port", str(port)), ("up", "--port", str(port), "--detach")):
            refused = deployment.run(*arguments)
            assert refused.returncode == 1
            assert refused.stderr.startswith(f"[configuration_error] Port {port} on 127.0.0.1 cannot be had")
            assert "--port" in refused.stderr
    assert not (deployment.home / "postgres").exists()


def test_interrupted_while_it_starts_it_leaves_nothing_running(deployment: Deployment) -> None:
    for pause in (0.4, 0.8, 1.2):
        process = deployment.begin_up()
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in {0, 130, -signal.SIGINT}
        assert deployment.postgres() is None
        assert "Traceback" not in deployment.err() or process.returncode == -signal.SIGINT
    with deployment.up() as up:
        assert httpx.get(f"{up.url}/health", trust_env=False).status_code == 200


def test_detached_it_comes_back_when_it_answers(standing: Deployment) -> None:
    detached = standing.run("up", "--detach", "--port", "0")
    assert detached.returncode == 0, detached.stderr
    assert "Starting PostgreSQL" in detached.stderr
    served = json.loads((standing.home / "serving.json").read_text())
    url = f"http://127.0.0.1:{served['port']}"
    assert detached.stdout.rstrip().endswith(f"{url}/docs")
    assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
    assert standing.json("status")["server"] == {"url": url, "pid": served["pid"], "ready": True}
    assert "GET /health 200" in standing.run("logs", "-n", "5").stdout
    stopped = standing.run("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "Stopped.\n")
    assert standing.postgres() is None
    assert standing.run("stop").stdout == "Nothing was running.\n"


def test_detached_it_fails_as_it_would_have_in_the_foreground(standing: Deployment) -> None:
    broken = Deployment(standing.folder, {"HOLDFAST_PACKS": "nosuch"})
    refused = broken.run("up", "--detach", "--port", "0")
    assert refused.returncode == 1
    assert "There is no such pack." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert standing.postgres() is None


def test_logs_follows(standing: Deployment) -> None:
    with standing.up("--no-worker") as up:
        following = subprocess.Popen(
            [*_holdfast(), "logs", "-f", "-n", "0"],
            cwd=standing.folder,
            env=standing.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert following.stdout is not None
            time.sleep(1)
            httpx.get(f"{up.url}/health", trust_env=False)
            assert "GET /health 200" in following.stdout.readline()
            following.send_signal(signal.SIGINT)
            assert following.wait(10) == 0
        finally:
            following.kill()
            following.communicate()


def _holdfast() -> list[str]:
    from tests.acceptance.deployment import HOLDFAST

    return HOLDFAST


def test_a_command_starts_the_database_for_itself_and_puts_it_down(standing: Deployment) -> None:
    assert standing.postgres() is None
    assert standing.json("status")["health"]["status"] == "ok"
    assert standing.postgres() is None


def test_commands_and_a_server_share_the_database(standing: Deployment) -> None:
    with standing.up() as up:
        pid = standing.postgres()
        for arguments in (("status",), ("tenants", "list"), ("migrate", "status")):
            assert standing.run(*arguments).returncode == 0
        assert standing.postgres() == pid
        assert httpx.get(f"{up.url}/health", trust_env=False).status_code == 200


def test_commands_at_once_do_not_fight(standing: Deployment, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [*_holdfast(), "tenants", "list", "--json"],
            cwd=standing.folder,
            env=standing.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert len(json.loads(out)) >= 1
    assert standing.postgres() is None
