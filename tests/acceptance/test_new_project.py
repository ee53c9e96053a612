"""`holdfast new`, and an application's life from there: as one pastes it, on an embedded server of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Project:
    """A folder, and `holdfast` in it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        plain = {n: v for n, v in os.environ.items() if not n.startswith(("HOLDFAST_", "DATABASE_"))}
        self.environ = {**plain, "PYTHONPATH": str(ROOT / "src"), **settings}

    def run(self, *arguments: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.cli", *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done

    def rewrite(self, old: str, new: str) -> None:
        entities = self.folder / "entities.py"
        text = entities.read_text()
        assert old in text
        entities.write_text(text.replace(old, new))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    Project(tmp_path).run("new", "myapp")
    made = Project(tmp_path / "myapp")
    yield made
    subprocess.run(
        [sys.executable, "-m", "holdfast.cli", "stop"],
        cwd=made.folder,
        env=made.environ,
        capture_output=True,
        check=False,
    )


def test_a_new_project_is_small_and_its_test_runs(project: Project) -> None:
    names = {path.name for path in project.folder.iterdir()}
    assert names == {
        "holdfast.toml",
        "entities.py",
        "test_entities.py",
        "README.md",
        ".gitignore",
        "migrations",
    }
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=project.folder, env=project.environ, check=False
    )
    assert tested.returncode == 0


def test_nothing_is_written_over(project: Project) -> None:
    before = (project.folder / "entities.py").read_text()
    refused = Project(project.folder.parent).run("new", "myapp", fails=True)
    assert "not written over" in refused.stderr
    assert (project.folder / "entities.py").read_text() == before


def test_a_declaration_without_a_revision_says_what_to_run(project: Project) -> None:
    refused = project.run("migrate", "up", fails=True)
    assert "app.notes is new" in refused.stderr
    assert "holdfast migrate make" in refused.stderr


def test_an_application_from_its_first_tables_to_a_change_and_back(project: Project) -> None:
    live(project)


def test_an_application_lives_in_a_file_as_well(project: Project) -> None:
    live(Project(project.folder, DATABASE_URL="sqlite:///store.db"))


def live(project: Project) -> None:
    made = project.run("migrate", "make", "-m", "first tables")
    assert "migrations/0001_first_tables.py" in made.stdout
    assert project.run("migrate", "make", "-m", "again").stdout.strip() == "Nothing has changed."
    with served(project):
        assert "Everything is as declared." in project.run("migrate", "verify").stdout
        change(project)
        expand(project)  # under the old code, which serves
    with served(project):  # in development what waits for the old code to go is applied as well
        take_back_and_forth(project)


def change(project: Project) -> None:
    project.rewrite("    done: bool = False\n", "    done: bool = False\n    stars: int = 3\n")
    project.rewrite(
        "title: Annotated[str, MaxLength(200)]", 'headline: Annotated[str, MaxLength(100), Was("title")]'
    )
    project.rewrite('Index("title")', 'Index("headline")')
    project.rewrite("Synced\n", "Synced, Was\n")
    project.rewrite('    text: str = ""\n', "")
    made = project.run("migrate", "make", "-m", "Stars & headlines")
    assert "0002_stars_headlines.py" in made.stdout
    assert "0003_stars_headlines_after_the_old_code.py" in made.stdout
    folder = project.folder / "migrations"
    assert 'PHASE = "post"' in (folder / "0003_stars_headlines_after_the_old_code.py").read_text()
    assert "TO TAKE IT BACK" in (folder / "0002_stars_headlines.sql").read_text()
    assert "_dropped_text" in project.run("migrate", "sql", "app_0003").stdout


def expand(project: Project) -> None:
    assert 'add column "stars"' in project.run("migrate", "up", "--dry-run").stdout
    assert project.run("migrate", "up", "--pre", "--json").stdout.split() == [
        "{",
        '"applied":',
        "[",
        '"app_0002"',
        "]",
        "}",
    ]
    told = json.loads(project.run("migrate", "status", "--json", fails=True).stdout)
    assert [entry["id"] for entry in told if entry["state"] == "pending"] == ["app_0003"]


def take_back_and_forth(project: Project) -> None:
    verified = json.loads(project.run("migrate", "verify", "--json").stdout)
    assert verified["as_declared"] is True

    assert json.loads(project.run("migrate", "down", "--json").stdout) == {"taken_back": ["app_0003"]}
    taken = json.loads(project.run("migrate", "down", "app_0002", "--yes", "--json").stdout)
    assert taken == {"taken_back": ["app_0002"]}
    assert "app_0003" in project.run("migrate", "up").stdout
    assert json.loads(project.run("migrate", "verify", "--json").stdout)["findings"] == []
    history = json.loads(project.run("migrate", "history", "--json").stdout)
    assert [entry["revision"] for entry in history][-2:] == ["app_0002", "app_0003"]
    assert all(entry["release"] and entry["seconds"] is not None for entry in history)

    edited = project.folder / "migrations" / "0002_stars_headlines.py"
    edited.write_text(edited.read_text().replace("'default': 3", "'default': 4"))
    refused = project.run("migrate", "up", fails=True)
    assert "differ" in refused.stderr or "changed after it was applied" in refused.stderr


@contextmanager
def served(project: Project) -> Iterator[None]:
    """`holdfast up` while the block runs, then Ctrl-C."""
    server = subprocess.Popen(
        [sys.executable, "-m", "holdfast.cli", "up", "--port", "0"],
        cwd=project.folder,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    try:
        until = time.monotonic() + 60
        for line in server.stdout:
            assert time.monotonic() < until
            if " answers at http" in line:
                url = line.split(" answers at ")[1].strip()
                with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
                    assert json.load(answer)["status"] == "ok"
                break
        else:
            raise AssertionError("it never answered")
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
