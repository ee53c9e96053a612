"""Launch the server on a place that has been found, and see it through to the moment when it answers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from holdfast.engines.postgres.embedded.home import ServerHome
from holdfast.engines.postgres.embedded.places import Place, Progress
from holdfast.engines.postgres.embedded.postmaster import (
    Postmaster,
    end_strays,
    read_postmaster,
    remove_misleading_file,
)
from holdfast.errors import ConfigurationError, Unavailable

_POLL_SECONDS = 0.02
_RETRY_SECONDS = 0.25
_STRAYS_AFTER_SECONDS = 3.0
_TELL_AFTER_SECONDS = 2.0

# `sun_path` holds 108 bytes on Linux and 104 elsewhere, and "/.s.PGSQL.65535" takes 15 of them.
_LONGEST_SOCKET_DIR = 85
_PLAIN_PATH = re.compile(r"[\w./+@~-]+", re.ASCII)
_SOCKETS_PREFIX = "holdfast-"

_IN_USE = re.compile(r"could not create any TCP/IP sockets|could not bind|Address already in use")
_STILL_THERE = re.compile(r"is still in use|lock file .* already exists|lock file .* is empty")


def launch(
    home: ServerHome, place: Place, settings: Mapping[str, str], *, timeout: float, progress: Progress
) -> tuple[ServerHome, Postmaster]:
    """Start the server and wait until it accepts connections; try again over what a killed server has left.

    Unavailable where it does not come up: with its own last words, or after `timeout` seconds, in which case it is left
    to finish its recovery and the next start adopts it.
    """
    started = time.monotonic()
    home = _with_sockets(home, place)
    port = home.record.port
    while True:
        remove_misleading_file(place.data)
        port = port if port and _is_free(port) else _free_port()
        home = home.remember(port=port)
        outcome = _attempt(home, place, settings, deadline=started + timeout, progress=progress)
        if isinstance(outcome, Postmaster):
            return home, outcome
        waited = time.monotonic() - started
        if waited > timeout or not (_IN_USE.search(outcome) or _STILL_THERE.search(outcome)):
            raise _refused(home, outcome)
        if _STILL_THERE.search(outcome) and waited > _STRAYS_AFTER_SECONDS:
            end_strays(place.data)
        port = None if _IN_USE.search(outcome) else port
        time.sleep(_RETRY_SECONDS)


def remove_sockets(home: ServerHome) -> None:
    """Remove the short folder of a home whose own path is too long for sockets."""
    folder = home.record.sockets
    if (
        folder
        and Path(folder).name.startswith(_SOCKETS_PREFIX)
        and not Path(folder).is_relative_to(home.home)
    ):
        shutil.rmtree(folder, ignore_errors=True)


def _attempt(
    home: ServerHome, place: Place, settings: Mapping[str, str], *, deadline: float, progress: Progress
) -> Postmaster | str:
    """One start: the server that is ready, or what it said before it ended."""
    log = home.open_log()
    try:
        before = os.fstat(log).st_size
        process = place.account.spawn(_command(home, place, settings), output=log)
    finally:
        os.close(log)
    # Whoever starts it must collect it when it ends, or its number stays taken for as long as this process lives.
    reaper = threading.Thread(target=process.wait, name="embedded-postgres", daemon=True)
    try:
        postmaster = _wait(process, place.data, deadline=deadline, progress=progress)
    except BaseException:
        process.send_signal(signal.SIGINT)  # the caller gives up, on Ctrl-C for one
        raise
    finally:
        reaper.start()
    if postmaster is not None:
        return postmaster
    if process.poll() is None:
        raise Unavailable(
            "PostgreSQL is not ready yet; it goes on starting.",
            where=str(home.log_path),
            hint="It may be recovering after a crash: try again in a while.",
        )
    with home.log_path.open(encoding="utf-8", errors="replace") as file:
        file.seek(before)
        return file.read()


def _wait(
    process: subprocess.Popen[bytes], data: Path, *, deadline: float, progress: Progress
) -> Postmaster | None:
    """The server once it is ready; None once it has ended or the deadline has passed."""
    tell_at = time.monotonic() + _TELL_AFTER_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        found = read_postmaster(data)
        if found and found.pid == process.pid and found.ready:
            return found
        if time.monotonic() > tell_at:
            progress("PostgreSQL is starting; after a crash it replays its log first.")
            tell_at = deadline
        time.sleep(_POLL_SECONDS)
    return None


def _command(home: ServerHome, place: Place, settings: Mapping[str, str]) -> list[str]:
    own = {
        "listen_addresses": "127.0.0.1",
        "port": str(home.record.port),
        "unix_socket_directories": home.record.sockets or "",
        "unix_socket_permissions": "0700",
    }
    options = [part for name, value in {**settings, **own}.items() for part in ("-c", f"{name}={value}")]
    return [place.installation.tool("postgres"), "-D", str(place.data), *options]


def _with_sockets(home: ServerHome, place: Place) -> ServerHome:
    """A folder for the sockets, 0700 and the account's: beside the data, or a short one where that path is too long."""
    remove_sockets(home)  # a killed server has left it
    beside = place.cluster / "sockets"
    if len(os.fsencode(beside)) <= _LONGEST_SOCKET_DIR and _PLAIN_PATH.fullmatch(str(beside)):
        beside.mkdir(mode=0o700, exist_ok=True)
        folder = beside
    else:
        folder = Path(tempfile.mkdtemp(prefix=_SOCKETS_PREFIX, dir=_short_temporary()))
    place.account.own(folder)
    return home.remember(sockets=str(folder))


def _short_temporary() -> str:
    """Not `$TMPDIR`: it is long itself on some systems, and may be closed to the account."""
    return "/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108 - mkdtemp names it at random


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _refused(home: ServerHome, said: str) -> Exception:
    lines = [line for line in said.splitlines() if "FATAL:" in line or "PANIC:" in line]
    reason = lines[-1].split(":  ", 1)[-1].strip() if lines else "it says nothing"
    where = str(home.log_path)
    if "permission" in reason or "ownership" in reason:
        hint = "The data folder and all in it must belong to the server's user, with mode 0700."
        return ConfigurationError(f"PostgreSQL does not start: {reason}", where=where, hint=hint)
    return Unavailable(f"PostgreSQL does not start: {reason}", where=where, hint="Its log says more.")
