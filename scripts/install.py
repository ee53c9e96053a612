"""Bring the virtual environment up to date with a lock file, then become another program.

    python scripts/install.py SET [COMMAND …]        # SET: run or dev, for requirements/SET.txt

Standard library only: it is what installs everything else. Nothing is downloaded while the lock files and the project's
own description are those of the last time; a stamp in the environment tells. An installation that was interrupted goes on,
an environment that was moved or broken is made anew, and one that is a symbolic link is somebody else's: used, not changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
ATTEMPTS = 3
HEARTBEAT_SECONDS = 10.0
UNWANTED = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")


class Failed(Exception):
    """What to tell the user instead of a traceback."""


def main(arguments: list[str]) -> NoReturn:
    wanted, *command = arguments
    venv = ROOT / os.environ.get("VENV", ".venv")
    signal.signal(signal.SIGTERM, _end)  # as an exception, so that pip does not outlive this program
    try:
        update(venv, wanted)
    except Failed as reason:
        sys.exit(f"\n{reason}")
    except KeyboardInterrupt:
        sys.exit(130)
    if not command:
        sys.exit(0)
    become(command, venv)


def update(venv: Path, wanted: str) -> None:
    """Install what is missing; quickly nothing, where nothing is."""
    if venv.is_symlink():
        return
    if not os.access(ROOT, os.W_OK | os.X_OK):
        raise Failed(
            f"This user cannot write into {ROOT}, where the virtual environment belongs.\n"
            "Run as the owner of this clone, or clone it again into a folder of your own."
        )
    with _Lock(ROOT):
        stamp = venv / "holdfast-stamp.json"
        known = read_stamp(stamp)
        now = fingerprint(venv)
        if is_current(known, now, wanted) and (venv / "bin" / "python").exists():
            return
        make_venv(venv, anew=known.get("venv", now["venv"]) != now["venv"])
        stamp.unlink(missing_ok=True)
        install(venv, wanted)
        stamp.write_text(json.dumps({**now, "set": wanted}), encoding="utf-8")


def fingerprint(venv: Path) -> dict[str, str]:
    """Everything that an installation depends on. The path too: programs in an environment hold it."""
    files = {name: ROOT / "requirements" / f"{name}.txt" for name in ("run", "dev")}
    files["project"] = ROOT / "pyproject.toml"
    return {
        "venv": str(venv),
        **{name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()},
    }


def is_current(known: Mapping[str, str], now: Mapping[str, str], wanted: str) -> bool:
    """Whether the stamp speaks for what is wanted. The set `dev` holds all of `run`, at the same versions."""
    return known.get("set") in {wanted, "dev"} and all(
        known.get(name) == value for name, value in now.items()
    )


def read_stamp(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def make_venv(venv: Path, *, anew: bool) -> None:
    """An environment that works, made where there is none, or none any longer."""
    if not anew and works(venv):
        return
    if not (find_spec("venv") and find_spec("ensurepip")):
        provide_ensurepip()
    tell(f"Making a virtual environment with Python {sys.version.split()[0]}")
    made = subprocess.run(
        [sys.executable, "-I", "-m", "venv", "--clear", str(venv)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise Failed(f"The virtual environment cannot be made in {venv}:\n{made.stdout}{made.stderr}")


def works(venv: Path) -> bool:
    code = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return (
            subprocess.run(
                [venv / "bin" / "python", "-I", "-c", code], capture_output=True, check=False
            ).returncode
            == 0
        )
    except OSError:
        return False


def provide_ensurepip() -> None:
    """Debian and its relatives leave `ensurepip` out of Python's own package."""
    package = f"python3.{sys.version_info.minor}-venv"
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    by_hand = f"Install it and run this again:\n    sudo apt-get install {package}"
    missing = f"{sys.executable} comes without `venv`."
    if shutil.which("apt-get") is None or not sys.executable.startswith("/usr/bin/"):
        raise Failed(
            f"{missing} Add your system's package for it, or name another Python: PYTHON=/path/to/python3"
        )
    if os.geteuid() == 0:
        prefix: list[str] = []
    elif (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        prefix = ["sudo", "-n"]
    else:
        raise Failed(f"{missing} {by_hand}")
    tell(f"Installing the system's {package}")
    for step in (install, ["apt-get", "update"], install):
        done = subprocess.run([*prefix, *step], capture_output=True, text=True, check=False)
        if done.returncode == 0 and step is install:
            return
    raise Failed(f"{missing} {by_hand}\n\napt-get said:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def install(venv: Path, wanted: str) -> None:
    lock = ROOT / "requirements" / f"{wanted}.txt"
    count = sum(" \\" in line and "==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    tell(f"Installing {count} locked packages; the first time this takes a minute or so")
    pip(venv, "--require-hashes", "--retries", "10", "--timeout", "60", "-r", str(lock), attempts=ATTEMPTS)
    tell("Installing Holdfast itself")
    pip(venv, "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT), attempts=1)


def pip(venv: Path, *arguments: str, attempts: int) -> None:
    command = [
        str(venv / "bin" / "python"),
        "-I",
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
    ]
    for attempt in range(1, attempts + 1):
        said = _run_telling([*command, *arguments])
        if said is None:
            return
        if attempt < attempts:
            tell("That did not work; trying again")
            time.sleep(2 * attempt)
    raise Failed(
        "pip could not install everything. Is the network there? It said last:\n\n" + "\n".join(said or [])
    )


def _run_telling(command: list[str]) -> list[str] | None:
    """Run a command and show that it lives; None when it went well, otherwise its last lines."""
    lines: list[str] = []
    told = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        try:
            for line in process.stdout or []:
                lines.append(line.rstrip())
                told = _heartbeat(lines[-1], told)
        except BaseException:
            process.kill()
            raise
    if sys.stdout.isatty():
        sys.stdout.write("\r\033[K")
    return None if process.returncode == 0 else lines[-25:]


def _heartbeat(line: str, told: float) -> float:
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K   {line.strip()[: shutil.get_terminal_size().columns - 4]}")
        sys.stdout.flush()
    elif time.monotonic() - told > HEARTBEAT_SECONDS:
        tell(f"… {line.strip()[:100]}")
        return time.monotonic()
    return told


def become(command: list[str], venv: Path) -> NoReturn:
    os.environ["VIRTUAL_ENV"] = str(venv)
    os.environ["PATH"] = f"{venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")


def tell(line: str) -> None:
    sys.stdout.write(f"-- {line}\n")
    sys.stdout.flush()


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


class _Lock:
    """One installation at a time. The folder itself is locked, so that no file is left over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("Waiting for another installation in this folder")
            fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


if __name__ == "__main__":
    main(sys.argv[1:])
