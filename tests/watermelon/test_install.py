"""Where the client library of the tests comes from."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.watermelon.install import HERE, InstallError, Node, NoNode, _install, find_node


def test_the_lock_file_has_hashes_and_no_addresses() -> None:
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    del packages[""]

    assert all("integrity" in package and "resolved" not in package for package in packages.values())
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    for name, version in pinned.items():
        assert version.endswith(packages[f"node_modules/{name}"]["version"])


def test_an_old_node_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("node", "npm"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho v16.20.2\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(NoNode, match=r"18\.0 or newer .*node is 16\.20\.2"):
        find_node()


def test_no_node_at_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(NoNode, match="none found"):
        find_node()


def test_half_an_installation_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.watermelon.install.CACHE", tmp_path)
    broken = tmp_path / "npm"
    broken.write_text("process.stdout.write('no network'); process.exit(1)")
    program = next(iter(_programs()), None)
    if program is None:
        pytest.skip("WARNING: no Node.js; nothing was tested")

    with pytest.raises(InstallError, match="no network"):
        _install(Node(program, broken, "20.0.0"), tmp_path / "whole")
    assert list(tmp_path.iterdir()) == [broken]


def _programs() -> list[Path]:
    try:
        return [find_node().program]
    except NoNode:
        return []
