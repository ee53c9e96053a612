"""What `up` ends with can be pasted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from holdfast.cli._welcome import command, welcome
from holdfast.runtime.serving import Served
from holdfast.runtime.settings import load_settings

SERVED = Served(1, "127.0.0.1", 8123, "")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_paths_are_as_one_writes_them_here_and_quoted(here: Path) -> None:
    settings = load_settings(here, {})
    (here / ".holdfast").mkdir()
    (here / ".holdfast" / "demo.json").write_text("{}")
    assert "-d @.holdfast/demo.json " in welcome(settings, SERVED)
    named = load_settings(here, {"HOLDFAST_HOME": str(here / "my home")})
    (here / "my home").mkdir()
    (here / "my home" / "demo.json").write_text("{}")
    assert "-d @'my home/demo.json' " in welcome(named, SERVED)
    assert f"HOLDFAST_HOME='{here}/my home' " in welcome(named, SERVED)


def test_without_a_demo_person_no_login_is_shown(here: Path) -> None:
    text = welcome(load_settings(here, {}), SERVED)
    assert "auth/login" not in text
    assert text.endswith("http://127.0.0.1:8123/docs")


def test_the_command_is_the_one_that_was_called(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = here / "venv" / "bin" / "holdfast"
    script.parent.mkdir(parents=True)
    script.write_text("")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    settings = load_settings(here, {})
    monkeypatch.setenv("PATH", "/nowhere")
    assert command(settings) == "venv/bin/holdfast"
    # As `make up` has it: another terminal, in the same folder, has not.
    monkeypatch.setenv("PATH", str(script.parent))
    assert command(settings) == "venv/bin/holdfast"
    (here.parent / "elsewhere").mkdir()
    monkeypatch.chdir(here.parent / "elsewhere")
    assert command(load_settings(here, {})) == "holdfast"
