"""The WatermelonDB adapter: its own tests in Node, and that it is what the pages say."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import holdfast
from tests.watermelon.install import find_node

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "watermelondb"
EXAMPLE = ROOT / "examples" / "watermelon-node"


def test_the_adapter_behaves() -> None:
    node = find_node().program
    tests = Path(__file__).with_name("adapter.test.mjs")
    done = subprocess.run(
        [node, "--test", str(tests)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ran = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE) or re.search(r"pass (\d+)", done.stdout)
    assert ran is not None, done.stdout
    assert int(ran[1]) > 20, done.stdout


def test_it_is_one_file_without_dependencies_and_of_this_version() -> None:
    package = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    assert {name for name in package if "ependencies" in name} == set()
    assert package["version"] == holdfast.__version__
    source = (CLIENT / "holdfast.js").read_text(encoding="utf-8")
    assert re.findall(r"^import|require\(|import\(", source, re.MULTILINE) == []


def test_the_page_shows_what_the_example_does() -> None:
    page = (ROOT / "docs" / "how-to" / "watermelondb.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in EXAMPLE.glob("*.mjs")]
    shown = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(shown) > 1
    for block in shown:
        assert any(block in source for source in sources), block
    for target in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / "how-to" / target).exists(), target


def test_the_lock_file_names_hashes_and_no_addresses() -> None:
    lock = json.loads((EXAMPLE / "package-lock.json").read_text(encoding="utf-8"))
    installed = {name: entry for name, entry in lock["packages"].items() if name}
    assert {
        name for name, entry in installed.items() if "integrity" not in entry or "resolved" in entry
    } == set()
