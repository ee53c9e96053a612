"""A server process: started on its core, waited for, stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.machine import pinned

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0


class ServerProcess:
    """A Python module that runs as a server on a port of the loopback interface."""

    def __init__(
        self, arguments: Sequence[str], *, port: int, core: int | None, log: Path, settings: Mapping[str, str]
    ) -> None:
        """`arguments` follow `python -m`; `settings` are added to the environment; `log` gets what it prints."""
        self.base_url = f"http://127.0.0.1:{port}"
        self._log = log
        with pinned(core), log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env={**os.environ, **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        self._await(port)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await(self, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not _listens(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise BenchmarkError(f"A server did not start. It said:\n{self._log.read_text()}")
            time.sleep(0.05)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
