"""The examples that are scripts say the same on every engine: what their pages show."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from uuid import uuid4

import pytest

from holdfast.engines.postgres.embedded import EmbeddedServer
from tests.acceptance.deployment import Deployment, new_deployment
from tests.examples.installed import EXAMPLES

SCRIPTS = {"hello": "hello.py", "tenancy": "tenancy.py"}
examples = pytest.mark.parametrize("example", SCRIPTS)


def blocks(example: str, language: str) -> list[str]:
    """The text of each fenced block of its page in a language, in order."""
    page = (EXAMPLES / example / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def ran(deployment: Deployment, example: str) -> str:
    """What it prints, in a copy of its folder."""
    shutil.copytree(EXAMPLES / example, deployment.folder, dirs_exist_ok=True)
    assert blocks(example, "sh")[0] == f"python {SCRIPTS[example]}\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", SCRIPTS[example]],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@examples
def test_in_memory(example: str) -> None:
    with new_deployment(DATABASE_URL="memory://") as deployment:
        assert [ran(deployment, example)] == blocks(example, "text")


@examples
def test_in_a_sqlite_file(example: str) -> None:
    with new_deployment(DATABASE_URL="sqlite:///rows.db") as deployment:
        assert [ran(deployment, example)] == blocks(example, "text")


@examples
def test_on_the_embedded_postgresql_and_again(example: str) -> None:
    with new_deployment() as deployment:
        assert [ran(deployment, example)] == blocks(example, "text")
        assert [ran(deployment, example)] == blocks(example, "text")


@examples
def test_on_a_server_of_ones_own(example: str, wheel_server: EmbeddedServer) -> None:
    name = f"example_{uuid4().hex[:12]}"
    url = re.sub(r"/postgres\b(?=$|\?)", f"/{name}", wheel_server.admin_url)
    assert name in url
    with new_deployment(DATABASE_ADMIN_URL=url) as deployment:
        assert [ran(deployment, example)] == blocks(example, "text")


def test_hello_is_served_over_http() -> None:
    with new_deployment() as deployment:
        shutil.copytree(EXAMPLES / "hello", deployment.folder, dirs_exist_ok=True)
        _, up, calls = blocks("hello", "sh")
        assert up == "holdfast up\n"
        with deployment.up() as served:
            script = calls.replace("http://127.0.0.1:8000", served.url)
            script = script.replace("curl -s ", "curl -sS --fail-with-body --noproxy '*' ")
            done = subprocess.run(
                ["sh", "-eu", "-c", script],
                cwd=deployment.folder,
                env=deployment.environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert '"title":"Hello, world"' in done.stdout.rpartition('"items"')[2]
            assert served.end() == 0
