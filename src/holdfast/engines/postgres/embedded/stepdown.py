"""Who the server runs as. PostgreSQL refuses root, so root steps down, in one of two ways.

`NAMESPACE`: a user namespace in which the process is unprivileged, and which leaves root's files within reach.
`USER`: another user altogether, where no namespace is allowed (most containers); files and their parent folders must then
be open to that user, and `places.py` looks for such a place.
"""

from __future__ import annotations

import enum
import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigurationError

_ENTRY = Path(__file__).with_name("namespace_entry.py")

# Nothing of the caller's environment reaches the server: PGDATA, PGPORT and PGOPTIONS would be obeyed, LD_LIBRARY_PATH could
# swap its libraries, and a locale that the machine lacks would stop initdb. Messages in C can be told apart.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

_PROBE = 'cd -- "$1" 2>/dev/null && test -w . || exit 71; "$2" --version >/dev/null 2>&1 || exit 72'
_FOLDER_CLOSED, _PROGRAM_CLOSED = 71, 72


class StepDown(enum.StrEnum):
    """How root becomes someone whom PostgreSQL accepts."""

    NAMESPACE = "namespace"
    USER = "user"


class Reach(enum.Enum):
    """What an account can get at."""

    ALL = enum.auto()
    NOT_FOLDER = enum.auto()
    NOT_PROGRAM = enum.auto()
    NOTHING = enum.auto()
    """The account itself is not to be had on this machine."""


@dataclass(frozen=True, slots=True)
class Account:
    """An identity to run programs under; its files belong to `uid` and `gid`."""

    uid: int
    gid: int
    step_down: StepDown | None = None

    def run(self, arguments: list[str], *, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and keep what it says. It is killed after `timeout` seconds."""
        return subprocess.run(  # noqa: S603
            self._command(arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            **self._circumstances(),
        )

    def spawn(self, arguments: list[str], *, output: int) -> subprocess.Popen[bytes]:
        """Start a program that goes on by itself, its output appended to the file descriptor `output`."""
        return subprocess.Popen(  # noqa: S603
            self._command(arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **self._circumstances(),
        )

    def reach(self, folder: Path, program: str) -> Reach:
        """Whether this account can write into `folder` and run `program`. Found out by trying."""
        try:
            answer = self.run(["/bin/sh", "-c", _PROBE, "sh", str(folder), program], timeout=30)
        except (OSError, subprocess.SubprocessError):
            return Reach.NOTHING
        answers = {0: Reach.ALL, _FOLDER_CLOSED: Reach.NOT_FOLDER, _PROGRAM_CLOSED: Reach.NOT_PROGRAM}
        return answers.get(answer.returncode, Reach.NOTHING)

    def own(self, path: Path) -> None:
        """Make a file or folder that this process has made this account's."""
        if (self.uid, self.gid) != (os.geteuid(), os.getegid()):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, top: Path) -> None:
        """The same for all below; `top` itself comes last, so that its owner tells whether this was completed."""
        for folder, folders, files in os.walk(top):
            for name in [*folders, *files]:
                self.own(Path(folder, name))
        self.own(top)

    def _command(self, arguments: list[str]) -> list[str]:
        if self.step_down is not StepDown.NAMESPACE:
            return arguments
        nobody = _unprivileged()
        entry = [sys.executable, "-I", "-S", str(_ENTRY), str(nobody.pw_uid), str(nobody.pw_gid)]
        return [*entry, *arguments]

    def _circumstances(self) -> dict[str, Any]:
        # A session of its own keeps the terminal's Ctrl-C away. The caller's folder may be closed to the account.
        common: dict[str, Any] = {"start_new_session": True, "cwd": "/", "env": _ENVIRONMENT}
        if self.step_down is StepDown.USER:
            common |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return common


def accounts(*, prefer: StepDown | None = None) -> list[Account]:
    """The accounts that new data may belong to, the best first. `prefer` leaves only one way of stepping down."""
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        return [Account(uid, gid)]
    nobody = _unprivileged()
    ways = {
        StepDown.NAMESPACE: Account(uid, gid, StepDown.NAMESPACE),
        StepDown.USER: Account(nobody.pw_uid, nobody.pw_gid, StepDown.USER),
    }
    return [account for way, account in ways.items() if prefer in {None, way}]


def account_of(data: Path, *, prefer: StepDown | None = None) -> list[Account]:
    """The accounts that may open existing data, the best first: the owner of the files decides."""
    owner = data.stat()
    if owner.st_uid == os.geteuid():
        return accounts(prefer=prefer)
    if os.geteuid() != 0:
        raise ConfigurationError(
            "The database files belong to another user.",
            where=str(data),
            hint="Run as the user who made them, or set HOLDFAST_HOME to a folder of your own.",
        )
    return [Account(owner.st_uid, owner.st_gid, StepDown.USER)]


def _unprivileged() -> pwd.struct_passwd:
    # initdb looks its user up by name, so a number without an entry would not do.
    for name in ("nobody", "daemon"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return found
    raise ConfigurationError(
        "PostgreSQL does not run as root, and there is no user `nobody` to run it as.",
        hint="Run as an ordinary user, or set DATABASE_URL.",
    )
