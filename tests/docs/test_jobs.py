"""The page about jobs: its commands and its pack, as they stand there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from holdfast.runtime.jobs.own import OWN_JOBS
from tests.acceptance.deployment import HOLDFAST, Deployment, new_deployment

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "jobs.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def shell(deployment: Deployment, script: str) -> str:
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


def test_the_commands_and_the_pack_work_in_their_order() -> None:
    with new_deployment() as deployment:
        command = deployment.folder / ".venv" / "bin" / "holdfast"
        command.parent.mkdir(parents=True)
        command.write_text(f'#!/bin/sh\nexec {" ".join(HOLDFAST)} "$@"\n')
        command.chmod(0o755)
        with deployment.up("--no-worker") as up:
            (pack,) = blocks("python")
            first, second = blocks("sh")
            listed = shell(deployment, first)
            (deployment.folder / "chores.py").write_text(pack)
            (settings,) = blocks("toml")
            (deployment.folder / "holdfast.toml").write_text(settings)
            counted = shell(deployment, second)
            assert up.end() == 0
    assert "expire-sessions is done after" in listed
    assert "daily at 05:30 UTC" in counted
    assert "count-accounts is done after" in counted
    assert "tenants: 1, accounts: " in counted


def test_every_job_of_the_platform_is_on_the_page() -> None:
    for job in OWN_JOBS:
        assert f"| `{job.name}` |" in PAGE


def test_settings_are_edited_and_a_worker_is_started_again() -> None:
    assert ">> holdfast.toml" not in PAGE
    assert "A worker knows the jobs that there were when it started." in PAGE
