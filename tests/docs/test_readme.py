"""The README's commands and programs, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"


def blocks() -> list[tuple[str, str]]:
    """Language and text of each fenced block, in order."""
    return _BLOCK.findall(README.read_text(encoding="utf-8"))


def shell_blocks() -> list[str]:
    return [text for language, text in blocks() if language == "sh"]


def programs() -> list[str]:
    return [text for language, text in blocks() if language == "python"]


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with new_deployment() as made:
        yield made


def shell(deployment: Deployment, script: str) -> str:
    """Run a block as a newcomer would, in the deployment's folder, with `holdfast` on the path."""
    folder = deployment.folder / "bin"
    folder.mkdir(exist_ok=True)
    command = folder / "holdfast"
    command.write_text(f'#!/bin/sh\nexec {" ".join(HOLDFAST)} "$@"\n')
    command.chmod(0o755)
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=deployment.folder,
        env={**deployment.environment, "PATH": f"{folder}:{os.environ['PATH']}", "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_work_in_their_order(deployment: Deployment) -> None:
    first, listing, looking, importing, own = shell_blocks()
    assert first == "make up\n"
    with deployment.up() as up:
        assert '"name":"Everyday"' in shell(deployment, listing.replace(ADDRESS, up.url))
        (deployment.folder / ".venv" / "bin").mkdir(parents=True)
        (deployment.folder / ".venv" / "bin" / "activate").write_text("")
        looked = shell(deployment, looking)
        assert "0 failed, 0 not checked" in looked
        assert "Password: " in looked
        imported = shell(deployment, importing)
        assert "2 would be added, 0 already there" in imported
        assert imported.rstrip().endswith("2 added, 0 already there")
        assert up.end() == 0
    (deployment.folder / "notes.py").write_text(programs()[0])
    detach, *rest = own.splitlines(keepends=True)
    assert "--detach" in detach
    started = shell(deployment, detach.replace("--detach", "--detach --port 0"))
    url = started.split()[4]
    assert "Plant the beans" in shell(deployment, "".join(rest).replace(ADDRESS, url))
    assert deployment.postgres() is None


def test_the_program_prints_what_stands_below_it(deployment: Deployment) -> None:
    language, expected = blocks()[[text for _, text in blocks()].index(programs()[1]) + 1]
    assert language == ""
    done = subprocess.run(
        [sys.executable, "-c", programs()[1]],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == expected


def test_the_pages_that_it_names_are_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (README.parent / target).exists(), target
