"""The page for WatermelonDB apps: its commands, run beside a server as they stand there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.acceptance.deployment import new_deployment
from tests.watermelon.install import on_path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "watermelondb.md").read_text(encoding="utf-8")


def test_two_devices_meet() -> None:
    first, second = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[:2]
    assert first == "make up\n"
    with new_deployment() as deployment, deployment.up() as up:
        for folder in ("examples", "clients"):
            ignored = shutil.ignore_patterns("node_modules")
            shutil.copytree(ROOT / folder, deployment.folder / folder, ignore=ignored)
        done = subprocess.run(
            ["sh", "-eu", "-c", second],
            cwd=deployment.folder,
            env={
                **deployment.environment,
                "HOLDFAST_URL": up.url,
                "PATH": on_path(deployment.folder / "node"),
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        listed = deployment.json("sync", "devices")
        assert len(listed) == 2
        assert all(device["named"] for device in listed)
