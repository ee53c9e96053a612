"""`make` in a fresh clone: which Python is chosen, what is installed and when, what reaches the program that runs then.

Nothing is downloaded here: the environment's Python is a stand-in that notes how it is called, or the tests' own.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone() -> Iterator[Path]:
    """A clone with all that the bootstrap reads, in a folder that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="hf clone-", dir="/tmp"))
    folder.chmod(0o755)
    for name in ("Makefile", "pyproject.toml", "requirements", "scripts"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def environment(**more: str) -> dict[str, str]:
    inherited = {"PATH", "HOME", "PYENV_ROOT", "LANG"}
    return {name: value for name, value in os.environ.items() if name in inherited} | more


def call(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False, timeout=60
    )


def installed(clone: Path) -> Path:
    """Pretend that everything is installed; returns the file in which the environment's Python notes its calls."""
    calls = clone / "calls"
    program(clone / ".venv" / "bin" / "python", f"echo \"$@\" >> '{calls}'")
    done = call("scripts/with-venv", "run", "true", cwd=clone)
    assert done.returncode == 0, done.stderr
    return calls


def pip_calls(calls: Path) -> list[str]:
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [line for line in lines if "-m pip install" in line]


def test_help_names_every_target(clone: Path) -> None:
    said = call("make", cwd=clone).stdout
    for target in ("up", "test", "check", "bench", "soak", "lock", "clean"):
        assert f"make {target} " in said


def test_locked_packages_are_installed_by_hash_and_then_the_project_without_network(clone: Path) -> None:
    packages, project = pip_calls(installed(clone))
    assert "--require-hashes" in packages
    assert packages.endswith("requirements/run.txt")
    assert {"--no-index", "--no-deps", "--no-build-isolation", "--editable"} <= set(project.split())


def test_nothing_is_installed_again_until_a_lock_file_changes(clone: Path) -> None:
    calls = installed(clone)
    call("scripts/with-venv", "run", "true", cwd=clone)
    assert len(pip_calls(calls)) == 2
    with (clone / "requirements" / "run.txt").open("a") as lock:
        lock.write("# changed\n")
    call("scripts/with-venv", "run", "true", cwd=clone)
    assert len(pip_calls(calls)) == 4


def test_the_development_set_serves_for_running_too_but_not_the_other_way_round(clone: Path) -> None:
    calls = installed(clone)
    call("scripts/with-venv", "dev", "true", cwd=clone)
    assert pip_calls(calls)[2].endswith("requirements/dev.txt")
    call("scripts/with-venv", "run", "true", cwd=clone)
    assert len(pip_calls(calls)) == 4


def test_every_pin_for_running_is_the_one_that_is_tested() -> None:
    run, dev = (pins(ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev"))
    assert run <= dev


def pins(lock: Path) -> set[str]:
    return {line.partition(" ")[0] for line in lock.read_text().splitlines() if line[:1].isalpha()}


def test_lock_files_hold_no_address() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in lock.read_text()


def test_a_hiccup_of_the_network_is_tried_again(clone: Path) -> None:
    once = clone / "once"
    program(
        clone / ".venv" / "bin" / "python",
        f"case $* in *require-hashes*) [ -e '{once}' ] || {{ touch '{once}'; exit 1; }} ;; esac",
    )
    done = call("scripts/with-venv", "run", "echo", "went on", cwd=clone)
    assert done.returncode == 0
    assert "went on" in done.stdout


def test_a_failed_installation_says_why_and_is_not_taken_for_done(clone: Path) -> None:
    program(
        clone / ".venv" / "bin" / "python", "case $* in *editable*) echo 'pip: the reason'; exit 1 ;; esac"
    )
    done = call("scripts/with-venv", "run", "echo", "went on", cwd=clone)
    assert done.returncode != 0
    assert "pip: the reason" in done.stderr
    assert "Traceback" not in done.stderr
    assert "went on" not in done.stdout
    assert not (clone / ".venv" / "holdfast-stamp.json").exists()


def test_an_environment_that_is_a_link_is_used_and_never_changed(clone: Path) -> None:
    calls = clone / "calls"
    program(clone / "shared" / "bin" / "python", f"echo \"$@\" >> '{calls}'")
    program(clone / "shared" / "bin" / "holdfast", "echo shared")
    (clone / ".venv").symlink_to("shared")
    assert call("make", "up", cwd=clone).stdout == "shared\n"
    assert not calls.exists()


@pytest.mark.parametrize("value", ["postgresql://u:pa$$word$(HOME)@h/db", "plain", "two words"], ids=repr)
@pytest.mark.parametrize("where", ["environment", "command line"])
def test_settings_reach_the_program_as_they_were_typed(clone: Path, value: str, where: str) -> None:
    installed(clone)
    program(clone / ".venv" / "bin" / "holdfast", 'printf "%s|%s" "$*" "$DATABASE_URL"')
    on_command_line = [f"DATABASE_URL={value}"] if where == "command line" else []
    more = {"DATABASE_URL": value} if where == "environment" else {}
    assert call("make", "up", *on_command_line, cwd=clone, **more).stdout == f"up|{value}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_for_make_reaches_the_program(clone: Path, number: signal.Signals) -> None:
    installed(clone)
    program(
        clone / ".venv" / "bin" / "holdfast",
        "trap 'echo heard; exit 0' TERM INT; echo ready; while :; do sleep 0.1; done",
    )
    with subprocess.Popen(
        ["make", "up"],
        cwd=clone,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as make:
        assert make.stdout
        assert make.stdout.readline() == "ready\n"
        if number == signal.SIGINT:
            os.killpg(make.pid, number)  # as a terminal does
        else:
            make.send_signal(number)
        assert make.stdout.readline() == "heard\n"
        make.wait(timeout=10)


def test_the_programs_exit_code_fails_make(clone: Path) -> None:
    installed(clone)
    program(clone / ".venv" / "bin" / "holdfast", "exit 3")
    assert call("make", "up", cwd=clone).returncode != 0


def test_an_old_python_and_a_shim_without_a_version_are_passed_over(clone: Path, tmp_path: Path) -> None:
    program(tmp_path / "python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    program(tmp_path / "python3.14", "exit 1")
    program(tmp_path / "python3.13", f"exec '{sys.executable}' \"$@\"")
    found = call("scripts/find-python", cwd=clone, PATH=str(tmp_path))
    assert Path(found.stdout.strip()).resolve() == Path(sys.executable).resolve()


def test_without_a_fitting_python_it_says_what_to_install(clone: Path, tmp_path: Path) -> None:
    old = program(tmp_path / "python3", "exit 1")
    done = call("make", "up", f"PYTHON={old}", cwd=clone)
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert str(old) in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="WARNING: not root; another user's clone was not tested")
def test_a_clone_of_another_user_is_an_error_that_says_so(clone: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    done = subprocess.run(
        ["scripts/with-venv", "run", "true"],
        cwd=clone,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    if "needs Python" in done.stderr:
        pytest.skip("WARNING: `nobody` has no Python here; another user's clone was not tested")
    assert done.returncode != 0
    assert "cannot write into" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("check", ["exit 0", "exit 1"], ids=["checks pass", "a check fails"])
@pytest.mark.parametrize("test", ["True", "False"], ids=["tests pass", "a test fails"])
def test_the_last_line_is_pytests_and_the_exit_code_tells_all(tmp_path: Path, check: str, test: str) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    for name in ("ruff", "mypy", "lint-imports"):
        program(tmp_path / "bin" / name, check)
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    assert {test}\n")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    done = call(
        sys.executable,
        "scripts/test.py",
        "-p",
        "no:cacheprovider",
        cwd=tmp_path,
        PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    )
    assert (done.returncode == 0) is (check == "exit 0" and test == "True")
    last = done.stdout.strip().splitlines()[-1]
    assert ("1 passed" if test == "True" else "1 failed") in last


def test_the_stamp_tells_what_was_installed(clone: Path) -> None:
    installed(clone)
    stamp = json.loads((clone / ".venv" / "holdfast-stamp.json").read_text())
    assert stamp["set"] == "run"
    assert stamp["venv"] == str(clone / ".venv")
