"""Who serves this home: one process at a time, known by a lock that ends with it, however it ends.

<home>/serving.lock     held by the process that serves
<home>/serving.json     its number, address and readiness; means something only while the lock is held
<home>/server.log       what it says
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from holdfast.errors import ConfigurationError, Conflict, Unavailable
from holdfast.runtime.secrets import make_home, read_private, write_private

_LOOKING_SECONDS = 1.0
_POLL_SECONDS = 0.05
_LOG_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """The process that serves a home. `ready` once it answers."""

    pid: int
    host: str
    port: int
    processes: str
    """The process namespace that `pid` belongs to: in another container the number means nothing."""
    ready: bool = False

    @property
    def url(self) -> str:
        """The root of the API, as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Serving:
    """This process's right to serve a home, held until `release` or the end of the process."""

    def __init__(self, home: Path, handle: int) -> None:
        """Private: see `take`."""
        self._home = home
        self._handle: int | None = handle
        self._served: Served | None = None

    @classmethod
    def take(cls, home: Path) -> Self:
        """Raises Conflict where another process serves this home."""
        make_home(home)
        handle = _open_lock(home)
        deadline = (
            time.monotonic() + _LOOKING_SECONDS
        )  # someone may just be looking, with a lock of their own
        while not _lock(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                os.close(handle)
                raise _taken(home)
            time.sleep(_POLL_SECONDS)
        (home / "serving.json").unlink(missing_ok=True)
        return cls(home, handle)

    def announce(self, host: str, port: int) -> Served:
        """Say where this process will answer."""
        return self._write(Served(os.getpid(), host, port, _namespace()))

    def ready(self) -> None:
        """Say that it answers now."""
        if self._served is not None:
            self._write(replace(self._served, ready=True))

    def release(self) -> None:
        """Give the home back."""
        if self._handle is not None:
            (self._home / "serving.json").unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def _write(self, served: Served) -> Served:
        write_private(self._home / "serving.json", json.dumps(asdict(served)).encode())
        self._served = served
        return served


def find_served(home: Path) -> Served | None:
    """The process that serves this home, or None. Nothing is made."""
    if not _is_locked(home):
        return None
    content = read_private(home / "serving.json")
    return Served(**json.loads(content)) if content else Served(0, "", 0, _namespace())


def stop_served(home: Path, *, seconds: float) -> Served | None:
    """Ask the process that serves this home to end, wait for it, and say which it was; None where there is none.

    Raises Unavailable for one that does not end in time, Conflict for one in another container.
    """
    served = find_served(home)
    if served is None:
        return None
    if served.pid == 0:
        raise Unavailable(
            "A server is just starting or stopping.", where=str(home), hint="Try again in a moment."
        )
    if served.processes != _namespace():
        raise Conflict("The server of this home runs in another container.", hint="Stop it there.")
    os.kill(served.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while _is_locked(home):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"The server has not ended after {seconds:.0f} seconds.", where=f"process {served.pid}"
            )
        time.sleep(_POLL_SECONDS)
    return served


def log_path(home: Path) -> Path:
    """Where the server's log is."""
    return home / "server.log"


def open_log(home: Path) -> int:
    """A descriptor that appends to the server's log, 0600; one earlier log is kept, so that it cannot grow for ever."""
    make_home(home)
    path = log_path(home)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_name("server.log.1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(home: Path) -> Conflict:
    served = find_served(home)
    what = (
        f"process {served.pid} at {served.url}"
        if served and served.pid
        else "it is just starting or stopping"
    )
    return Conflict(
        f"Holdfast already serves this home: {what}.",
        where=str(home),
        hint="Use that one, end it with `holdfast stop`, or choose another HOLDFAST_HOME and HOLDFAST_PORT.",
    )


def _is_locked(home: Path) -> bool:
    try:
        handle = os.open(home / "serving.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _lock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _open_lock(home: Path) -> int:
    try:
        return os.open(home / "serving.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"The folder cannot be written to: {error.strerror}.",
            where=f"HOLDFAST_HOME, {home}",
            hint="Choose a folder of your own, or change whose it is.",
        ) from None


def _lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _namespace() -> str:
    link = Path("/proc/self/ns/pid")
    return str(link.readlink()) if link.is_symlink() else ""
