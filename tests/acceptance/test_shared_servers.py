"""The servers that tests share: each version is there, and none outlives the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer
from tests.acceptance.embedded import connect, has_ended, wait_until

ROOT = Path(__file__).resolve().parents[2]


def test_every_version_answers(postgres_server: EmbeddedServer, request: pytest.FixtureRequest) -> None:
    with connect(postgres_server) as connection:
        assert f"postgres{connection.info.server_version // 10000}" in request.node.name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_no_server(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import postgres_server, pytest_configure\n")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "test_long.py").write_text(
        "import pathlib, time\n"
        "def test_long(postgres_server):\n"
        "    pathlib.Path(__file__).with_name('pid').write_text(f'{postgres_server.pid}\\n')\n"
        "    for _ in range(600):\n"
        "        time.sleep(0.1)\n"
    )
    path = os.pathsep.join([str(ROOT), *(entry for entry in sys.path if entry)])
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "postgres18", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
    ) as run:
        told = tmp_path / "pid"
        wait_until(lambda: told.exists() and told.read_text().endswith("\n"))
        pid = int(told.read_text())
        assert not has_ended(pid)
        run.send_signal(number)
        run.wait(timeout=30)
    assert has_ended(pid)
