"""The page for SQLite: its commands, run as they stand there, beside a server and after it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "sqlite.md").read_text(encoding="utf-8")


def shell(deployment: Deployment, script: str) -> str:
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=deployment.folder,
        env=deployment.environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_copy_is_made_and_brought_back() -> None:
    first, copy, back = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert first == "DATABASE_URL=sqlite:///store.db make up\n"
    with new_deployment(DATABASE_URL="sqlite:///store.db", HOLDFAST_PORT="0") as deployment:
        (deployment.folder / "holdfast").write_text(f'#!/bin/sh\nexec {" ".join(HOLDFAST)} "$@"\n')
        (deployment.folder / "holdfast").chmod(0o755)
        deployment.env["PATH"] = f"{deployment.folder}:{deployment.environment['PATH']}"
        shell(deployment, "holdfast up --detach")
        shell(deployment, copy)
        shell(
            deployment,
            "holdfast users add ada@example.com --name Ada --password-stdin <<END\na quiet evening\nEND",
        )
        epoch = deployment.json("sync", "status")["epoch"]
        said = shell(deployment, back)
        assert "0 failed" in said
        again = deployment.json("sync", "status")["epoch"]
        assert again["epoch"] != epoch["epoch"]
        assert "back in time" in again["reason"]
        shell(deployment, "holdfast stop")
