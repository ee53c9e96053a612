"""The tutorial, as a reader follows it: files are written and changed, commands run, in one shell and one order."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "README.md"
_BLOCK = re.compile(r"^```(\w+)(?: (file|edit)=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EDIT = """import sys
path, old, new = sys.argv[1:]
text = open(path).read()
assert text.count(old) == 1, old
open(path, "w").write(text.replace(old, new))"""


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with new_deployment() as made:
        yield made


def test_it_works_as_it_stands_there(deployment: Deployment) -> None:
    script = "\n".join(["set -eu", *map(_as_shell, _BLOCK.findall(PAGE.read_text(encoding="utf-8")))])
    port = str(_free_port())
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**deployment.environment, "HOLDFAST_PORT": port, "PATH": path}
    folder = deployment.folder / "books"
    try:
        done = subprocess.run(
            ["bash", "-c", script.replace("127.0.0.1:8000", f"127.0.0.1:{port}")],
            cwd=deployment.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
    finally:
        for home in (".holdfast", ".holdfast-sqlite"):
            if (folder / home).exists():
                stop = [*HOLDFAST, "stop"]
                subprocess.run(stop, cwd=folder, env={**environment, "HOLDFAST_HOME": home}, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    before, after = (
        json.loads((folder / f"{when}.json").read_text())["items"] for when in ("before", "after")
    )
    assert sorted(book["title"] for book in before) == ["Emma", "Persuasion"]
    assert sorted((book["name"], book["rating"]) for book in after) == [("Emma", 0), ("Persuasion", 0)]
    assert "('Emma', 12)" in done.stdout
    assert "2 passed" in done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_shell(block: tuple[str, str, str, str]) -> str:
    """A block as a command: a file that is written, a file that is changed, or what stands there."""
    language, act, path, text = block
    if act == "file":
        return f"printf %s {shlex.quote(text)} > {path}"
    if act == "edit":
        old, new = ("\n".join(line[1:] for line in text.splitlines() if line[0] == sign) for sign in "-+")
        return f"python3 -c {shlex.quote(_EDIT)} {path} {shlex.quote(old)} {shlex.quote(new)}"
    assert language == "sh"
    return text
