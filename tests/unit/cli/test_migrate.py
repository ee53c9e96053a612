"""`holdfast migrate` on a file, and what it says to somebody new."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.unit.cli.conftest import Run

_ENTITIES = """from pathlib import Path
from typing import Annotated

from holdfast import Entity, MaxLength, Pack, Shared, Was


class Note(Entity, table="notes", policies=(Shared(),)):
    title: Annotated[str, MaxLength(20)]
    text: str = ""
{more}

PACK = Pack(name="{name}", entities=(Note,), revisions=Path(__file__).parent / "migrations")
"""


class Application:
    """A module of entities in the working directory, and a file that they live in."""

    def __init__(self, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.run, self._patch = home, run, monkeypatch
        self.migrations = home / "migrations"
        monkeypatch.setenv("DATABASE_URL", f"sqlite:///{home / 'store.db'}")
        self.declare()

    def declare(self, *fields: str, name: str = "app", **replaced: str) -> None:
        """Another declaration, in a module that was never imported."""
        text = _ENTITIES.format(name=name, more="".join(f"    {field}\n" for field in fields))
        for old, new in replaced.items():
            text = text.replace(old, new)
        module = f"entities_{uuid4().hex}"
        (self.home / f"{module}.py").write_text(text)
        self._patch.setenv("HOLDFAST_PACKS", f"{module}:PACK")

    def ok(self, *arguments: str) -> str:
        done = self.run("migrate", *arguments)
        assert done.exit_code == 0, done.output
        return done.output

    def fails(self, *arguments: str) -> str:
        done = self.run("migrate", *arguments)
        assert done.exit_code == 1, done.output
        assert "internal_error" not in done.output
        return " ".join(done.output.split())

    def file(self, number: str) -> Path:
        (found,) = self.migrations.glob(f"{number}_*.py")
        return found


@pytest.fixture
def application(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Application:
    made = Application(home, run, monkeypatch)
    made.ok("make", "-m", "first tables")
    return made


@pytest.fixture
def three(application: Application) -> Application:
    """Three revisions, applied."""
    application.declare("stars: int = 1")
    application.ok("make", "-m", "stars")
    application.declare("stars: int = 1", "moons: int = 1")
    application.ok("make", "-m", "moons")
    application.ok("up")
    return application


def test_an_edited_revision_is_told_before_the_declaration(three: Application) -> None:
    file = three.file("0002")
    file.write_text(file.read_text().replace("stars", "suns"))
    for command in (("up",), ("up", "--dry-run")):
        told = three.fails(*command)
        assert "a revision was changed after it was applied (app_0002)" in told
        assert "Put the file back" in told
        assert "declaration" not in told
    told = three.fails("status")
    assert "app_0002 was edited after it was applied. Put the file back" in told
    assert "another application" not in told


def test_another_application_in_one_database_is_thought_of(application: Application) -> None:
    application.ok("up")
    application.file("0001").unlink()
    application.declare(text="body")
    application.ok("make", "-m", "another beginning")
    told = application.fails("up")
    assert "another application with a pack called app lives in this database" in told


def test_a_revision_that_was_deleted_is_missed_by_name(three: Application) -> None:
    three.file("0002").unlink()
    told = three.fails("status")
    assert "app_0002 is missing, app_0003 builds on it" in told
    assert "Put the file back" in told


def test_a_revision_that_is_no_python_is_named_with_its_line(three: Application) -> None:
    file = three.file("0003")
    lines = file.read_text().splitlines()
    lines[3] = "down_revision = = 1"
    file.write_text("\n".join(lines))
    assert f"{file.name}, line 4" in three.fails("status")


def test_an_unknown_revision_is_not_taken_back_and_the_known_ones_are_hinted_at(three: Application) -> None:
    for name in ("0002", "app_9"):
        told = three.fails("down", name)
        assert f"there is no such revision to take back ({name})" in told
        assert "`holdfast migrate status` lists them: a name such as app_0003" in told


def test_the_order_of_revisions_is_core_then_the_platforms_then_packs(three: Application) -> None:
    lines = [line.split()[0] for line in three.ok("status").splitlines()[1:]]
    assert lines == [
        "realm_0001",  # people come before the log that names them
        "core_0001",
        "core_0002",
        "sync_0001",
        "jobs_0001",
        "app_0001",
        "app_0002",
        "app_0003",
    ]


def test_progress_counts_what_it_shows(three: Application) -> None:
    three.declare("stars: int | None = None", "comets: int = 2")
    three.ok("make", "-m", "comets")
    told = three.run("migrate", "up").output
    steps = [line for line in told.splitlines() if ", step " in line]
    assert steps
    for name in ("app_0004", "app_0005"):
        of = [line.partition(", step ")[2].partition(":")[0] for line in steps if name in line]
        assert of == [f"{at + 1} of {len(of)}" for at in range(len(of))]


def test_the_second_file_says_what_applies_it(three: Application) -> None:
    three.declare("stars: int = 1")
    told = " ".join(three.ok("make", "-m", "no moons").split())
    assert "A plain `holdfast migrate up` applies it" in told
    assert "`holdfast migrate up --pre` stops before it" in told


def test_the_sql_shows_the_schema_first_and_counts_the_functions(application: Application) -> None:
    file = application.file("0001").with_suffix(".sql").read_text()
    schema, _, functions = file.partition("-- GENERATED FUNCTIONS: 5\n")
    assert "create table" in schema
    assert "create or replace function" not in schema
    assert "-- TO TAKE IT BACK" in schema
    assert functions.count("create or replace function") == 5
    shown = application.ok("sql")
    assert "create table" in shown
    assert "-- and 5 generated functions (--functions shows them)" in shown
    assert "create or replace function" not in shown
    assert application.ok("sql", "--functions").count("create or replace function") == 5


def test_a_field_that_may_be_another_under_a_new_name_is_mentioned(application: Application) -> None:
    application.declare("stars: int = 1", text="body")
    told = " ".join(application.ok("make", "-m", "body").split())
    assert 'If body of app.notes is text under another name, declare it with Was("text")' in told
    assert "stars" not in told.partition("If ")[2]


def test_a_required_field_that_may_be_another_is_refused_with_a_hint(application: Application) -> None:
    application.declare(title="headline")
    told = application.fails("make", "-m", "headline")
    assert 'If it is title under another name: Was("title").' in told


def test_the_only_pack_of_ones_own_is_taken_whatever_its_name(application: Application) -> None:
    application.file("0001").unlink()
    application.declare(name="memo")
    assert "0001_first_tables.py" in application.ok("make", "-m", "first tables")
    assert "memo_0001" in application.file("0001").read_text()


def test_of_several_packs_of_ones_own_one_is_to_be_named(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    application.declare(name="memo", notes="memos")
    memo = os.environ["HOLDFAST_PACKS"]
    application.declare(name="diary", notes="days")
    monkeypatch.setenv("HOLDFAST_PACKS", f"{memo},{os.environ['HOLDFAST_PACKS']}")
    assert "--pack memo or --pack diary" in application.fails("make", "-m", "x")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_at_the_prompt_a_signal_ends_it(number: signal.Signals) -> None:
    text = (
        "from types import SimpleNamespace as R\n"
        "from holdfast.cli._running import run\n"
        "from holdfast.cli.migrate import _approve\n"
        "async def work(): _approve(asked=True)([R(id='app_0001')])\n"
        "run(work())\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", text], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 1000)
        time.sleep(0.2)
        process.send_signal(number)
        assert process.wait(timeout=10) != 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_help_says_that_nothing_is_asked_without_a_terminal(run: Run) -> None:
    assert "without a terminal" in " ".join(run("migrate", "down", "--help").output.replace("│", " ").split())


def test_a_project_may_be_made_here(run: Run, home: Path) -> None:
    (home / "here").mkdir()
    os.chdir(home / "here")
    told = run("new", ".").output
    assert "Made the project here" in told
    assert "cd " not in told
    ignored = (home / "here" / ".gitignore").read_text().split()
    assert {".holdfast*/", "*.db", "*.db-*"} <= set(ignored)


def test_a_project_where_nobody_may_write_is_refused(run: Run) -> None:
    done = run("new", "/proc/x")
    assert done.exit_code == 1
    assert "The folder cannot be made" in done.output
