"""Helpers of the tests of the embedded server: homes that are cleaned up, starters in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from holdfast.engines.postgres.embedded import EmbeddedServer

STARTER = Path(__file__).with_name("starter.py")


@dataclass
class Starter:
    """A Python process that has started a server, or is about to."""

    process: subprocess.Popen[str]

    def hear(self) -> dict[str, Any]:
        """What it says next."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"the starter ended with {self.process.wait()}"
        heard: dict[str, Any] = json.loads(line)
        return heard

    def stop_server(self) -> bool:
        assert self.process.stdin
        self.process.stdin.write("stop\n")
        self.process.stdin.flush()
        return bool(self.hear()["stopped"])

    def kill(self) -> None:
        """`kill -9` of the starter and of a prefix command; the server has a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def starter(
    home: Path, *, prefix: Sequence[str] = (), python: str = sys.executable, **options: Any
) -> Iterator[Starter]:
    """Start a server from another process. `prefix` is a command that runs it; the process ends with the block."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [*prefix, python, str(STARTER), str(home), json.dumps(options, default=str)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )
    started = Starter(process)
    try:
        yield started
    finally:
        started.kill()
        process.communicate()


def keep(server: EmbeddedServer | str, value: str) -> None:
    """Commit a value that a later start must find."""
    with connect(server) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def kept(server: EmbeddedServer | str) -> list[str]:
    with connect(server) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


def connect(server: EmbeddedServer | str) -> psycopg.Connection[Any]:
    return psycopg.connect(server if isinstance(server, str) else server.admin_url, connect_timeout=10)


def kill_server(pid: int) -> None:
    """`kill -9` of the postmaster and all of its children, at once."""
    postmaster = psutil.Process(pid)
    kill_all([postmaster, *postmaster.children(recursive=True)])


def kill_all(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or about to be collected by whoever inherited it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
