"""The page for FastAPI applications: its commands run as they stand there, its programs are those of the examples."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment
from tests.examples.served import served

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "fastapi.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The text of each fenced block in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def shell(deployment: Deployment, script: str, url: str) -> str:
    """Run a block as a newcomer would, against `url`. A request that is refused fails it."""
    script = script.replace("http://127.0.0.1:8000", url)
    script = script.replace("curl -s ", "curl -sS --fail-with-body --noproxy '*' ")
    script = script.replace("../../.venv/bin/holdfast", " ".join(HOLDFAST))
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", ["fastapi_mount", "fastapi_store"])
def test_the_commands_work_in_their_order(example: str) -> None:
    starts, calls = blocks("sh")[::2], blocks("sh")[1::2]
    turn = ["fastapi_mount", "fastapi_store"].index(example)
    assert starts[turn] == f"cd examples/{example}\n../../.venv/bin/uvicorn app:app\n"
    with new_deployment() as deployment, served(deployment, example) as url:
        said = shell(deployment, calls[turn], url)
    assert said.rstrip().endswith('["Buy bread"]')


def test_the_programs_are_the_examples() -> None:
    folders = [ROOT / "examples" / name for name in ("fastapi_mount", "fastapi_store")]
    sources = [file.read_text() for folder in folders for file in sorted(folder.glob("*.*"))]
    for block in (*blocks("python"), *blocks("toml")):
        assert any(block in source for source in sources), block


def test_the_names_and_pages_that_it_names_are_there() -> None:
    program = "import holdfast.api as api; print(*api.__all__)"
    names = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for name in re.findall(r"`(current_\w+|lifespan|create_app|answer_problem)", PAGE):
        assert name in names.stdout.split()
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert Path(os.path.normpath(ROOT / "docs" / "how-to" / target)).exists(), target
