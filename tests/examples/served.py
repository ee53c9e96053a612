"""An example's application, served by uvicorn in a process of its own."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance.deployment import Deployment
from tests.examples.installed import EXAMPLES

SECONDS = 60.0


@contextlib.contextmanager
def served(deployment: Deployment, example: str, *arguments: str) -> Iterator[str]:
    """The address at which it answers, in a copy of the example's folder. It must end well when it is asked to."""
    shutil.copytree(EXAMPLES / example, deployment.folder, dirs_exist_ok=True)
    log = deployment.folder / "uvicorn.log"
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "--port", "0", *arguments]
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, "app:app"],
            cwd=deployment.folder,
            env=deployment.environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(process, log)
        process.terminate()
        assert process.wait(SECONDS) in {0, -15}, log.read_text()
        assert "Traceback" not in log.read_text(), log.read_text()
    finally:
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + SECONDS
    while True:
        found = re.search(r"running on (http://[^ ]+)", log.read_text())
        if found is not None:
            return found[1]
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, "it does not come up"
        time.sleep(0.05)
