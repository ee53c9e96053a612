"""The WatermelonDB adapter: its own tests in Node, and that it is what the pages say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import holdfast

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "watermelondb"


def test_the_adapter_behaves() -> None:
    node = shutil.which("node")
    assert node is not None, "node 18 or newer is needed to test the WatermelonDB adapter"
    tests = Path(__file__).with_name("adapter.test.mjs")
    done = subprocess.run(
        [node, "--test", str(tests)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE) or re.search(r"pass (\d+)", done.stdout)
    assert ran is not None, done.stdout
    assert int(ran[1]) > 20, done.stdout


def test_it_is_one_file_without_dependencies_and_of_this_version() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    assert {name for name in package if "ependencies" in name} == set()
    assert package["version"] == holdfast.__version__
    source = (CLIENT / "holdfast.js").read_text()
    assert re.findall(r"^import|require\(|import\(", source, re.MULTILINE) == []
