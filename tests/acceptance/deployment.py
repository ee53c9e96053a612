"""A deployment as its user has it: a folder, the command line in processes of its own, and HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from holdfast.engines.postgres.embedded import running
from tests.acceptance.embedded import kill_server
from tests.servers import discard, new_home

HOLDFAST = [sys.executable, "-m", "holdfast.cli"]
UP_SECONDS = 90.0
STOP_SECONDS = 60.0


@dataclass
class Up:
    """A `holdfast up` that runs in the foreground."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def served(self) -> dict[str, Any]:
        """What it says of itself."""
        answer: dict[str, Any] = json.loads((self.folder / ".holdfast" / "serving.json").read_text())
        return answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.served['port']}"

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code after this signal."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait()


@dataclass
class Deployment:
    """A folder with a home in it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / ".holdfast"

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(entry for entry in sys.path if entry)
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("HOLDFAST", "DATABASE"))
        }
        return {**kept, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **self.env}

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command that ends by itself."""
        return subprocess.run(
            [*HOLDFAST, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """What a command with --json prints."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def begin_up(self, *arguments: str) -> subprocess.Popen[str]:
        """`holdfast up`, without waiting for anything."""
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            return subprocess.Popen(
                [*HOLDFAST, "up", "--port", "0", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )

    @contextlib.contextmanager
    def up(self, *arguments: str) -> Iterator[Up]:
        """`holdfast up` in the foreground, answering; ended with the block if it still runs."""
        process = self.begin_up(*arguments)
        try:
            self._wait(process)
            yield Up(process, self.folder)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            finally:
                process.kill()
                process.wait()

    def _wait(self, process: subprocess.Popen[str]) -> None:
        deadline = time.monotonic() + UP_SECONDS
        path = self.home / "serving.json"
        while True:
            assert process.poll() is None, (self.folder / "err").read_text()
            assert time.monotonic() < deadline, "it does not come up"
            with contextlib.suppress(FileNotFoundError, ValueError):
                served = json.loads(path.read_text())
                if served["ready"] and served["pid"] == process.pid:
                    return
            time.sleep(0.02)

    def out(self) -> str:
        return (self.folder / "out").read_text()

    def err(self) -> str:
        return (self.folder / "err").read_text()

    def postgres(self) -> int | None:
        """The number of the embedded server's process, None where none runs."""
        server = running(self.home)
        return None if server is None else server.pid

    def kill_postgres(self) -> None:
        """`kill -9` of the embedded server and its children."""
        pid = self.postgres()
        assert pid is not None
        kill_server(pid)

    @contextlib.contextmanager
    def login(self, url: str) -> Iterator[httpx.Client]:
        """A client that is logged in as the demo person."""
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            answer = client.post("/auth/login", content=(self.home / "demo.json").read_bytes(), headers=JSON)
            answer.raise_for_status()
            client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield client


JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def new_deployment(**env: str) -> Iterator[Deployment]:
    """A folder of its own; whatever runs there at the end is ended."""
    folder = new_home()
    deployment = Deployment(folder, dict(env))
    try:
        yield deployment
    finally:
        _end_servers(deployment)
        discard(deployment.home)
        discard(folder)


def _end_servers(deployment: Deployment) -> None:
    """A detached server that a failed test has left."""
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pid = json.loads((deployment.home / "serving.json").read_text())["pid"]
        process = psutil.Process(pid)
        if "holdfast.cli" in process.cmdline():
            process.kill()
