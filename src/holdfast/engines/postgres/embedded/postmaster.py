"""A running server as its data folder and the operating system describe it: `postmaster.pid`, its process, its strays."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 2.0

_SSL_REQUEST = struct.pack(
    "!II", 8, 80877103
)  # the shortest question of the protocol; S or N is the answer to it


class Postmaster(NamedTuple):
    """What `postmaster.pid` says. `status` is starting, ready, standby or stopping; a stale file may say anything."""

    pid: int
    port: int | None
    sockets: str
    status: str

    @property
    def ready(self) -> bool:
        return self.status in {"ready", "standby"}


def read_postmaster(data: Path) -> Postmaster | None:
    """The parsed `postmaster.pid`, or None where there is none yet or it is half written."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        pid = abs(int(lines[0]))
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None
    lines += [""] * (8 - len(lines))
    return Postmaster(pid, int(lines[3]) if lines[3].isdigit() else None, lines[4], lines[7].strip())


def is_alive(data: Path, pid: int) -> bool:
    """Whether this process serves this data. A number is reused, and a zombie keeps its number: both are not alive."""
    try:
        return _serves(psutil.Process(pid), data)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False  # of a process that serves us, the little that is asked may be read


def find_running(data: Path) -> Postmaster | None:
    """The server that serves this data now, whatever its state; None where `postmaster.pid` is absent or stale."""
    found = read_postmaster(data)
    return found if found and is_alive(data, found.pid) else None


def answers(postmaster: Postmaster) -> bool:
    """Whether the server talks. One that has just been killed is still there for a moment, and says that it is ready."""
    try:
        with socket.create_connection(
            ("127.0.0.1", postmaster.port or 0), timeout=_ANSWER_SECONDS
        ) as connection:
            connection.sendall(_SSL_REQUEST)
            return connection.recv(1) in {b"S", b"N"}
    except OSError:
        return False


def remove_misleading_file(data: Path) -> None:
    """Remove a stale `postmaster.pid` whose number now belongs to a process that is no server of this data.

    PostgreSQL itself gets over a number that is free; one that is taken (after a reboot, in a container) it believes. The
    file stays while children of the killed server live: it is how PostgreSQL notices them.
    """
    found = read_postmaster(data)
    if found and psutil.pid_exists(found.pid) and not is_alive(data, found.pid) and not any(_strays(data)):
        (data / "postmaster.pid").unlink(missing_ok=True)


def end_strays(data: Path) -> None:
    """End what a killed postmaster has left behind: its children hold its shared memory and bar the next start."""
    for process in _strays(data):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGQUIT)


def stop_postmaster(data: Path, pid: int, signals: list[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn until the server has ended, waiting that many seconds after each; whether it ended."""
    for number, seconds in signals:
        if not is_alive(data, pid):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not is_alive(data, pid):
                return True
            time.sleep(_POLL_SECONDS)
    return not is_alive(data, pid)


def _strays(data: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if _serves(process, data):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _serves(process: psutil.Process, data: Path) -> bool:
    """PostgreSQL works in its data folder. Root in a container may not read that of another user's process (it lacks
    CAP_SYS_PTRACE); the command line, which anyone may read, then tells the postmaster at least.
    """
    if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
        return False
    try:
        return _same(Path(process.cwd()), data)
    except psutil.AccessDenied:
        arguments = process.cmdline()
        return "-D" in arguments[:-1] and _same(Path(arguments[arguments.index("-D") + 1]), data)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return one == other  # a folder that has been removed is still told by its name
