"""The README's commands and programs, run as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment
from tests.watermelon.install import on_path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    """The text of each fenced block in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """A folder that looks like a clone after `make up`: the command where the README calls it, and the examples."""
    with new_deployment() as made:
        command = made.folder / ".venv" / "bin" / "holdfast"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec {" ".join(HOLDFAST)} "$@"\n')
        command.chmod(0o755)
        for folder in ("examples", "clients"):
            shutil.copytree(
                ROOT / folder, made.folder / folder, ignore=shutil.ignore_patterns("node_modules")
            )
        made.env["PATH"] = on_path(made.folder / "node")
        yield made


def shell(deployment: Deployment, script: str) -> str:
    """Run a block as a newcomer would. A request that is refused fails it."""
    done = subprocess.run(
        ["sh", "-eu", "-c", script.replace("curl -s ", "curl -sS --fail-with-body --noproxy '*' ")],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_work_in_their_order(deployment: Deployment) -> None:
    first, *rest = blocks("sh")
    assert first == "make up\n"
    with deployment.up() as up:
        said = [shell(deployment, block.replace(ADDRESS, up.url)) for block in rest]
        assert up.end() == 0
    requests, registration, statement, proof, devices = said
    assert '"name":"Everyday"' in requests
    assert '"balance":"12.50"' in requests
    assert '"access_token"' in registration
    planned, _, imported = statement.rpartition("Account Everyday")
    assert "would be added, 0 already there" in planned
    assert " added, 0 already there" in imported
    assert "0 failed, 0 not checked" in proof
    assert "equal on both devices" in devices


def test_the_programs_run_beside_the_server(deployment: Deployment) -> None:
    with deployment.up():
        said = [run_program(deployment, program) for program in blocks("python")]
    assert "Holiday 20.00 2" in said[-1]


def run_program(deployment: Deployment, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_verb_that_it_names_is_there(deployment: Deployment) -> None:
    for named in re.findall(r"`holdfast ([a-z ]+)", README):
        assert deployment.run(*named.split(), "--help").returncode == 0, named


def test_the_pages_that_it_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
