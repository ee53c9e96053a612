"""The page for Python clients: its program, run beside a server as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import holdfast.client
from tests.acceptance.deployment import new_deployment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "python-client.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The text of each fenced block in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_program_runs_beside_the_server() -> None:
    (program,) = blocks("python")
    assert blocks("sh") == ["make up\n", ".venv/bin/python till.py\n"]
    with new_deployment() as deployment, deployment.up() as up:
        (deployment.folder / "till.py").write_text(program.replace("http://127.0.0.1:8000", up.url))
        done = subprocess.run(
            [sys.executable, "-W", "error", "till.py"],
            cwd=deployment.folder,
            env=deployment.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "unsent: {} rejected: [] conflicts: []",
            "the office has [12.5]",
            "there is something to pull: True",
        ]


def test_the_numbers_that_it_names_are_the_clients() -> None:
    patience = holdfast.client.Patience()
    assert (patience.retries, patience.first_delay, patience.all_tries) == (3, 1.0, 30.0)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE):
        assert (ROOT / "docs" / "how-to" / target).exists(), target
