"""`holdfast jobs` on a store that forgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

PACK = """
from datetime import time
from holdfast import Daily, Job, Pack

async def greet(context):
    context.tell("Greeting.")
    return {"greeted": 2}

async def grumble(context):
    context.problem("one", "not_found")
    return {"greeted": 1}

GREET = Job("greet", greet, Daily(time(6)), "Greets.")
PACK = Pack("app", (), jobs=(GREET, Job("grumble", grumble, Daily(time(7)), "Grumbles.")))
TWICE = Pack("again", (), jobs=(GREET,))
"""


@pytest.fixture
def packs(home: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A module of the application's, named after the test's folder: modules are remembered."""
    module = home.name.replace("-", "_") + "_jobs"
    (home / f"{module}.py").write_text(PACK)
    monkeypatch.setenv("HOLDFAST_PACKS", f"{module}:PACK")
    monkeypatch.setenv("TWICE", f"{module}:PACK,{module}:TWICE")
    return monkeypatch


def test_they_are_listed_with_those_of_packs(run: Run, packs: pytest.MonkeyPatch) -> None:
    listed = {job["name"]: job for job in json.loads(run("jobs", "list", "--json").stdout)}
    assert set(listed) > {"greet", "expire-sessions", "clean-up-plans"}
    assert listed["greet"]["schedule"] == "daily at 06:00 UTC"
    assert (listed["greet"]["state"], listed["greet"]["last_run"]) == ("waiting for a worker", None)
    assert "Greets." in run("jobs", "list").stdout


def test_one_is_run_by_hand(run: Run, packs: pytest.MonkeyPatch) -> None:
    done = run("jobs", "run", "greet")
    assert (done.exit_code, "greet is done after" in done.stdout) == (0, True)
    assert "greeted: 2" in done.stdout
    assert "Greeting." in done.stderr
    told = json.loads(run("jobs", "run", "greet", "--json").stdout)
    assert (told["result"], told["report"]) == ("done", {"greeted": 2})


def test_one_that_fails_in_part_ends_with_1(run: Run, packs: pytest.MonkeyPatch) -> None:
    done = run("jobs", "run", "grumble", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["code"], told["report"]["problems"]) == ("partly_failed", {"one": "not_found"})
    assert "[partly_failed]" in done.stderr


@pytest.mark.parametrize("arguments", [("run", "gret"), ("history", "gret")])
def test_an_unknown_name_is_guessed(run: Run, packs: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    done = run("jobs", *arguments)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "  Hint: Did you mean greet?"


def test_two_of_one_name_are_refused(run: Run, packs: pytest.MonkeyPatch) -> None:
    import os

    packs.setenv("HOLDFAST_PACKS", os.environ["TWICE"])
    done = run("jobs", "list")
    assert done.exit_code == 1
    assert "[declaration_error] two jobs are called greet" in done.stderr


def test_a_history_that_is_empty_is_empty(run: Run, home: Path) -> None:
    assert json.loads(run("jobs", "history", "--json").stdout) == []
    assert run("jobs", "history").exit_code == 0
    assert "no worker runs" in run("status").stdout
