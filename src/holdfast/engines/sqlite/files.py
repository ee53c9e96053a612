"""How a file is opened: made where it is missing, refused where it is another's, and set up for several processes.

A database in memory is a file too, in a private folder on a memory file system where there is one, removed at the end: SQLite's
own databases in memory give a reader no moment of its own while another writes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.engines.sqlite import _ddl
from holdfast.engines.sqlite._errors import bare, is_busy, translated
from holdfast.engines.sqlite._names import MEDIUM
from holdfast.engines.sqlite.location import Location
from holdfast.errors import Busy, ConfigurationError, HoldfastError, SchemaError, Unavailable

OLDEST: Final = (3, 37)
"""The first SQLite with STRICT tables."""
_APPLICATION: Final = 0x484F4C44
"""Names the file's owner to `file` and other tools: HOLD."""
_BUSY_SECONDS: Final = 0.1
"""How long a statement waits inside SQLite, where nobody can interrupt it; whoever may wait for longer asks again."""
_OPEN_SECONDS: Final = 5.0
_WAL_BYTES: Final = 64 * 1024**2
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 (a folder of its own is made in it)
_STEM: Final = "holdfast-sqlite-"
_NEW, _HELD = "new", "held"

_PLACE = "DATABASE_URL"


class Medium:
    """One file, opened as often as is asked for. `durable` says whether it outlives the process."""

    def __init__(self, location: Location) -> None:
        self.durable = location.path is not None
        self._folder: _Folder | None = None
        self._file: tuple[int, int] | None = None
        if location.path is None:
            self._folder = _Folder()
            location = Location(self._folder.path / "store.db")
        self._location = location

    @property
    def path(self) -> Path:
        """Where the file is."""
        assert self._location.path is not None  # noqa: S101 (a database in memory has been given one)
        return self._location.path

    def open(self) -> sqlite3.Connection:
        """The connection that writes. Makes the file ours where it is new. Raises ConfigurationError or SchemaError."""
        if sqlite3.sqlite_version_info < OLDEST:
            raise ConfigurationError(
                f"SQLite {sqlite3.sqlite_version} is too old.",
                where="Python's sqlite3",
                hint=f"Holdfast needs {'.'.join(map(str, OLDEST))} or newer.",
            )
        _touch(self.path)
        self._file = _identity(self.path)
        try:
            return self._opened()
        except HoldfastError as error:
            error.where = error.where or f"{_PLACE}, {self.path}"
            raise

    def _opened(self) -> sqlite3.Connection:
        raw = self._connect()
        try:
            with translated():
                _settle(raw, synchronous="full" if self.durable else "off")
                raw.execute("pragma foreign_keys = on")
        except BaseException:
            raw.close()
            raise
        return raw

    def open_again(self) -> sqlite3.Connection:
        """Another connection that writes, in the place of the first."""
        self.demand_same()
        return self._opened()

    def open_reader(self) -> sqlite3.Connection:
        """A connection that writes nothing."""
        self.demand_same()
        with translated():
            raw = self._connect()
            raw.execute("pragma query_only = on")
            return raw

    def demand_same(self) -> None:
        """Raises Unavailable where another file has come into this one's place: connections to both would be two stores."""
        if _identity(self.path) != self._file:
            raise Unavailable(
                "the file was replaced or removed while it was in use",
                where=f"{_PLACE}, {self.path}",
                hint="Stop everything that uses the file, put it in its place, and start again.",
            )

    def _connect(self) -> sqlite3.Connection:
        with translated():
            raw = sqlite3.connect(
                self._location.uri,
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=512,
            )
            raw.execute("pragma trusted_schema = off")
            return raw

    def hold(self) -> Held | None:
        """Be the only one who changes the schema, here and in other processes, by whatever name they know the file; None while
        another one is. The system lets go for whoever dies.
        """
        path = self.path.resolve()
        return _held(path.with_name(f"{path.name}-migration"))

    def forget(self) -> None:
        """Remove what is not meant to last."""
        if self._folder is not None:
            self._folder.remove()


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, by whatever name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _touch(path: Path) -> None:
    """Make the file where it is missing, for its owner alone."""
    try:
        if path.is_dir():
            raise ConfigurationError("This is a folder, not a file.", where=f"{_PLACE}, {path}")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
            raise _not_writable(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise ConfigurationError(
                "The folder of this file does not exist.",
                where=f"{_PLACE}, {path}",
                hint=f"mkdir {path.parent}",
            ) from None
        raise _not_writable(path) from None


def _not_writable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        "This file, or its folder, cannot be written to.",
        where=f"{_PLACE}, {path}",
        hint="Run as the user who owns them, or let this user write: SQLite keeps two files beside the database.",
    )


def _settle(raw: sqlite3.Connection, *, synchronous: str) -> None:
    """Look whose the file is before anything in it is changed."""
    tables = {name for (name,) in _patiently(raw, "select name from sqlite_schema where type = 'table'")}
    if tables and MEDIUM not in tables:
        raise SchemaError(
            "this file holds tables that are not Holdfast's",
            hint="Holdfast wants a file of its own: name one that does not exist yet in DATABASE_URL.",
        )
    ((mode,),) = _patiently(raw, "pragma journal_mode = wal")
    if mode != "wal":
        raise ConfigurationError(
            "This file system does not keep a write-ahead log.",
            where=_PLACE,
            hint="Put the file on a local disk: several processes use it through shared memory.",
        )
    raw.execute(f"pragma synchronous = {synchronous}")
    raw.execute(f"pragma journal_size_limit = {_WAL_BYTES}")
    _patiently(raw, "begin immediate")
    try:
        if not tables:
            raw.execute(f"pragma application_id = {_APPLICATION}")
            for statement in _ddl.medium():
                raw.execute(statement)
        raw.execute("commit")
    finally:
        if raw.in_transaction:
            raw.execute("rollback")


def _patiently(raw: sqlite3.Connection, text: str) -> list[tuple[str]]:
    """Carry a statement out; while another process holds the file, again. Raises Busy."""
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            return raw.execute(text).fetchall()
        except sqlite3.OperationalError as error:
            if not is_busy(error):
                raise
            if time.monotonic() > deadline:
                raise Busy("another process holds the file for too long", where=_PLACE) from bare(error)
        time.sleep(0.01)


# -- who changes the schema ---------------------------------------------------------------------------------------


class Held:
    """A lock on a file of its own: to close the database's would let go of what SQLite holds on it."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle

    def release(self) -> None:
        """Let go, and leave no file behind."""
        self._path.unlink(missing_ok=True)
        os.close(self._handle)


def _held(path: Path) -> Held | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(handle).st_ino:  # and not one that was just removed
            return Held(path, handle)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None


# -- what is not meant to last ------------------------------------------------------------------------------------


class _Folder:
    """A private folder, held by a lock for as long as the process lives: what a killed one has left is removed by the next."""

    def __init__(self) -> None:
        home = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _remove_abandoned(home)
        self.path = Path(tempfile.mkdtemp(prefix=f"{_STEM}{os.getuid()}-", dir=home))
        self._lock = os.open(self.path / _NEW, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        # Under this name it is looked for, and found held at once.
        (self.path / _NEW).rename(self.path / _HELD)

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __del__(self) -> None:
        self.remove()


def _remove_abandoned(home: Path) -> None:
    for folder in home.glob(f"{_STEM}{os.getuid()}-*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.getuid():
                with _alone(folder / _HELD):
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file that nobody else holds. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
