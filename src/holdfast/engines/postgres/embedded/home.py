"""What the launcher keeps in the home, and the locks that keep two launchers apart.

<home>/postgres/            0700
    lock                    held while a server is looked for, made, started or stopped
    users                   held, shared, by everyone who uses the running server
    server.json             port, where the data lies, and an id of this home
    password                the superuser's, 0600
    server.log              what PostgreSQL says
    cluster/                0700, PostgreSQL's own: the data, its sockets, a half-made cluster
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from holdfast.errors import ConfigurationError, Unavailable

_LOG_LIMIT = 16 * 1024 * 1024
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Record:
    """What a later start has to know. `cluster` is set only where the data lies outside the home."""

    home_id: str
    port: int | None = None
    cluster: str | None = None
    initialised: bool = False
    sockets: str | None = None
    processes: str | None = None
    """The process namespace of the last launch: in another container the server's number means nothing."""


@dataclass(frozen=True, slots=True)
class ServerHome:
    """The launcher's part of a home."""

    home: Path
    record: Record

    @property
    def root(self) -> Path:
        return self.home / "postgres"

    @property
    def cluster(self) -> Path:
        """Where the data lies, or would lie if the server's account can work there."""
        return Path(self.record.cluster) if self.record.cluster else self.root / "cluster"

    @property
    def log_path(self) -> Path:
        return self.root / "server.log"

    def password(self) -> str:
        """The superuser's password; ConfigurationError where data exists and the file is gone."""
        path = self.root / "password"
        try:
            return path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            if self.record.initialised:
                raise ConfigurationError(
                    "The file with the database administrator's password is gone.",
                    where=str(path),
                    hint="Put it back from a backup, or begin with an empty HOLDFAST_HOME.",
                ) from None
        password = secrets.token_urlsafe(32)
        write_private(path, password + "\n")
        return password

    def remember(self, **changes: str | int | bool | None) -> ServerHome:
        """The same home with these facts in its record, and on disk."""
        record = replace(self.record, **changes)  # type: ignore[arg-type]
        if record != self.record:
            write_private(self.root / "server.json", json.dumps(asdict(record), indent=2) + "\n")
        return replace(self, record=record)

    def open_log(self) -> int:
        """A file descriptor that appends to the log. One earlier log is kept, so that it cannot grow for ever."""
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > _LOG_LIMIT:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return os.open(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def find_home(home: Path) -> ServerHome | None:
    """The launcher's part of this home, where there has been a server; nothing is made."""
    home = home.resolve()
    with explained(home):
        record = _read_record(home / "postgres" / "server.json")
    return ServerHome(home, record) if record else None


def prepare_home(home: Path) -> ServerHome:
    """Make the folders that are missing, 0700 each; what is there keeps its mode. To be read again under the lock."""
    home = home.resolve()
    if "\n" in str(home):
        raise ConfigurationError(
            "A home whose path has a line break cannot hold a database.", where="HOLDFAST_HOME"
        )
    with explained(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "postgres").mkdir(mode=0o700, exist_ok=True)
    return ServerHome(home, Record(home_id=""))


def load_home(prepared: ServerHome) -> ServerHome:
    """The home with its record, which is begun where there is none. Under the lock only."""
    record = _read_record(prepared.root / "server.json")
    if record is not None:
        return replace(prepared, record=record)
    return prepared.remember(home_id=secrets.token_hex(8))


@contextlib.contextmanager
def locked(home: ServerHome, *, timeout: float) -> Iterator[None]:
    """Hold the home's lock. It goes when its process goes, however that ends. Unavailable after `timeout` seconds."""
    with explained(home.home):
        handle = os.open(home.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout
        while not _flock(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise Unavailable(
                    "Another process is starting or stopping the database of this home.",
                    where=str(home.home),
                    hint="Wait for it to end, or end it, and try again.",
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


class Lease:
    """A share in the running server. Only who finds no other share may stop it. It ends with its process."""

    def __init__(self, home: ServerHome) -> None:
        self._handle: int | None = os.open(home.root / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _flock(self._handle, fcntl.LOCK_SH)

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.release()


def in_use(home: ServerHome) -> bool:
    """Whether any process, this one included, holds a share in the running server. Under the lock only."""
    handle = os.open(home.root / "users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return not _flock(handle, fcntl.LOCK_EX)
    finally:
        os.close(handle)


@contextlib.contextmanager
def explained(home: Path) -> Iterator[None]:
    """Turn the operating system's refusals in the home into errors that say what to do."""
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise ConfigurationError(
            "This user cannot keep a database here.",
            where=str(error.filename or home),
            hint="Set HOLDFAST_HOME to a folder that belongs to you, or run as its owner.",
        ) from error
    except OSError as error:
        raise Unavailable(
            f"The home cannot be used: {error.strerror}.", where=str(error.filename or home)
        ) from error


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, 0600, on the disk before this returns."""
    building = path.with_name(
        f"{path.name}.new"
    )  # one name, so that no leftovers gather; the lock keeps it ours
    handle = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    building.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_record(path: Path) -> Record | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{field.name: stored[field.name] for field in fields(Record) if field.name in stored})
    except FileNotFoundError:
        return None
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            "The launcher's record cannot be read.", where=str(path), hint="Put it back from a backup."
        ) from error


def _flock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
